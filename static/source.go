package static

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"strconv"
	"syscall"
	"time"

	"github.com/tandem-go/tandem/view"
)

// directory is one that is held open. Nothing outside of it is opened.
type directory struct{ root *os.Root }

// open does not wait for the other end of a pipe.
func (d directory) open(name string) (fs.File, error) {
	f, err := d.root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	return f, nil
}

// fixed is a tree that has been looked through: what is opened is a file.
type fixed struct{ fs.FS }

func (t fixed) open(name string) (fs.File, error) { return t.Open(name) }

var errNoFile = errors.New("not a regular file")

// open opens a regular file. An error is the answer to who has asked for it.
func (f *Files) open(name string) (fs.File, fs.FileInfo, error) {
	file, err := f.tree.open(name)
	if err != nil {
		return nil, nil, notServed(err)
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errNoFile
	}
	if err != nil {
		_ = file.Close()
		return nil, nil, notServed(err)
	}
	return file, info, nil
}

// notServed is the answer to why a file cannot be opened. Of what is the client's
// doing, a name that is no file's or leads out of the tree, it learns nothing but 404.
func notServed(err error) *view.Error {
	status := http.StatusNotFound
	if errno := syscall.Errno(0); errors.As(err, &errno) {
		switch errno {
		case syscall.ENOENT, syscall.ENOTDIR, syscall.EISDIR, syscall.ELOOP, syscall.ENAMETOOLONG, syscall.ENXIO, syscall.EINVAL:
		case syscall.EACCES, syscall.EPERM:
			status = http.StatusForbidden
		case syscall.EMFILE, syscall.ENFILE:
			status = http.StatusServiceUnavailable
		default:
			status = http.StatusInternalServerError
		}
	}
	message := ""
	if status == http.StatusNotFound {
		message = "not found"
	}
	return &view.Error{Status: status, Message: message, Err: fmt.Errorf("open a static file: %w", err)}
}

// unsettled is for how long after its change a file's time does not tell it from the
// next change: file systems count in ticks, some of them of two seconds.
const unsettled = 2 * time.Second

// stamp is what is known of a file without reading it.
type stamp struct {
	etag     string    // "" if its time means nothing
	modified time.Time // zero if it means nothing, or lies ahead
	weak     bool      // it may change once more without a trace
}

// stampOf makes the ETag of a file on disk: time, size and inode. A file that was
// changed a moment ago has a weak one. Times of the epoch are those of build systems
// that want the same archive each time, and tell nothing of the content.
func stampOf(info fs.FileInfo, now time.Time) stamp {
	modified := info.ModTime()
	if modified.IsZero() || modified.Unix() <= 1 {
		return stamp{}
	}
	s := stamp{weak: now.Sub(modified) < unsettled}
	tag := make([]byte, 0, 48)
	if s.weak {
		tag = append(tag, "W/"...)
	}
	tag = append(tag, '"')
	tag = strconv.AppendInt(tag, modified.UnixNano(), 36)
	tag = strconv.AppendInt(append(tag, '-'), info.Size(), 36)
	if inode, ok := info.Sys().(*syscall.Stat_t); ok {
		tag = strconv.AppendUint(append(tag, '-'), inode.Ino, 36)
	}
	s.etag = string(append(tag, '"'))
	if !modified.After(now) { // RFC 9110, 8.8.2.1
		s.modified = modified
	}
	return s
}
