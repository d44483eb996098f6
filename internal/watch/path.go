package watch

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

var native = binary.NativeEndian

// mostLinks is how many symbolic links are followed on the way to a file, as the
// kernel does.
const mostLinks = 40

// follow walks path from the root, and calls step for each name with the directory
// that it is looked up in, a real one, before it looks. It ends where nothing is.
func follow(path string, step func(dir, name string)) {
	dir, links := "/", 0
	rest := split(path)
	for len(rest) > 0 {
		name := rest[0]
		rest = rest[1:]
		switch name {
		case ".":
			continue
		case "..":
			dir = filepath.Dir(dir)
			continue
		}
		step(dir, name)
		at := filepath.Join(dir, name)
		info, err := os.Lstat(at)
		if err != nil {
			return
		}
		if info.Mode()&os.ModeSymlink == 0 {
			dir = at
			continue
		}
		target, err := os.Readlink(at)
		if links++; err != nil || links > mostLinks {
			return
		}
		if filepath.IsAbs(target) {
			dir = "/"
		}
		rest = append(split(target), rest...)
	}
}

// split gives the names of a path. It does not clean it: a/../b is not b where a
// is a symbolic link.
func split(path string) []string {
	return strings.FieldsFunc(path, func(r rune) bool { return r == '/' })
}

// Print identifies what paths lead to at this moment: which files, and their
// size, mode and time of the last change. It is equal when nothing has changed, and is for
// comparison only.
func Print(paths []string) string {
	var b strings.Builder
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			fmt.Fprintf(&b, "%q none\n", path)
			continue
		}
		var dev, ino uint64
		changed := info.ModTime().UnixNano()
		if st, ok := info.Sys().(*syscall.Stat_t); ok {
			dev, ino, changed = st.Dev, st.Ino, st.Ctim.Nano() // a copy may set the other one
		}
		fmt.Fprintf(&b, "%q %d:%d %o %d %d\n", path, dev, ino, info.Mode(), info.Size(), changed)
	}
	return b.String()
}
