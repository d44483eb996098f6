// Package channel is the pair of sockets between a supervisor and one of its
// workers: whole messages in JSON, with descriptors when need be.
//
// Invariant: the channel's end is the peer's end. Receive gives io.EOF exactly
// when nobody holds the other side any more, and a worker that sees it drains.
//
// Smallest use:
//
//	mine, theirs, err := channel.Pair()     // supervisor: TANDEM_FD of the child is theirs
//	err = mine.Send(channel.Greeting(channel.Scoreboard), board.FD())
//
//	conn, err := channel.Inherited()        // worker
//	m, fds, err := conn.Receive()
//	board, rest := m.Take(fds, channel.Scoreboard)
//
// Each side's first message is a hello that carries its version. Types that a
// side does not know are skipped, unknown fields too: either program may be the
// newer one.
package channel

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"
)

// Version is the version of the protocol that this program speaks.
const Version = 1

// Variable is the environment variable with the number of the worker's side.
const Variable = "TANDEM_FD"

// Hello is the type of each side's first message. The supervisor's carries
// descriptors and names them; the worker answers with one of its own.
const Hello = "hello"

// Share is the type of a message in which the supervisor tells a worker what part
// of what is divided is its own from now on. Before the first the worker's environment
// says it. A worker that does not know it keeps what it had.
const Share = "share"

// Tickets is the type of a message in which the supervisor tells a worker the keys
// of TLS session tickets that all workers have from now on. The hello has those of
// the beginning. A worker that does not know it makes keys of its own.
const Tickets = "tickets"

// Names of descriptors in the supervisor's hello. A side skips those that it
// does not know, and closes them.
const (
	Scoreboard  = "scoreboard"   // the worker's own counters, a memfd; always the first
	Fleet       = "fleet"        // what all workers tell each other, a memfd
	HandoverIn  = "handover-in"  // where connections are received from siblings
	HandoverOut = "handover-out" // where connections are sent to siblings
)

const (
	maxMessage = 64 << 10
	maxFDs     = 64
	maxCPUs    = 1 << 16

	ticketKeySize = 32
	maxTicketKeys = 16
)

// ErrFull is Send's error when the peer has not read what it was sent.
var ErrFull = errors.New("the peer does not read: its queue is full")

// ErrMessage is in Receive's error when one message could not be read. It is
// lost, its descriptors are closed, and the channel goes on.
var ErrMessage = errors.New("unreadable message")

// VersionError is Receive's error for a hello of another version. The channel
// stays usable, for its end at least: it is an ErrMessage too.
type VersionError struct{ Peer int }

func (e *VersionError) Error() string {
	return fmt.Sprintf("the other side of the channel speaks version %d, this program speaks version %d: "+
		"build the supervisor and the application from the same release", e.Peer, Version)
}

// Unwrap makes it an ErrMessage.
func (e *VersionError) Unwrap() error { return ErrMessage }

// Message is what goes over the channel, at most 64 KiB as JSON.
type Message struct {
	Type    string `json:"type"`
	Version int    `json:"version,omitempty"` // in a hello

	// FDs names the descriptors that come with a hello, in their order. A hello
	// without it has one, the scoreboard.
	FDs []string `json:"fds,omitempty"`

	// Of a share. 0: not said, it stays as it is.
	CPUs                int   `json:"cpus,omitempty"`
	Memory              int64 `json:"memory,omitempty"` // bytes
	DatabaseConnections int   `json:"db_connections,omitempty"`

	TicketKeys TicketKeys `json:"ticket_keys,omitempty"` // in a hello, and of tickets
}

// Greeting is this program's hello; names are those of the descriptors that are
// sent with it, in their order.
func Greeting(names ...string) Message {
	return Message{Type: Hello, Version: Version, FDs: names}
}

// Take finds the descriptor of that name among fds, which came with m. It is -1
// when there is none. Rest is fds with -1 in its place: what nobody has taken in
// the end is given to [Discard].
func (m Message) Take(fds []int, name string) (fd int, rest []int) {
	names := m.FDs
	if len(names) == 0 {
		names = []string{Scoreboard}
	}
	for i, n := range names {
		if n == name && i < len(fds) && fds[i] >= 0 {
			fd, rest = fds[i], slices.Clone(fds)
			rest[i] = -1
			return fd, rest
		}
	}
	return -1, fds
}

// Discard closes descriptors that came with a message and that nobody wants.
func Discard(fds []int) {
	for _, fd := range fds {
		if fd >= 0 {
			_ = unix.Close(fd)
		}
	}
}

// Conn is one side. Its methods may be called concurrently.
type Conn struct {
	unix *net.UnixConn

	receive sync.Mutex // guards buf and oob
	buf     []byte
	oob     []byte
}

// Pair makes a channel. The caller owns both sides: mine, and theirs, a raw
// close-on-exec descriptor that it passes to the child and then closes, so that
// the child's death is seen as io.EOF.
func Pair() (mine *Conn, theirs int, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, -1, fmt.Errorf("make a channel: socketpair: %w", err)
	}
	mine, err = adopt(fds[0])
	if err != nil {
		_ = unix.Close(fds[0])
		_ = unix.Close(fds[1])
		return nil, -1, fmt.Errorf("make a channel: %w", err)
	}
	return mine, fds[1], nil
}

// Inherited is the worker's side, from TANDEM_FD. It takes the variable out of
// the environment and the descriptor away from programs that this one starts.
// Without the variable there is no channel, and both results are nil.
func Inherited() (*Conn, error) {
	value, ok := os.LookupEnv(Variable)
	if !ok {
		return nil, nil
	}
	if err := os.Unsetenv(Variable); err != nil {
		return nil, fmt.Errorf("take %s out of the environment: %w", Variable, err)
	}
	fd, err := strconv.Atoi(value)
	if err != nil || fd < 0 {
		return nil, fmt.Errorf("%s=%q is not the number of a descriptor: only a supervisor sets it", Variable, value)
	}
	kind, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
	if err != nil {
		return nil, fmt.Errorf("%s=%d: not an open socket: %w; a program between supervisor and worker must pass it on", Variable, fd, err)
	}
	if kind != unix.SOCK_SEQPACKET {
		return nil, fmt.Errorf("%s=%d: not a channel, a socket of type %d", Variable, fd, kind)
	}
	conn, err := adopt(fd)
	if err != nil {
		return nil, fmt.Errorf("%s=%d: %w", Variable, fd, err)
	}
	return conn, nil
}

// adopt owns fd when it succeeds.
func adopt(fd int) (*Conn, error) {
	unix.CloseOnExec(fd)
	if err := unix.SetNonblock(fd, true); err != nil {
		return nil, os.NewSyscallError("set nonblocking", err)
	}
	// FileConn takes a duplicate. The original must go, or the peer never sees
	// the end; it goes only on success, so no File may close it before.
	twin, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("duplicate descriptor", err)
	}
	file := os.NewFile(uintptr(twin), "channel")
	defer func() { _ = file.Close() }()
	conn, err := net.FileConn(file)
	if err != nil {
		return nil, err
	}
	packets, ok := conn.(*net.UnixConn)
	if !ok {
		_ = conn.Close()
		return nil, fmt.Errorf("not a unix socket, %s", conn.LocalAddr().Network())
	}
	_ = unix.Close(fd)
	return &Conn{unix: packets, buf: make([]byte, maxMessage), oob: make([]byte, unix.CmsgSpace(maxFDs*4))}, nil
}

// Send sends one message, with duplicates of at most 64 descriptors, which stay
// the caller's. It never waits: ErrFull says that the peer does not read, and
// then nothing was sent.
func (c *Conn) Send(m Message, fds ...int) error {
	body, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("send %s: %w", m.Type, err)
	}
	defer clear(body) // there may be keys in it
	if len(body) > maxMessage || len(fds) > maxFDs {
		return fmt.Errorf("send %s: %d bytes and %d descriptors; a message has at most %d and %d", m.Type, len(body), len(fds), maxMessage, maxFDs)
	}
	var rights []byte
	if len(fds) > 0 {
		rights = unix.UnixRights(fds...)
	}
	raw, err := c.unix.SyscallConn()
	if err != nil {
		return fmt.Errorf("send %s: %w", m.Type, err)
	}
	var sent error
	if err := raw.Control(func(fd uintptr) {
		for {
			sent = unix.Sendmsg(int(fd), body, rights, nil, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
			if sent != unix.EINTR {
				return
			}
		}
	}); err != nil {
		return fmt.Errorf("send %s: %w", m.Type, err)
	}
	switch sent {
	case nil:
		return nil
	case unix.EAGAIN:
		return fmt.Errorf("send %s: %w", m.Type, ErrFull)
	}
	return fmt.Errorf("send %s: %w", m.Type, os.NewSyscallError("sendmsg", sent))
}

// Receive waits for the next message. The descriptors that came with it are
// close-on-exec and the caller's. io.EOF says that the peer is gone, and
// net.ErrClosed that this side was closed, which also ends a Receive that waits.
// After an ErrMessage the channel goes on; a hello of another version is
// returned with a *VersionError and without descriptors. Any other error is the
// channel's end as io.EOF is.
func (c *Conn) Receive() (Message, []int, error) {
	c.receive.Lock()
	defer c.receive.Unlock()
	for {
		n, oobn, flags, _, err := c.unix.ReadMsgUnix(c.buf, c.oob)
		switch {
		case errors.Is(err, unix.ECONNRESET):
			// The peer went without reading all of ours. This is said once, and
			// before what it had sent itself: go on to that, and to the end.
			continue
		case errors.Is(err, io.EOF):
			return Message{}, nil, io.EOF
		case errors.Is(err, net.ErrClosed):
			return Message{}, nil, net.ErrClosed
		case err != nil:
			return Message{}, nil, fmt.Errorf("receive: %w", err)
		}
		fds := descriptors(c.oob[:oobn])
		if flags&(unix.MSG_TRUNC|unix.MSG_CTRUNC) != 0 {
			Discard(fds)
			return Message{}, nil, fmt.Errorf("receive: %w: more than %d bytes or %d descriptors", ErrMessage, maxMessage, maxFDs)
		}
		m, err := decode(c.buf[:n])
		clear(c.buf[:n]) // there may be keys in it
		if err != nil {
			Discard(fds)
			return m, nil, fmt.Errorf("receive: %w", err)
		}
		if !m.known() {
			Discard(fds)
			continue
		}
		return m, fds, nil
	}
}

// Close ends this side; the peer receives what was sent and then io.EOF.
func (c *Conn) Close() error { return c.unix.Close() }

func (m Message) known() bool { return m.Type == Hello || m.Type == Share || m.Type == Tickets }

func decode(body []byte) (Message, error) {
	var m Message
	if err := json.Unmarshal(body, &m); err != nil {
		return Message{}, fmt.Errorf("%w of %d bytes: %w", ErrMessage, len(body), err)
	}
	if m.Type == "" {
		return Message{}, fmt.Errorf("%w: it has no type", ErrMessage)
	}
	if m.Type == Hello && m.Version != Version {
		return m, &VersionError{Peer: m.Version}
	}
	if m.Type == Share && (m.CPUs < 0 || m.CPUs > maxCPUs || m.Memory < 0 || m.DatabaseConnections < 0) {
		return Message{}, fmt.Errorf("%w: a share of %d CPUs, %d bytes and %d database connections", ErrMessage, m.CPUs, m.Memory, m.DatabaseConnections)
	}
	if m.Type == Hello || m.Type == Tickets {
		if err := m.TicketKeys.check(m.Type == Tickets); err != nil {
			return Message{}, fmt.Errorf("%w: %w", ErrMessage, err)
		}
	}
	return m, nil
}

func descriptors(oob []byte) []int {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil
	}
	var all []int
	for _, m := range messages {
		if fds, err := unix.ParseUnixRights(&m); err == nil {
			all = append(all, fds...)
		}
	}
	return all
}
