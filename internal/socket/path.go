package socket

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// lockWait bounds how long Bind waits for another that holds the lock of the
// directory. Another supervisor holds it for microseconds, but anybody who may
// read the directory can hold it for ever.
const lockWait = 5 * time.Second

// inode is the file of a unix socket. The zero value is none.
type inode struct {
	path     string
	dev, ino uint64
}

func bindUnix(a Addr, mode os.FileMode) (*Listener, error) {
	path := a.Address
	if strings.HasPrefix(path, "@") {
		fd, err := listen(new(net.ListenConfig), "unix", path)
		if err != nil {
			return nil, explainUnix(path, err)
		}
		return newListener(fd, true)
	}
	if len(path) > maxPath {
		return nil, fmt.Errorf("%w; the path has %d bytes, the system allows %d", unix.ENAMETOOLONG, len(path), maxPath)
	}
	unlock, err := lockDir(filepath.Dir(path), lockWait)
	if err != nil {
		return nil, explainUnix(path, err)
	}
	defer unlock()
	if err := removeStale(path); err != nil {
		return nil, err
	}
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		// bind gives the file the mode of the socket less the umask; the
		// socket's own is 0777.
		var err error
		if e := c.Control(func(fd uintptr) { err = unix.Fchmod(int(fd), uint32(mode.Perm())) }); e != nil {
			return e
		}
		return err
	}}
	fd, err := listen(&lc, "unix", path)
	if err != nil {
		return nil, explainUnix(path, err)
	}
	l, err := newListener(fd, true)
	if err != nil {
		return nil, err
	}
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		l.Close()
		return nil, fmt.Errorf("look at the socket just made: %w", err)
	}
	l.file = inode{path: path, dev: st.Dev, ino: st.Ino}
	return l, nil
}

// removeStale makes room at path, unless somebody else is there. The caller
// holds the lock of the directory.
func removeStale(path string) error {
	var st unix.Stat_t
	err := unix.Lstat(path, &st)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	if err != nil {
		return explainUnix(path, err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFSOCK {
		return fmt.Errorf("%w; what is there is not a socket and is left alone: remove it, or choose another path", unix.EEXIST)
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	switch err := unix.Connect(fd, &unix.SockaddrUnix{Name: path}); {
	case errors.Is(err, unix.ECONNREFUSED): // nobody has it open
		if err := unix.Unlink(path); err != nil && !errors.Is(err, unix.ENOENT) {
			return fmt.Errorf("remove the socket that a dead process left: %w", err)
		}
		return nil
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		return fmt.Errorf("%w; a socket is there and whether it is in use cannot be asked: remove it, or choose another path", err)
	case err == nil:
		who := "another process"
		if cred, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil && cred.Pid > 0 {
			who = fmt.Sprintf("process %d", cred.Pid)
		}
		return fmt.Errorf("%w; %s listens there: stop it, or choose another path", unix.EADDRINUSE, who)
	default: // its queue is full, or it is of another type: alive
		return fmt.Errorf("%w; another process has it (%w): stop it, or choose another path", unix.EADDRINUSE, err)
	}
}

// Chown gives the file of a unix socket that Bind made to a user and group, who
// may then connect as its mode allows; -1 changes nothing. Other sockets have no
// owner, and are left alone.
func (l *Listener) Chown(uid, gid int) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file.path == "" {
		return nil
	}
	if err := l.file.chown(uid, gid); err != nil {
		return fmt.Errorf("give the file of %s to uid %d, gid %d: %w", l.addr, uid, gid, err)
	}
	return nil
}

// chown never changes another file that was put in the place of ours.
func (n *inode) chown(uid, gid int) error {
	fd, err := unix.Open(n.path, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	if st.Dev != n.dev || st.Ino != n.ino {
		return fmt.Errorf("%w: what is there is not the socket that was made", unix.EEXIST)
	}
	return unix.Fchownat(fd, "", uid, gid, unix.AT_EMPTY_PATH)
}

// remove unlinks the file if it is still the one that was made.
func (n *inode) remove() error {
	if n.path == "" {
		return nil
	}
	path := n.path
	unlock, err := lockDir(filepath.Dir(path), lockWait)
	if errors.Is(err, os.ErrNotExist) {
		n.path = "" // gone with its directory
		return nil
	}
	if err != nil {
		return fmt.Errorf("remove the socket file: %w", err)
	}
	defer unlock()
	n.path = ""
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil || st.Dev != n.dev || st.Ino != n.ino {
		return nil // gone, or replaced by another's: nothing of ours is left
	}
	if err := unix.Unlink(path); err != nil && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("remove the socket file: %w", err)
	}
	return nil
}

// lockDir takes the lock that orders those who look at a socket file and then
// make or remove it.
func lockDir(dir string, wait time.Duration) (func(), error) {
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	unlock := func() { unix.Close(fd) }
	err = unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB)
	if !errors.Is(err, unix.EWOULDBLOCK) {
		if err != nil {
			unlock()
			return nil, fmt.Errorf("lock directory %s: %w", dir, err)
		}
		return unlock, nil
	}
	locked := make(chan error, 1)
	go func() {
		for {
			if err := unix.Flock(fd, unix.LOCK_EX); !errors.Is(err, unix.EINTR) {
				locked <- err
				return
			}
		}
	}()
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case err := <-locked:
		if err != nil {
			unlock()
			return nil, fmt.Errorf("lock directory %s: %w", dir, err)
		}
		return unlock, nil
	case <-t.C:
		// A blocked flock cannot be called off: whoever waits for it closes.
		go func() { <-locked; unlock() }()
		return nil, fmt.Errorf("lock directory %s: %w; another process has held it for %v (flock)", dir, unix.EWOULDBLOCK, wait)
	}
}

func explainUnix(path string, err error) error {
	var errno syscall.Errno
	if !errors.As(err, &errno) || errno == unix.EWOULDBLOCK {
		return err
	}
	dir := filepath.Dir(path)
	switch errno {
	case unix.EADDRINUSE:
		return fmt.Errorf("%w; another process listens there: stop it, or choose another name", errno)
	case unix.ENOENT:
		return fmt.Errorf("%w; directory %s does not exist: make it", errno, dir)
	case unix.ENOTDIR:
		return fmt.Errorf("%w; %s is not a directory", errno, dir)
	case unix.EACCES, unix.EPERM:
		return fmt.Errorf("%w; reading and writing directory %s is needed: check its owner and mode", errno, dir)
	case unix.EROFS:
		return fmt.Errorf("%w; choose a directory that can be written, such as /run or /tmp", errno)
	}
	return errno
}
