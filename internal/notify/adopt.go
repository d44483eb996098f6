package notify

import (
	"fmt"
	"net"
	"os"
	"time"
)

// State is a Socket, for another program that goes on with it after an exec.
// What has been sent and not read waits in the socket.
type State struct {
	FD    int    `json:"fd"`
	Addr  string `json:"addr"`
	Allow int64  `json:"allow"`
}

// Pause makes Read return an error that is os.ErrDeadlineExceeded, now and until
// Resume; no notification is lost by that.
func (s *Socket) Pause() { _ = s.conn.SetReadDeadline(time.Unix(1, 0)) }

// Resume ends a pause.
func (s *Socket) Resume() { _ = s.conn.SetReadDeadline(time.Time{}) }

// Save gives the state; keep is called for the descriptor.
func (s *Socket) Save(keep func(int) int) (State, error) {
	st := State{FD: -1, Addr: s.addr, Allow: s.allow.Load()}
	rc, err := s.conn.SyscallConn()
	if err == nil {
		err = rc.Control(func(fd uintptr) { st.FD = keep(int(fd)) })
	}
	if err != nil {
		return st, fmt.Errorf("save the notify socket %s: %w", s.addr, err)
	}
	return st, nil
}

// Adopt goes on with a Socket. take gives a duplicate of the descriptor.
func Adopt(st State, take func(int) (int, error)) (*Socket, error) {
	fd, err := take(st.FD)
	if err != nil {
		return nil, fmt.Errorf("take over the notify socket %s: %w", st.Addr, err)
	}
	f := os.NewFile(uintptr(fd), st.Addr)
	defer f.Close() // FilePacketConn has a duplicate
	c, err := net.FilePacketConn(f)
	if err != nil {
		return nil, fmt.Errorf("take over the notify socket %s: %w", st.Addr, err)
	}
	conn, ok := c.(*net.UnixConn)
	if !ok {
		_ = c.Close()
		return nil, fmt.Errorf("take over the notify socket %s: it is not a unix socket", st.Addr)
	}
	s := &Socket{conn: conn, addr: st.Addr}
	s.allow.Store(st.Allow)
	return s, nil
}
