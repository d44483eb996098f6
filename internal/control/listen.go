package control

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	maxPath  = 107             // the kernel's sun_path, less its final zero
	lockWait = 5 * time.Second // another supervisor decides within milliseconds
)

// InUseError says that somebody answers on the control socket already: a second
// supervisor must not start there.
type InUseError struct {
	Path string
	PID  int // 0 when the kernel does not say, as across pid namespaces
}

func (e *InUseError) Error() string {
	who := "another process"
	if e.PID > 0 {
		who = fmt.Sprintf("process %d", e.PID)
	}
	return fmt.Sprintf("control socket %s is held by %s: a supervisor runs there already; stop it, or give this one another socket with --control", e.Path, who)
}

// Server is the supervisor's end. It owns its listening socket and the file.
type Server struct {
	// Log takes refusals and the trouble of single connections; nil is
	// [slog.Default]. Set it before Serve.
	Log *slog.Logger

	path     string
	listener *net.UnixListener
	dev, ino uint64
	remove   sync.Once
	patience time.Duration // with a peer that has something to send
	peer     func(*net.UnixConn) (unix.Ucred, error)

	http    atomic.Pointer[http.Server] // once Serve runs
	serving atomic.Pointer[limited]
}

// Listen makes the socket with mode 0600, and its directory with mode 0700 when
// only that directory is missing. A file left behind by a dead supervisor is
// replaced; when somebody answers there the error is an [*InUseError]. The
// fallback directory /tmp/tandem-UID, whose name anybody can take first, must
// belong to us and be closed to others. Two supervisors that start at the same
// moment are ordered by a lock on the directory.
//
// The caller must Close the Server.
func Listen(path string) (*Server, error) {
	s, err := listen(path)
	var inUse *InUseError
	if err != nil && !errors.As(err, &inUse) {
		return nil, fmt.Errorf("make control socket %s: %w", path, err)
	}
	return s, err
}

func listen(path string) (*Server, error) {
	if len(path) > maxPath {
		return nil, fmt.Errorf("the path has %d bytes and the system takes %d; choose a shorter one with --control", len(path), maxPath)
	}
	dir := filepath.Dir(path)
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("make directory %s: %w", dir, bare(err))
	}
	unlock, err := lock(dir, lockWait)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := makeRoom(path); err != nil {
		return nil, err
	}
	config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		// bind gives the file the mode of the socket. Unlike a chmod afterwards
		// this leaves no moment in which others could connect.
		var err error
		return errors.Join(c.Control(func(fd uintptr) { err = unix.Fchmod(int(fd), 0o600) }), err)
	}}
	l, err := config.Listen(context.Background(), "unix", path)
	if err != nil {
		return nil, bare(err)
	}
	listener := l.(*net.UnixListener)
	listener.SetUnlinkOnClose(false) // see removeFile
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		listener.Close()
		return nil, fmt.Errorf("look at the socket just made: %w", err)
	}
	return &Server{path: path, listener: listener, dev: st.Dev, ino: st.Ino, patience: ioTimeout, peer: peerOf}, nil
}

// lock takes the lock that orders those who look at a socket file and then make
// or remove it, and checks the directory whose lock it is.
func lock(dir string, wait time.Duration) (unlock func(), err error) {
	flags := unix.O_RDONLY | unix.O_DIRECTORY | unix.O_CLOEXEC
	if isFallback(dir) {
		flags |= unix.O_NOFOLLOW
	}
	fd, err := unix.Open(dir, flags, 0)
	if err != nil {
		return nil, fmt.Errorf("open directory %s: %w", dir, err)
	}
	defer func() {
		if err != nil {
			unix.Close(fd)
		}
	}()
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, fmt.Errorf("look at directory %s: %w", dir, err)
	}
	if err := checkFallback(dir, st); err != nil {
		return nil, err
	}
	// A blocking flock cannot be called off, and anybody who may open the
	// directory can hold it for ever.
	retry := time.NewTicker(10 * time.Millisecond)
	defer retry.Stop()
	for deadline := time.Now().Add(wait); ; <-retry.C {
		switch err := unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB); {
		case err == nil:
			return func() { unix.Close(fd) }, nil
		case !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR):
			return nil, fmt.Errorf("lock directory %s: %w", dir, err)
		case time.Now().After(deadline):
			return nil, fmt.Errorf("lock directory %s: another process has held it for %s (flock)", dir, wait)
		}
	}
}

// isFallback reports whether dir is /tmp/tandem-UID: the name that is used when
// nobody provides a directory, and that anybody can guess.
func isFallback(dir string) bool { return dir == fallback }

var fallback = fmt.Sprintf("/tmp/tandem-%d", os.Getuid())

func checkFallback(dir string, st unix.Stat_t) error {
	switch {
	case !isFallback(dir):
		return nil
	case st.Mode&unix.S_IFMT != unix.S_IFDIR:
		return fmt.Errorf("%s is not a directory: remove it, or choose another path with --control", dir)
	case int(st.Uid) != os.Getuid():
		return fmt.Errorf("directory %s belongs to uid %d, not to us (%d): choose another path with --control", dir, st.Uid, os.Getuid())
	case st.Mode&0o077 != 0:
		return fmt.Errorf("directory %s has mode %04o and is open to others: chmod 0700 it, or choose another path with --control", dir, st.Mode&0o7777)
	}
	return nil
}

// makeRoom removes the socket of a dead process at path. The caller holds the
// lock.
func makeRoom(path string) error {
	var st unix.Stat_t
	switch err := unix.Lstat(path, &st); {
	case errors.Is(err, unix.ENOENT):
		return nil
	case err != nil:
		return fmt.Errorf("look at what is there: %w", err)
	case st.Mode&unix.S_IFMT != unix.S_IFSOCK:
		return errors.New("what is there is not a socket and is left alone: remove it, or choose another path with --control")
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return fmt.Errorf("make a socket to ask whether somebody is there: %w", err)
	}
	defer unix.Close(fd)
	err = unix.Connect(fd, &unix.SockaddrUnix{Name: path})
	switch {
	case errors.Is(err, unix.ECONNREFUSED): // nobody has it open
		if err := unix.Unlink(path); err != nil && !errors.Is(err, unix.ENOENT) {
			return fmt.Errorf("remove the socket that a dead process left: %w", err)
		}
		return nil
	case errors.Is(err, unix.ENOENT): // gone meanwhile: a supervisor that ended could not get the lock
		return nil
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		return fmt.Errorf("somebody else's socket is there: %w; choose another path with --control", err)
	case err != nil: // its queue is full: alive, but it cannot be asked for its pid
		return &InUseError{Path: path}
	}
	inUse := &InUseError{Path: path}
	if cred, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil {
		inUse.PID = int(cred.Pid)
	}
	return inUse
}

// Close stops listening and removes the file if it is still ours. It may be
// called several times, and while Serve runs, which then returns.
func (s *Server) Close() error {
	s.removeFile()
	if err := s.listener.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("close control socket %s: %w", s.path, bare(err))
	}
	return nil
}

// removeFile unlinks the file unless it is another's by now. It must come before
// the listener is closed: while that is open the file system cannot give the
// number of our inode to another's file. A file that cannot be removed does no
// harm, the next supervisor replaces it.
func (s *Server) removeFile() {
	s.remove.Do(func() {
		unlock, err := lock(filepath.Dir(s.path), time.Second)
		if errors.Is(err, fs.ErrNotExist) {
			return
		}
		if err != nil {
			s.log().Warn("control socket is left behind", "path", s.path, "error", err)
			return
		}
		defer unlock()
		var st unix.Stat_t
		if err := unix.Lstat(s.path, &st); err != nil || st.Dev != s.dev || st.Ino != s.ino {
			return
		}
		if err := unix.Unlink(s.path); err != nil {
			s.log().Warn("control socket is left behind", "path", s.path, "error", err)
		}
	})
}

// Path is the path of the socket.
func (s *Server) Path() string { return s.path }

func (s *Server) log() *slog.Logger {
	if s.Log != nil {
		return s.Log
	}
	return slog.Default()
}

// bare is the system's error without what the packages net and os put before it.
func bare(err error) error {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno
	}
	return err
}

func peerOf(c *net.UnixConn) (unix.Ucred, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return unix.Ucred{}, err
	}
	var cred *unix.Ucred
	if e := raw.Control(func(fd uintptr) {
		cred, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); e != nil || err != nil {
		return unix.Ucred{}, errors.Join(e, err)
	}
	return *cred, nil
}
