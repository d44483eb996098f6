package upgrade

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// Program is an executable that is kept open: it can be executed after its file
// was overwritten, moved or removed.
type Program struct {
	path string // absolute; symbolic links in it are resolved at each upgrade
	fd   int    // O_PATH
}

// Self is the program of this process. The next one is looked for where this one
// was started from: the path in argv[0], looked up in PATH if it has no slash,
// unless that is another file than the one that runs; then it is the path of the
// file itself. Symbolic links are kept, to be resolved afresh at each upgrade.
func Self() (*Program, error) {
	fd, err := unix.Open("/proc/self/exe", unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("keep our own executable open: %w", err)
	}
	p := &Program{fd: fd}
	if len(os.Args) > 0 {
		if path, err := exec.LookPath(os.Args[0]); err == nil || errors.Is(err, exec.ErrDot) {
			if path, err = filepath.Abs(path); err == nil && sameFile(path, fd) {
				p.path = path
				return p, nil
			}
		}
	}
	if p.path, err = os.Executable(); err != nil {
		return nil, fmt.Errorf("find our own executable: %w", err)
	}
	return p, nil
}

// Path is where the next program is looked for.
func (p *Program) Path() string { return p.path }

// Close gives the descriptor up.
func (p *Program) Close() error { return unix.Close(p.fd) }

// Next opens what is at the path by now.
func (p *Program) Next() (*Program, error) {
	real, err := filepath.EvalSymlinks(p.path)
	if err != nil {
		return nil, fmt.Errorf("the new executable %s: %w", p.path, bare(err))
	}
	fd, err := unix.Open(real, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("the new executable %s: %w", real, err)
	}
	if err := executable(real, fd); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("the new executable %s %w", real, err)
	}
	return &Program{path: real, fd: fd}, nil
}

// executable says what is wrong with a file that is to be executed.
func executable(path string, fd int) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return fmt.Errorf("cannot be looked at: %w", err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return errors.New("is not a regular file")
	}
	if err := unix.Access(path, unix.X_OK); err != nil || st.Mode&0o111 == 0 {
		return errors.New("is not executable: chmod +x it")
	}
	f, err := os.Open("/proc/self/fd/" + strconv.Itoa(fd))
	if err != nil {
		return nil // execute-only
	}
	defer f.Close()
	head := make([]byte, 4)
	if _, err := f.ReadAt(head, 0); err != nil || !bytes.Equal(head, []byte("\x7fELF")) {
		return errors.New("is not an ELF program: a script cannot take the place of a supervisor")
	}
	return nil
}

// name is how the program is executed: by its path while that is the very file,
// so that ps and pgrep show its name.
func (p *Program) name() string {
	if sameFile(p.path, p.fd) {
		return p.path
	}
	return "/proc/self/fd/" + strconv.Itoa(p.fd)
}

func sameFile(path string, fd int) bool {
	var byPath, byFD unix.Stat_t
	return unix.Stat(path, &byPath) == nil && unix.Fstat(fd, &byFD) == nil &&
		byPath.Dev == byFD.Dev && byPath.Ino == byFD.Ino
}

// bare is the system's error without the path before it.
func bare(err error) error {
	var pe *os.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}
