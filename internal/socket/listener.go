package socket

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// Listener is one listening socket. Its methods may be called from any
// goroutine.
type Listener struct {
	name string
	addr Addr
	made bool // by Bind for us alone; else another process has it too
	file inode

	bound  Addr // what Bind or Take was asked for; zero for others
	stored bool // it came out of the service manager's store

	mu sync.Mutex
	fd int // -1 after Close
}

// Bind listens on a with the longest queue that the system allows. For an fd it
// adopts that inherited socket instead, which must be listening already: the
// Listener has a duplicate, the number itself stays open and becomes close on
// exec, so that no worker inherits it by accident.
//
// An error says what is in the way and what to do; errors.Is finds the system's
// error, such as syscall.EADDRINUSE, in it.
//
// The socket file of a unix socket gets mode 0666 less the umask. One left
// behind by a dead process is replaced; one that somebody listens on is not.
// Two that bind the same path at the same moment are ordered by a lock on its
// directory.
func Bind(a Addr) (*Listener, error) { return BindMode(a, 0o666) }

// BindMode is [Bind] with another mode, less the umask, for the file of a unix
// socket: who may write to the file may connect.
func BindMode(a Addr, mode os.FileMode) (*Listener, error) {
	var l *Listener
	var err error
	switch a.Network {
	case "tcp":
		l, err = bindTCP(a)
	case "unix":
		l, err = bindUnix(a, mode)
	case "fd":
		l, err = bindFD(a)
	default:
		err = errors.New("the network is neither tcp, unix nor fd")
	}
	if err != nil {
		return nil, fmt.Errorf("bind %s: %w", a, err)
	}
	l.bound = a
	return l, nil
}

// FD is the raw descriptor, for a child to inherit; -1 after Close. It stays the
// Listener's: do not close it, do not wrap it in an os.File.
func (l *Listener) FD() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fd
}

// Name is what LISTEN_FDNAMES calls it: the name systemd gave, else the
// network.
func (l *Listener) Name() string { return l.name }

// Addr is where it listens really: host names resolved, port 0 replaced by the
// port the system chose, an adopted descriptor by its address (if that is
// neither tcp nor unix, it stays the descriptor).
func (l *Listener) Addr() Addr { return l.addr }

// Close closes the descriptor and removes the file of a unix socket, if Bind
// made it and it is still the same file. Workers that inherited the socket keep
// it; when the last copy is closed, clients that wait in its queue are reset.
// A second Close does nothing.
func (l *Listener) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fd < 0 {
		return nil
	}
	// The file first: while the socket is open its inode number cannot be
	// given to another's file.
	err := l.file.remove()
	if e := unix.Close(l.fd); e != nil && err == nil {
		err = e
	}
	l.fd = -1
	if err != nil {
		return fmt.Errorf("close %s: %w", l.addr, err)
	}
	return nil
}

func bindTCP(a Addr) (*Listener, error) {
	network := "tcp"
	if host, _, err := net.SplitHostPort(a.Address); err == nil {
		// Go takes 0.0.0.0 for every address, IPv6 too. Who writes it means IPv4.
		if ip, err := netip.ParseAddr(host); err == nil && ip.Is4() {
			network = "tcp4"
		}
	}
	lc := net.ListenConfig{}
	// Programs in other languages accept on it too, and [Listener.Refuse]
	// filters TCP segments: plain TCP.
	lc.SetMultipathTCP(false)
	fd, err := listen(&lc, network, a.Address)
	if err != nil {
		return nil, explainTCP(a, err)
	}
	return newListener(fd, true)
}

// listen lets the net package do what it does well (resolve, choose the family,
// SO_REUSEADDR, the length of the queue) and keeps the raw descriptor only.
func listen(lc *net.ListenConfig, network, address string) (int, error) {
	ln, err := lc.Listen(context.Background(), network, address)
	if err != nil {
		return -1, err
	}
	defer ln.Close()
	if u, ok := ln.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(false)
	}
	rc, err := ln.(syscall.Conn).SyscallConn()
	if err != nil {
		return -1, err
	}
	fd := -1
	if e := rc.Control(func(raw uintptr) { fd, err = unix.FcntlInt(raw, unix.F_DUPFD_CLOEXEC, 3) }); e != nil {
		return -1, e
	}
	return fd, err
}

func bindFD(a Addr) (*Listener, error) {
	if err := listening(a.FD); err != nil {
		return nil, err
	}
	unix.CloseOnExec(a.FD)
	fd, err := unix.FcntlInt(uintptr(a.FD), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return nil, err
	}
	return newListener(fd, false)
}

// newListener owns fd, even when it fails.
func newListener(fd int, made bool) (*Listener, error) {
	err := unix.SetNonblock(fd, true)
	var sa unix.Sockaddr
	if err == nil {
		sa, err = unix.Getsockname(fd)
	}
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	l := &Listener{fd: fd, made: made, addr: Addr{Network: "fd", FD: fd}}
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		l.addr = tcpAddr(netip.AddrFrom4(sa.Addr), sa.Port)
	case *unix.SockaddrInet6:
		ip := netip.AddrFrom16(sa.Addr)
		if sa.ZoneId != 0 {
			if ifc, err := net.InterfaceByIndex(int(sa.ZoneId)); err == nil {
				ip = ip.WithZone(ifc.Name)
			}
		}
		l.addr = tcpAddr(ip, sa.Port)
	case *unix.SockaddrUnix:
		l.addr = Addr{Network: "unix", Address: sa.Name}
	}
	l.name = l.addr.Network
	return l, nil
}

func tcpAddr(ip netip.Addr, port int) Addr {
	return Addr{Network: "tcp", Address: netip.AddrPortFrom(ip, uint16(port)).String()}
}

// listening says why fd is not a socket that one can accept from.
func listening(fd int) error {
	v, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
	switch {
	case errors.Is(err, unix.EBADF):
		return fmt.Errorf("%w; no descriptor %d was inherited: whoever starts this program must pass it", err, fd)
	case errors.Is(err, unix.ENOTSOCK):
		return fmt.Errorf("%w; descriptor %d is a file or a pipe", err, fd)
	case err != nil:
		return err
	case v == 0:
		return fmt.Errorf("%w; descriptor %d is a socket but does not listen: call listen on it before it is passed", unix.EINVAL, fd)
	}
	return nil
}

func explainTCP(a Addr, err error) error {
	var dns *net.DNSError
	if errors.As(err, &dns) {
		return fmt.Errorf("look up the host name: %w; give an IP address, or empty for every address", err)
	}
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return err
	}
	hint := ""
	switch errno {
	case unix.EADDRINUSE:
		hint = "another process listens there (ss -ltnp shows which): stop it, or choose another port"
	case unix.EACCES:
		hint = "a port this low needs root or CAP_NET_BIND_SERVICE: choose a port from 1024 up, or grant it"
	case unix.EADDRNOTAVAIL:
		hint = "no interface of this machine has that address (ip addr lists them): use one it has, 0.0.0.0 or [::]"
	case unix.EAFNOSUPPORT:
		hint = "this machine has no IPv6: use an IPv4 address"
	default:
		return errno
	}
	return fmt.Errorf("%w; %s", errno, hint)
}
