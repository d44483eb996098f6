package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"
)

// State is a Server, for another program that goes on with it after an exec:
// who connects meanwhile waits in the socket's queue.
type State struct {
	Path string `json:"path"`
	FD   int    `json:"fd"`
	Dev  uint64 `json:"dev"`
	Ino  uint64 `json:"ino"`
}

// Pause stops accepting and waits until the requests that have come are
// answered, but for those whose [Caller] is held, and no longer than ctx: who is
// slower is cut off by an exec. It may be called while Serve runs; Resume ends
// it.
func (s *Server) Pause(ctx context.Context) {
	l := s.serving.Load()
	if l == nil {
		return
	}
	_ = s.listener.SetDeadline(time.Unix(1, 0))
	s.http.Load().SetKeepAlivesEnabled(false)
	l.empty(ctx)
}

// Resume accepts again.
func (s *Server) Resume() {
	l := s.serving.Load()
	if l == nil {
		return
	}
	s.http.Load().SetKeepAlivesEnabled(true)
	_ = s.listener.SetDeadline(time.Time{})
	l.wake()
}

// Save gives the state; keep is called for the descriptor.
func (s *Server) Save(keep func(int) int) (State, error) {
	st := State{Path: s.path, FD: -1, Dev: s.dev, Ino: s.ino}
	rc, err := s.listener.SyscallConn()
	if err == nil {
		err = rc.Control(func(fd uintptr) { st.FD = keep(int(fd)) })
	}
	if err != nil {
		return st, fmt.Errorf("save control socket %s: %w", s.path, err)
	}
	return st, nil
}

// Adopt goes on with a Server. take gives a duplicate of the descriptor. Nothing
// is accepted before Serve.
func Adopt(st State, take func(int) (int, error)) (*Server, error) {
	fd, err := take(st.FD)
	if err != nil {
		return nil, fmt.Errorf("take over control socket %s: %w", st.Path, err)
	}
	f := os.NewFile(uintptr(fd), st.Path)
	defer f.Close() // FileListener has a duplicate
	l, err := net.FileListener(f)
	if err != nil {
		return nil, fmt.Errorf("take over control socket %s: %w", st.Path, bare(err))
	}
	listener, ok := l.(*net.UnixListener)
	if !ok {
		_ = l.Close()
		return nil, fmt.Errorf("take over control socket %s: it is not a unix socket", st.Path)
	}
	listener.SetUnlinkOnClose(false) // see removeFile
	return &Server{path: st.Path, listener: listener, dev: st.Dev, ino: st.Ino, patience: ioTimeout, peer: peerOf}, nil
}

// Caller is the connection of a request whose answer may come from another
// program than the one that took it. It stays the Server's until it is adopted.
type Caller struct{ conn net.Conn }

type callerKey struct{}

// CallerOf gives the connection that a request came on, from the ctx that the
// Backend is called with; nil if it came in another way.
func CallerOf(ctx context.Context) *Caller {
	c, _ := ctx.Value(callerKey{}).(*slotConn)
	if c == nil {
		return nil
	}
	return &Caller{c.Conn}
}

// Save gives the descriptor's number, all that another program needs to answer.
func (c *Caller) Save(keep func(int) int) (fd int, err error) {
	rc, err := c.conn.(*net.UnixConn).SyscallConn()
	if err == nil {
		err = rc.Control(func(raw uintptr) { fd = keep(int(raw)) })
	}
	if err != nil { // it has hung up
		return -1, fmt.Errorf("save a control connection: %w", err)
	}
	return fd, nil
}

// AdoptCaller goes on with a caller. take gives a duplicate of the descriptor.
func AdoptCaller(n int, take func(int) (int, error)) (*Caller, error) {
	fd, err := take(n)
	if err != nil {
		return nil, fmt.Errorf("take over a control connection: %w", err)
	}
	f := os.NewFile(uintptr(fd), "control connection")
	defer f.Close() // FileConn has a duplicate
	conn, err := net.FileConn(f)
	if err != nil {
		return nil, fmt.Errorf("take over a control connection: %w", err)
	}
	if _, ok := conn.(*net.UnixConn); !ok {
		conn.Close()
		return nil, errors.New("take over a control connection: it is not a unix socket")
	}
	return &Caller{conn}, nil
}

// Answer answers the request of an adopted caller with body as JSON, and ends
// the connection. It waits no longer than a peer may take to read. An error
// means that the caller is gone.
func (c *Caller) Answer(body any) error { return c.answer(http.StatusOK, body) }

// Refuse answers that what was asked for could not be done, and why.
func (c *Caller) Refuse(reason string) error {
	return c.answer(http.StatusConflict, errorBody{reason})
}

func (c *Caller) answer(code int, body any) error {
	defer c.conn.Close()
	text, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("answer a control request: %w", err)
	}
	_ = c.conn.SetDeadline(time.Now().Add(ioTimeout))
	_, err = fmt.Fprintf(c.conn, "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s\n",
		code, http.StatusText(code), len(text)+1, text)
	if err != nil {
		return fmt.Errorf("answer a control request: %w", err)
	}
	// The client has read no farther than the answer when it closes.
	if u, ok := c.conn.(*net.UnixConn); ok {
		_ = u.CloseWrite()
	}
	return nil
}

// hold marks a request as one that Pause need not wait for: its answer comes from
// the next program, or it has no end of its own. The function it gives takes that
// back.
func hold(r *http.Request) func() {
	c, _ := r.Context().Value(callerKey{}).(*slotConn)
	if c == nil {
		return func() {}
	}
	c.held.Store(true)
	c.l.changed()
	return func() { c.held.Store(false) }
}

// empty waits until every connection is held or gone.
func (l *limited) empty(ctx context.Context) {
	for {
		l.mu.Lock()
		left, news := 0, l.news
		if !l.standing && len(l.slots) < cap(l.slots) {
			left++ // Accept may have one in its hands
		}
		for c := range l.open {
			if !c.held.Load() {
				left++
			}
		}
		l.mu.Unlock()
		if left == 0 {
			return
		}
		select {
		case <-news:
		case <-ctx.Done():
			return
		}
	}
}

// changed tells empty to look again.
func (l *limited) changed() {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.news)
	l.news = make(chan struct{})
}

// accept is Accept that stands still in a pause.
func (l *limited) accept() (net.Conn, error) {
	for {
		l.mu.Lock()
		resumed := l.resumed
		l.mu.Unlock()
		c, err := l.Listener.Accept()
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return c, err
		}
		l.mu.Lock()
		l.standing = true
		l.mu.Unlock()
		l.changed()
		select {
		case <-resumed:
		case <-l.done:
			return nil, net.ErrClosed
		}
	}
}

// wake ends the standstill.
func (l *limited) wake() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.standing = false
	close(l.resumed)
	l.resumed = make(chan struct{})
}

// Upgrade asks the supervisor to replace itself. It returns when the new program
// runs, or an error with the reason why the old one goes on.
func (c *Client) Upgrade(ctx context.Context) (UpgradeResult, error) {
	return call[UpgradeResult](ctx, c, http.MethodPost, "/v1/upgrade", nil)
}

func upgrade(w http.ResponseWriter, r *http.Request, b Backend) {
	if err := decode(r, &struct{}{}); err != nil && !errors.Is(err, io.EOF) {
		reply(w, http.StatusBadRequest, errorBody{"body: " + err.Error()})
		return
	}
	// See reload: it may take longer than a request may take to arrive.
	if err := http.NewResponseController(w).SetReadDeadline(time.Time{}); err != nil {
		reply(w, http.StatusInternalServerError, errorBody{"lift the deadline of the request: " + err.Error()})
		return
	}
	defer hold(r)()
	result, err := b.Upgrade(r.Context())
	if err != nil {
		refuse(w, err)
		return
	}
	reply(w, http.StatusOK, result)
}
