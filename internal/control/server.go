package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

const (
	maxConns   = 64
	maxHeader  = 16 << 10
	maxBody    = 4 << 10
	ioTimeout  = 5 * time.Second  // for the peer to send a request or take an answer
	askTimeout = 10 * time.Second // for the backend, where it does not wait for a reload
	endTimeout = time.Second      // for answers on their way when Serve ends, and again once they are told
	maxWorkers = 4096
)

// errorBody is the answer to what went wrong.
type errorBody struct {
	Error string `json:"error"` // what was not done, why, and what to do
}

// scaleBody is how many workers there should be.
type scaleBody struct {
	Workers *int `json:"workers"` // 1 to 4096, until the next reload or restart
}

// stopBody is how to stop.
type stopBody struct {
	Now bool `json:"now"` // a quick stop: requests in flight are cut
}

// Serve answers requests until ctx ends or Close is called, and then returns nil.
// Requests in progress get a moment to be answered before their context ends. The
// file is gone when Serve returns. It may be called once.
func (s *Server) Serve(ctx context.Context, backend Backend) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	requests, cancelRequests := context.WithCancel(context.WithoutCancel(ctx))
	defer cancelRequests()
	server := &http.Server{
		Handler:           s.guard(routes(backend)),
		ReadHeaderTimeout: s.patience,
		ReadTimeout:       s.patience,
		IdleTimeout:       s.patience,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(s.log().Handler(), slog.LevelWarn),
		BaseContext:       func(net.Listener) context.Context { return requests },
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			cred, err := s.peer(c.(*slotConn).Conn.(*net.UnixConn))
			return context.WithValue(context.WithValue(ctx, peerKey{}, peer{cred, err}), callerKey{}, c)
		},
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		<-ctx.Done()
		s.removeFile()
		if shutdown(server) != nil {
			cancelRequests()
			if shutdown(server) != nil {
				server.Close()
			}
		}
	}()
	conns := newLimited(s.listener, maxConns)
	s.http.Store(server)
	s.serving.Store(conns)
	err := server.Serve(conns)
	cancel()
	<-ended
	if err != nil && !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("serve control socket %s: %w", s.path, err)
	}
	return nil
}

func shutdown(server *http.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), endTimeout)
	defer cancel()
	return server.Shutdown(ctx)
}

type (
	peerKey struct{}
	peer    struct {
		unix.Ucred
		err error
	}
)

// guard lets in our own user and root. The mode of the file does so too, but not
// for a file that somebody has opened up since.
func (s *Server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, _ := r.Context().Value(peerKey{}).(peer)
		if p.err != nil || p.Uid != 0 && int(p.Uid) != os.Getuid() {
			s.log().Warn("control request refused: it comes from another user", "uid", p.Uid, "pid", p.Pid, "path", r.URL.Path, "error", p.err)
			w.Header().Set("Connection", "close")
			reply(w, http.StatusForbidden, errorBody{fmt.Sprintf("uid %d may not control this supervisor: run this as its own user (uid %d) or as root", p.Uid, os.Getuid())})
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		next.ServeHTTP(w, r)
	})
}

func routes(b Backend) http.Handler {
	mux := http.NewServeMux()
	var paths []string
	for _, e := range Endpoints() {
		followers := make(chan struct{}, maxFollowers)
		if !strings.Contains(e.Path, "{") {
			paths = append(paths, e.Path)
		}
		mux.HandleFunc(e.Path, func(w http.ResponseWriter, r *http.Request) {
			if r.Method != e.Method {
				w.Header().Set("Allow", e.Method)
				reply(w, http.StatusMethodNotAllowed, errorBody{fmt.Sprintf("%s takes %s, not %s", e.Path, e.Method, r.Method)})
				return
			}
			e.serve(w, r, b, followers)
		})
	}
	there := strings.Join(paths, ", ")
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		reply(w, http.StatusNotFound, errorBody{fmt.Sprintf("there is no %q; there are %s; a command that asks for it is of another version: supervisor status says which runs", r.URL.Path, there)})
	})
	return mux
}

func status(w http.ResponseWriter, r *http.Request, b Backend) {
	ctx, cancel := context.WithTimeout(r.Context(), askTimeout)
	defer cancel()
	st, err := b.Status(ctx)
	if err != nil {
		refuse(w, err)
		return
	}
	if st.Listeners == nil {
		st.Listeners = []string{}
	}
	if st.Workers == nil {
		st.Workers = []WorkerStatus{}
	}
	reply(w, http.StatusOK, st)
}

func reload(w http.ResponseWriter, r *http.Request, b Backend) {
	var wait bool
	switch text := r.URL.Query().Get("wait"); text {
	case "", "0", "false":
	case "1", "true":
		wait = true
	default:
		reply(w, http.StatusBadRequest, errorBody{fmt.Sprintf("wait=%q is not 1 or 0", text)})
		return
	}
	if err := decode(r, &struct{}{}); err != nil && !errors.Is(err, io.EOF) {
		reply(w, http.StatusBadRequest, errorBody{"body: " + err.Error()})
		return
	}
	ctx := r.Context()
	if wait {
		// A roll may take longer than a request may take to arrive, and when the
		// read deadline passes net/http ends the request's context.
		if err := http.NewResponseController(w).SetReadDeadline(time.Time{}); err != nil {
			reply(w, http.StatusInternalServerError, errorBody{"lift the deadline of the request: " + err.Error()})
			return
		}
	} else {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, askTimeout)
		defer cancel()
	}
	if wait {
		defer hold(r)()
	}
	result, err := b.Reload(ctx, wait)
	switch {
	case err != nil:
		refuse(w, err)
	case wait:
		reply(w, http.StatusOK, result)
	default:
		if result.Result == "" {
			result.Result = ResultAccepted
		}
		reply(w, http.StatusAccepted, result)
	}
}

func scale(w http.ResponseWriter, r *http.Request, b Backend) {
	var body scaleBody
	err := decode(r, &body)
	switch {
	case errors.Is(err, io.EOF) || err == nil && body.Workers == nil:
		err = errors.New(`want {"workers":N}`)
	case err == nil && (*body.Workers < 1 || *body.Workers > maxWorkers):
		err = fmt.Errorf("workers is %d; want 1 to %d", *body.Workers, maxWorkers)
	}
	if err != nil {
		reply(w, http.StatusBadRequest, errorBody{"body: " + err.Error()})
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), askTimeout)
	defer cancel()
	if err := b.Scale(ctx, *body.Workers); err != nil {
		refuse(w, err)
		return
	}
	reply(w, http.StatusOK, body)
}

func stop(w http.ResponseWriter, r *http.Request, b Backend) {
	var body stopBody
	if err := decode(r, &body); err != nil && !errors.Is(err, io.EOF) {
		reply(w, http.StatusBadRequest, errorBody{"body: " + err.Error()})
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), askTimeout)
	defer cancel()
	if err := b.Stop(ctx, body.Now); err != nil {
		refuse(w, err)
		return
	}
	reply(w, http.StatusAccepted, body)
}

// decode reads one JSON object and nothing after it; io.EOF means an empty body.
func decode(r *http.Request, into any) error {
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is more after the JSON object")
	}
	return nil
}

// refuse answers what the backend would not do.
func refuse(w http.ResponseWriter, err error) {
	code, text := http.StatusConflict, err.Error()
	switch {
	case errors.Is(err, context.Canceled):
		code, text = http.StatusServiceUnavailable, "the supervisor stops; start it again when it has ended"
	case errors.Is(err, context.DeadlineExceeded):
		code, text = http.StatusServiceUnavailable, fmt.Sprintf("the supervisor did not answer within %s: it is stopped or short of CPU; look at its process and its log", askTimeout)
	}
	reply(w, code, errorBody{text})
}

func reply(w http.ResponseWriter, code int, body any) {
	// A peer that does not read must not hold a connection for ever. An error
	// means that the connection is gone already.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(ioTimeout))
	var text strings.Builder
	if err := json.NewEncoder(&text).Encode(body); err != nil {
		// Nothing of ours fails to encode but a number that is not one.
		code = http.StatusInternalServerError
		text.Reset()
		text.WriteString(`{"error":"the answer cannot be put into JSON"}` + "\n")
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = io.WriteString(w, text.String())
}

// limited is a listener with at most so many connections; others wait in the
// kernel's queue.
type limited struct {
	net.Listener
	slots chan struct{}
	once  sync.Once
	done  chan struct{}

	mu       sync.Mutex
	open     map[*slotConn]struct{}
	news     chan struct{} // closed when open, or what is held of it, has changed
	resumed  chan struct{} // closed when a pause ends
	standing bool          // Accept waits for that
}

func newLimited(l net.Listener, n int) *limited {
	return &limited{
		Listener: l, slots: make(chan struct{}, n), done: make(chan struct{}),
		open: map[*slotConn]struct{}{}, news: make(chan struct{}), resumed: make(chan struct{}),
	}
}

func (l *limited) Accept() (net.Conn, error) {
	select {
	case l.slots <- struct{}{}:
	case <-l.done:
		return nil, net.ErrClosed
	}
	c, err := l.accept()
	if err != nil {
		<-l.slots
		return nil, err
	}
	sc := &slotConn{Conn: c, l: l}
	sc.free = sync.OnceFunc(func() {
		<-l.slots
		l.mu.Lock()
		delete(l.open, sc)
		l.mu.Unlock()
		l.changed()
	})
	l.mu.Lock()
	l.open[sc] = struct{}{}
	l.mu.Unlock()
	return sc, nil
}

func (l *limited) Close() error {
	l.once.Do(func() { close(l.done) })
	return l.Listener.Close()
}

type slotConn struct {
	net.Conn
	l    *limited
	free func()
	held atomic.Bool // its answer may come from the next program
}

func (c *slotConn) Close() error {
	err := c.Conn.Close()
	c.free()
	return err
}
