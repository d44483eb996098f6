package process

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Executable is a program as it was when it was opened. An ELF file is kept
// open and can be started after it was replaced or removed; a script is started
// by its path, because its interpreter opens it by name.
//
// It is owned by whoever opened it and may be used by many Starts at once.
type Executable struct {
	path string
	fd   int // -1: start by path
}

// Open resolves path, symbolic links included, and checks that it can be
// executed. The error says what is wrong with which file.
func Open(path string) (*Executable, error) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("worker executable %s does not exist: give its path after --, or put it on PATH", path)
		}
		return nil, fmt.Errorf("worker executable %s: %w", path, unwrapPath(err))
	}
	if real, err = filepath.Abs(real); err != nil {
		return nil, fmt.Errorf("worker executable %s: %w", path, err)
	}
	info, err := os.Stat(real)
	if err != nil {
		return nil, fmt.Errorf("worker executable %s: %w", path, unwrapPath(err))
	}
	if info.IsDir() {
		return nil, fmt.Errorf("worker executable %s is a directory", path)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("worker executable %s is not a regular file", path)
	}
	if err := unix.Access(real, unix.X_OK); err != nil || info.Mode()&0o111 == 0 {
		return nil, fmt.Errorf("worker executable %s is not executable: chmod +x it", path)
	}
	e := &Executable{path: real, fd: -1}
	f, err := os.Open(real)
	if err != nil {
		return e, nil // execute-only: it can be started by its path alone
	}
	defer f.Close()
	head := make([]byte, 4)
	n, _ := io.ReadFull(f, head)
	if !bytes.Equal(head[:n], []byte("\x7fELF")) {
		return e, nil
	}
	if err := control(f, func(fd int) error {
		e.fd, err = unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
		return err
	}); err != nil {
		return nil, fmt.Errorf("keep worker executable %s open: %w", path, err)
	}
	return e, nil
}

// Path is the resolved path.
func (e *Executable) Path() string { return e.path }

// Close gives the descriptor up. Workers that run are not touched.
func (e *Executable) Close() error {
	if e.fd < 0 {
		return nil
	}
	fd := e.fd
	e.fd = -1
	return unix.Close(fd)
}

// control runs f with the raw descriptor. os.File.Fd is never used: it would
// make the file description, which may be shared, blocking.
func control(f *os.File, do func(fd int) error) error {
	rc, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var inner error
	if err := rc.Control(func(fd uintptr) { inner = do(int(fd)) }); err != nil {
		return err
	}
	return inner
}

// unwrapPath takes the path out of err where the message names it already.
func unwrapPath(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	return err
}
