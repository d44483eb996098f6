package socket

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// Refuse is for a stop: from now on no new connection begins, while the workers
// go on accepting those that wait in the queue.
//
// TCP: the first segment of every handshake is dropped. A handshake that had
// begun still completes. The client hears nothing and tries again after a
// second; when the last copy of the socket is closed, it is refused. So nobody
// is ever reset, as they would be if the socket closed with a queue. A filter
// does that where the kernel lets us attach one (newer ones ask for
// CAP_NET_ADMIN). Else a minimum hop limit that no segment has does, for which no
// privilege is needed: but a connection whose handshake is completed under it
// inherits it, and is deaf until its worker lifts it. workersLift says that all
// workers do, as Tandem's do when they drain; without it there is no second way.
//
// Unix: the file is removed, if it is still ours; in the abstract namespace the
// socket itself refuses.
//
// A socket that Bind or Activated has adopted belongs to the one that passed it
// (systemd keeps the queue for the next start): it is left alone.
//
// It cannot be undone. An error means that new connections still get in; the
// caller can log it and go on.
func (l *Listener) Refuse(workersLift bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.made || l.fd < 0 {
		return nil
	}
	var err error
	switch {
	case l.addr.Network == "tcp":
		err = dropSYN(l.fd)
		if workersLift && errors.Is(err, unix.EPERM) {
			err = raiseMinHops(l.fd)
		}
	case strings.HasPrefix(l.addr.Address, "@"):
		err = unix.Shutdown(l.fd, unix.SHUT_RD)
	default:
		err = l.file.remove()
	}
	if err != nil {
		return fmt.Errorf("refuse new connections on %s: %w", l.addr, err)
	}
	return nil
}

// dropSYN attaches a filter to a listening TCP socket. A TCP socket's filter
// sees a segment from its TCP header on, over IPv4 and IPv6 alike; sockets
// accepted later inherit it, where it does no harm: an established connection
// gets no SYN.
func dropSYN(fd int) error {
	const flags, syn, ack = 13, 0x02, 0x10
	prog := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: flags},
		{Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: syn | ack},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: syn, Jt: 0, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: 0},
		{Code: unix.BPF_RET | unix.BPF_K, K: 1<<32 - 1},
	}
	return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER,
		&unix.SockFprog{Len: uint16(len(prog)), Filter: &prog[0]})
}

// raiseMinHops makes a listening TCP socket drop what came less than no distance
// at all: every sender but one that sets the hop limit to 255 itself. The final
// segment of a handshake is not the listener's to drop.
func raiseMinHops(fd int) error {
	const most = 255
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MINTTL, most); err != nil {
		return err
	}
	family, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
	if err == nil && family == unix.AF_INET6 {
		err = unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_MINHOPCOUNT, most)
	}
	return err
}
