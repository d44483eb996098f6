package socket

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Queue is how many connections wait on the socket for a worker to accept them,
// and how many may. The kernel knows for TCP; for a unix socket it is asked by
// netlink, which a sandbox may forbid and a kernel may not have: an error says
// so. Nobody is asked who could make the caller wait.
func (l *Listener) Queue() (length, limit int, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.fd < 0:
		err = os.ErrClosed
	case l.addr.Network == "tcp":
		length, limit, err = tcpQueue(l.fd)
	case l.addr.Network == "unix":
		length, limit, err = unixQueue(l.fd)
	default:
		err = errors.ErrUnsupported
	}
	if err != nil {
		return 0, 0, fmt.Errorf("read the accept queue of %s: %w", l.addr, err)
	}
	return length, limit, nil
}

// tcpQueue: for a listening socket these two fields have this meaning.
func tcpQueue(fd int) (length, limit int, err error) {
	info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		return 0, 0, os.NewSyscallError("getsockopt TCP_INFO", err)
	}
	return int(info.Unacked), int(info.Sacked), nil
}

// What linux/sock_diag.h and linux/unix_diag.h name.
const (
	sockDiagByFamily = 20
	showQueue        = 1 << 4 // UDIAG_SHOW_RQLEN
	attrQueue        = 4      // UNIX_DIAG_RQLEN
	headerLen        = 16     // struct nlmsghdr
	requestLen       = 24     // struct unix_diag_req
	answerLen        = 16     // struct unix_diag_msg
)

// unixQueue asks the kernel for the socket's queue by its inode.
func unixQueue(fd int) (length, limit int, err error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return 0, 0, os.NewSyscallError("fstat", err)
	}
	nl, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return 0, 0, os.NewSyscallError("open netlink", err)
	}
	defer unix.Close(nl)
	ask := make([]byte, 0, headerLen+requestLen)
	order := binary.NativeEndian
	ask = order.AppendUint32(ask, headerLen+requestLen)
	ask = order.AppendUint16(ask, sockDiagByFamily)
	ask = order.AppendUint16(ask, unix.NLM_F_REQUEST)
	ask = order.AppendUint32(ask, 1) // sequence
	ask = order.AppendUint32(ask, 0) // port: the kernel's
	ask = append(ask, unix.AF_UNIX, 0, 0, 0)
	ask = order.AppendUint32(ask, 0xffffffff) // any state
	ask = order.AppendUint32(ask, uint32(st.Ino))
	ask = order.AppendUint32(ask, showQueue)
	ask = order.AppendUint64(ask, ^uint64(0)) // no cookie
	if err := unix.Sendto(nl, ask, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return 0, 0, os.NewSyscallError("ask netlink", err)
	}
	answer := make([]byte, 512)
	n, _, err := unix.Recvfrom(nl, answer, unix.MSG_DONTWAIT) // the kernel has answered within send
	if err != nil {
		return 0, 0, os.NewSyscallError("read netlink", err)
	}
	return parseQueue(answer[:n])
}

// parseQueue reads the answer: a header, a unix_diag_msg, attributes.
func parseQueue(b []byte) (length, limit int, err error) {
	order := binary.NativeEndian
	if len(b) < headerLen {
		return 0, 0, errors.New("the answer of netlink is too short")
	}
	if order.Uint16(b[4:]) == unix.NLMSG_ERROR {
		if len(b) >= headerLen+4 {
			if errno := -int32(order.Uint32(b[headerLen:])); errno > 0 {
				return 0, 0, fmt.Errorf("sock_diag: %w", unix.Errno(errno))
			}
		}
		return 0, 0, errors.New("sock_diag refused without a reason")
	}
	b = b[min(len(b), headerLen+answerLen):]
	for len(b) >= 4 {
		size, kind := int(order.Uint16(b)), order.Uint16(b[2:])
		if size < 4 || size > len(b) {
			break
		}
		if kind == attrQueue && size >= 12 {
			return int(order.Uint32(b[4:])), int(order.Uint32(b[8:])), nil
		}
		b = b[min(len(b), (size+3)&^3):]
	}
	return 0, 0, errors.New("the answer of netlink has no queue in it")
}
