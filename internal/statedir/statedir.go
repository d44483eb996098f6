// Package statedir is where a supervisor keeps what outlives it: directories below
// its --state-dir, one for each kind of thing and each control socket.
//
// Invariant: nothing is written to, or read from, a directory that anybody but
// its owner and root can write to, and no two supervisors write to one.
//
// The smallest use:
//
//	dir, err := statedir.Open(statedir.Path("/var/lib/tandem", "timeline", "/run/tandem/supervisor.sock"))
//	if err != nil {
//		return err
//	}
//	defer dir.Close()
//	file, err := dir.Root.Create("events")
package statedir

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Path is where the things of that kind are which the supervisor with that
// control socket keeps, below the state directory: two supervisors never share
// one. It is "" when the state directory is off.
func Path(state, kind, control string) string {
	if state == "off" {
		return ""
	}
	name := strings.Map(func(r rune) rune {
		switch {
		case r == '/':
			return '-'
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', strings.ContainsRune("._-", r):
			return r
		}
		return '_'
	}, strings.Trim(control, "/"))
	sum := sha256.Sum256([]byte(control))
	name = name[max(0, len(name)-80):] // the end of a path says more
	return filepath.Join(state, kind, fmt.Sprintf("%s-%x", strings.Trim(name, "-."), sum[:4]))
}

// Dir is an open directory. Files are reached through Root, whatever is put in
// the place of the directory meanwhile.
type Dir struct {
	Root *os.Root

	lock *os.File
}

// Open makes the directory, which [Path] has named, if it is missing, checks
// whose it is, and takes its lock, which an exec gives up.
func Open(path string) (*Dir, error) {
	kind := filepath.Dir(path)
	state := filepath.Dir(kind)
	for _, d := range []string{state, kind, path} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			err = fmt.Errorf("make the directory: %w; choose another with --state-dir", err)
			if d == state || d == kind && !errors.Is(err, unix.ENOTDIR) {
				err = &UnusableError{state, err}
			}
			return nil, err
		}
		if err := trusted(d); err != nil { // before anything is made below it
			err = fmt.Errorf("%w: choose another with --state-dir", err)
			if d == state {
				err = &UnusableError{state, err}
			}
			return nil, err
		}
	}
	d, err := inspect(path, os.Getuid())
	if err != nil {
		return nil, err
	}
	if d.lock, err = d.Root.Open("."); err == nil {
		err = unix.Flock(int(d.lock.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	}
	if errors.Is(err, unix.EWOULDBLOCK) {
		err = errors.New("another supervisor writes there (it has no control socket of its own, or the same path in another namespace); choose another with --state-dir")
	}
	if err != nil {
		d.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return d, nil
}

// Inspect opens a directory to read what a supervisor of the same user has left
// there, or as root of any user, while or after it writes there. The error wraps
// fs.ErrNotExist when there is none.
func Inspect(path string) (*Dir, error) {
	owner := os.Getuid()
	if owner == 0 {
		owner = -1 // root may read everybody's
	}
	return inspect(path, owner)
}

// Close gives up the directory and its lock.
func (d *Dir) Close() {
	if d.lock != nil {
		_ = d.lock.Close()
	}
	_ = d.Root.Close()
}

func uidOf(info fs.FileInfo) int { return int(info.Sys().(*syscall.Stat_t).Uid) }

// trusted says that nobody but us and root decides what is at dir. A link that
// they made is followed: systemd makes one.
func trusted(dir string) error {
	ours := func(info fs.FileInfo) bool { return uidOf(info) == os.Getuid() || uidOf(info) == 0 }
	link, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	switch {
	case !ours(link) || !ours(info):
		return fmt.Errorf("%s belongs to uid %d, neither to us (%d) nor to root", dir, uidOf(info), os.Getuid())
	case info.Mode().Perm()&0o022 != 0 && info.Mode()&fs.ModeSticky == 0:
		return fmt.Errorf("%s has mode %04o and others can write to it", dir, info.Mode().Perm())
	}
	return nil
}

// inspect opens a directory that is there, and belongs to owner unless that is
// negative. Nobody else may be able to write to it: what is in it is shown to
// operators, and removed.
func inspect(path string, owner int) (*Dir, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("%s is not a directory: remove it, or choose another with --state-dir", path)
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	opened, err := root.Stat(".")
	switch {
	case err != nil:
	case !os.SameFile(info, opened):
		err = fmt.Errorf("%s was replaced while it was opened", path)
	default:
		switch uid := uidOf(opened); {
		case uid != owner && owner >= 0:
			err = fmt.Errorf("%s belongs to uid %d, not to us (%d): choose another with --state-dir", path, uid, owner)
		case opened.Mode().Perm()&0o022 != 0:
			err = fmt.Errorf("%s has mode %04o and others can write to it: chmod 0700 it, or choose another with --state-dir", path, opened.Mode().Perm())
		}
	}
	if err != nil {
		_ = root.Close()
		return nil, err
	}
	return &Dir{Root: root}, nil
}
