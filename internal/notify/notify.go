// Package notify is systemd's notification protocol, the worker's side and the
// supervisor's: datagrams of NAME=value lines to the socket that NOTIFY_SOCKET
// names.
//
// Invariant: a Socket is one worker's, its name cannot be guessed, and it hands
// out nothing that another user's process wrote; what it reads is bounded
// whatever was sent.
//
// Smallest use:
//
//	s, err := notify.Listen()            // supervisor; NOTIFY_SOCKET=s.Addr()
//	m, err := s.Read()                   // m.Ready
//	err := notify.Send(addr, "READY=1")  // worker
package notify

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// maxDatagram bounds one datagram; a longer one is dropped whole.
	maxDatagram = 16 << 10
	// maxFDs is the kernel's bound on descriptors in one datagram. They are
	// taken in order to be closed: nobody here stores them.
	maxFDs = 253
	// sendTimeout bounds Send when the reader's queue stays full.
	sendTimeout = 5 * time.Second
)

// Send sends state, lines of NAME=value, as one datagram to addr: the path of a
// socket, or "@name" for an abstract one, as NOTIFY_SOCKET has it. With an empty
// addr nobody listens, and Send does nothing. It waits at most five seconds for
// room in the reader's queue.
func Send(addr, state string) error { return SendFDs(addr, state) }

// SendFDs is Send with descriptors, which stay the caller's: FDSTORE=1, and what
// else the protocol has them for.
func SendFDs(addr, state string, fds ...int) error {
	if addr == "" {
		return nil
	}
	if addr[0] != '@' && addr[0] != '/' {
		return fmt.Errorf("notify %q: the address is neither a path nor @abstract; check NOTIFY_SOCKET", addr)
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: addr, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("notify %s: %w", addr, err)
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetWriteDeadline(time.Now().Add(sendTimeout)); err != nil {
		return fmt.Errorf("notify %s: %w", addr, err)
	}
	if err := write(conn, []byte(state), fds); err != nil {
		return fmt.Errorf("notify %s: send %d bytes: %w", addr, len(state), err)
	}
	return nil
}

func write(conn *net.UnixConn, b []byte, fds []int) error {
	if len(fds) == 0 {
		_, err := conn.Write(b)
		return err
	}
	// WriteMsgUnix does not take a connected datagram socket.
	rc, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var sent error
	if err := rc.Write(func(fd uintptr) bool {
		sent = unix.Sendmsg(int(fd), b, unix.UnixRights(fds...), nil, unix.MSG_NOSIGNAL)
		return !errors.Is(sent, unix.EAGAIN) && !errors.Is(sent, unix.EINTR)
	}); err != nil {
		return err
	}
	return sent
}

// Socket receives one worker's notifications. Its methods may be called
// concurrently.
type Socket struct {
	conn  *net.UnixConn
	addr  string
	allow atomic.Int64 // one more uid, or -1
}

// Listen makes a socket with an abstract name of 128 random bits. The caller
// owns it and calls Close.
func Listen() (*Socket, error) {
	var name [16]byte
	_, _ = rand.Read(name[:]) // never fails: the runtime ends the program instead
	addr := "@tandem-" + hex.EncodeToString(name[:])
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var opt error
		if err := c.Control(func(fd uintptr) {
			opt = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_PASSCRED, 1)
		}); err != nil {
			return err
		}
		return os.NewSyscallError("setsockopt SO_PASSCRED", opt)
	}}
	conn, err := lc.ListenPacket(context.Background(), "unixgram", addr)
	if err != nil {
		return nil, fmt.Errorf("listen for notifications: %w", err)
	}
	s := &Socket{conn: conn.(*net.UnixConn), addr: addr}
	s.allow.Store(-1)
	return s, nil
}

// Addr is the value for the worker's NOTIFY_SOCKET.
func (s *Socket) Addr() string { return s.addr }

// AllowUID lets one more user's processes notify: the one that the worker runs
// as, when that is not the supervisor's own.
func (s *Socket) AllowUID(uid int) { s.allow.Store(int64(uid)) }

// Close ends the socket; a Read that waits returns net.ErrClosed.
func (s *Socket) Close() error { return s.conn.Close() }

// Read waits for the next notification. Datagrams of users other than ours,
// root and AllowUID's are dropped, as are those longer than 16 KiB;
// descriptors that came along are closed. After Close the error is
// net.ErrClosed.
func (s *Socket) Read() (Message, error) {
	buf := make([]byte, maxDatagram)
	oob := make([]byte, unix.CmsgSpace(unix.SizeofUcred)+unix.CmsgSpace(maxFDs*4))
	for {
		n, oobn, flags, _, err := s.conn.ReadMsgUnix(buf, oob)
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return Message{}, net.ErrClosed
			}
			return Message{}, fmt.Errorf("read notification on %s: %w", s.addr, err)
		}
		cred := credentials(oob[:oobn])
		if cred == nil || !s.allowed(cred.Uid) || flags&unix.MSG_TRUNC != 0 {
			continue
		}
		m := Parse(buf[:n])
		m.PID = int(cred.Pid)
		return m, nil
	}
}

func (s *Socket) allowed(uid uint32) bool {
	return uid == 0 || int(uid) == os.Getuid() || int(uid) == os.Geteuid() || int64(uid) == s.allow.Load()
}

// credentials finds the sender in a datagram's control messages, nil when the
// kernel gave none, and closes every descriptor in them. Closing is also the
// answer that sd_notify_barrier waits for.
func credentials(oob []byte) *unix.Ucred {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil
	}
	var cred *unix.Ucred
	for _, m := range messages {
		if c, err := unix.ParseUnixCredentials(&m); err == nil {
			cred = c
		}
		if fds, err := unix.ParseUnixRights(&m); err == nil {
			for _, fd := range fds {
				_ = unix.Close(fd)
			}
		}
	}
	return cred
}
