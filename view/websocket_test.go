package view_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/tandem-go/tandem/bridge"
	"github.com/tandem-go/tandem/view"
)

// draining is a server that can drain, as package worker is one.
type draining struct {
	http.Handler
	ctx   context.Context
	drain context.CancelFunc
	held  chan struct{} // one for each request that goes on
	freed chan struct{}
}

func newDraining(app http.Handler) *draining {
	d := &draining{Handler: app, held: make(chan struct{}, 2000), freed: make(chan struct{}, 2000)}
	d.ctx, d.drain = context.WithCancel(context.Background())
	return d
}

func (d *draining) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d.Handler.ServeHTTP(&drainingWriter{w, d}, r)
}

type drainingWriter struct {
	http.ResponseWriter
	server *draining
}

func (w *drainingWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
func (w *drainingWriter) Drain() context.Context      { return w.server.ctx }
func (w *drainingWriter) Hold() func() {
	w.server.held <- struct{}{}
	return func() { w.server.freed <- struct{}{} }
}

// open opens a WebSocket with another library's client.
func open(t *testing.T, server *httptest.Server, opts *websocket.DialOptions) (*websocket.Conn, *http.Response) {
	t.Helper()
	c, resp, err := websocket.Dial(t.Context(), server.URL+"/ws", opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.CloseNow() })
	return c, resp
}

func listen(t *testing.T, h http.Handler) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server
}

func echo(ctx context.Context, c *view.Conn) error {
	for {
		kind, message, err := c.Read(ctx)
		if err == nil {
			err = c.Write(ctx, kind, message)
		}
		if err != nil {
			return err
		}
	}
}

// expectClose checks how the server closes a connection on which nothing else comes.
func expectClose(t *testing.T, c *websocket.Conn, code websocket.StatusCode, reason string) {
	t.Helper()
	_, m, err := c.Read(t.Context())
	var closed websocket.CloseError
	if !errors.As(err, &closed) || closed.Code != code || closed.Reason != reason {
		t.Errorf("got %q, %v, want close %d %q", m, err, code, reason)
	}
}

func expectMessage(t *testing.T, c *websocket.Conn, kind websocket.MessageType, want string) {
	t.Helper()
	if got, m, err := c.Read(t.Context()); err != nil || got != kind || string(m) != want {
		t.Errorf("got %v %q, %v, want %v %q", got, m, err, kind, want)
	}
}

func TestAWebSocketIsAViewBehindItsMiddleware(t *testing.T) {
	for _, profile := range [][]view.Option{nil, {view.SyncOnly()}} {
		s := newSite(t, 1, []view.Route{view.Path("GET /ws", view.WebSocket(func(ctx context.Context, c *view.Conn) error {
			r := c.Request()
			said := fmt.Sprint(r.User().Name, " ", c.Subprotocol(), " ", r.Query().Get("q"), " ", ctx.Value(key{}))
			if err := c.Write(ctx, view.TextMessage, []byte(said)); err != nil {
				return err
			}
			return echo(ctx, c)
		}, view.Subprotocols("chat"), view.Deflate()))}, profile...)
		s.Use(view.Use(func(next view.AsyncView) view.AsyncView {
			return func(ctx context.Context, r *view.Request) (view.Response, error) {
				r.SetUser(view.User{ID: 7, Name: "ada"})
				resp, err := next(context.WithValue(ctx, key{}, "value"), r)
				return view.WithHeader(resp, "X-Seen", "yes"), err
			}
		}), view.Use(func(next view.SyncView) view.SyncView { return next }))
		c, resp := open(t, listen(t, s), &websocket.DialOptions{Subprotocols: []string{"chat"}, CompressionMode: websocket.CompressionContextTakeover})
		if resp.Header.Get("X-Seen") != "yes" || !strings.HasPrefix(resp.Header.Get("Sec-WebSocket-Extensions"), "permessage-deflate;") {
			t.Errorf("%v", resp.Header)
		}
		expectMessage(t, c, websocket.MessageText, "ada chat  value")
		for _, message := range []string{"", "zwei Räder", strings.Repeat("again ", 10_000)} {
			c.SetReadLimit(-1)
			if err := c.Write(t.Context(), websocket.MessageText, []byte(message)); err != nil {
				t.Fatal(err)
			}
			expectMessage(t, c, websocket.MessageText, message)
		}
		if st := s.limits.Blocking.Stats(); st.InUse != 0 {
			t.Errorf("a permit is held: %+v", st)
		}
		if err := c.Close(websocket.StatusNormalClosure, ""); err != nil {
			t.Error(err)
		}
	}
}

type key struct{}

func TestAWebSocketIsClosedAsItsFunctionEnds(t *testing.T) {
	secret := errors.New("password is hunter2")
	tests := map[string]struct {
		serve  func(context.Context, *view.Conn) error
		code   websocket.StatusCode
		reason string
		logged string
	}{
		"nil":     {func(context.Context, *view.Conn) error { return nil }, 1000, "", ""},
		"error":   {func(context.Context, *view.Conn) error { return secret }, 1011, "internal error", "WebSocket failed"},
		"panic":   {func(context.Context, *view.Conn) error { panic(secret) }, 1011, "internal error", "view panicked"},
		"abort":   {func(context.Context, *view.Conn) error { panic(http.ErrAbortHandler) }, 1011, "internal error", ""},
		"its own": {func(_ context.Context, c *view.Conn) error { return c.Close(4001, "enough") }, 4001, "enough", ""},
		"written behind its own": {func(ctx context.Context, c *view.Conn) error {
			return errors.Join(c.Close(view.CloseTryAgainLater, ""), c.Write(ctx, view.TextMessage, nil))
		}, 1013, "", ""},
	}
	for name, test := range tests {
		s := newSite(t, 1, []view.Route{view.Path("GET /ws", view.WebSocket(test.serve))})
		server := newDraining(s)
		c, _ := open(t, listen(t, server), nil)
		expectClose(t, c, test.code, test.reason)
		<-server.freed
		records := slices.DeleteFunc(s.log.records(t), func(r map[string]any) bool { return r["level"] == "DEBUG" })
		if test.logged == "" {
			if len(records) != 0 {
				t.Errorf("%s: logged %v", name, records)
			}
			continue
		}
		if len(records) != 1 || records[0]["msg"] != test.logged || records[0]["level"] != "ERROR" || !strings.Contains(fmt.Sprint(records[0]), "hunter2") {
			t.Errorf("%s: logged %v", name, records)
		}
		if test.logged == "view panicked" && !hasAll(fmt.Sprint(records[0]["stack"]), "websocket_test.go") {
			t.Errorf("%s: no stack of its own: %v", name, records[0])
		}
	}
}

// A function that only waits for its ctx learns why that ends.
func TestAWebSocketsContextEndsWithItsClient(t *testing.T) {
	why := make(chan error, 1)
	s := newSite(t, 1, []view.Route{view.Path("GET /ws", view.WebSocket(func(ctx context.Context, c *view.Conn) error {
		<-ctx.Done()
		_, _, err := c.Read(context.Background())
		if cause := context.Cause(ctx); cause.Error() != err.Error() {
			t.Errorf("Read says %v, the ctx %v", err, cause)
		}
		why <- err
		return c.Write(ctx, view.TextMessage, nil)
	}))})
	server := listen(t, s)
	c, _ := open(t, server, nil)
	_ = c.Close(4002, "bye")
	var closed *view.CloseError
	if err := <-why; !errors.As(err, &closed) || *closed != (view.CloseError{Code: 4002, Reason: "bye"}) {
		t.Errorf("closed: %v", err)
	}
	c, _ = open(t, server, nil)
	_ = c.CloseNow()
	if err := <-why; !strings.Contains(err.Error(), "connection was lost") {
		t.Errorf("cut: %v", err)
	}
}

func TestAWebSocketSaysGoodbyeWhenItsWorkerDrains(t *testing.T) {
	s := newSite(t, 1, []view.Route{view.Path("GET /ws", view.WebSocket(func(ctx context.Context, c *view.Conn) error {
		err := echo(ctx, c)
		if !errors.Is(err, view.ErrDraining) || !errors.Is(context.Cause(ctx), view.ErrDraining) {
			t.Errorf("Read: %v, the ctx: %v", err, context.Cause(ctx))
		}
		select {
		case <-c.Request().Draining():
		default:
			t.Error("the request does not know of it")
		}
		if err := c.Write(ctx, view.TextMessage, []byte("goodbye")); err != nil {
			t.Error(err)
		}
		if _, m, err := c.Read(context.Background()); err != nil || string(m) != "goodbye too" {
			t.Errorf("afterwards: %q, %v", m, err)
		}
		return err
	}, view.DrainSpread(0)))})
	server := newDraining(s)
	c, _ := open(t, listen(t, server), nil)
	if err := c.Write(t.Context(), websocket.MessageBinary, []byte("before")); err != nil {
		t.Fatal(err)
	}
	expectMessage(t, c, websocket.MessageBinary, "before")
	<-server.held
	server.drain()
	expectMessage(t, c, websocket.MessageText, "goodbye")
	if err := c.Write(t.Context(), websocket.MessageText, []byte("goodbye too")); err != nil {
		t.Fatal(err)
	}
	expectClose(t, c, websocket.StatusServiceRestart, "restarting, come back")
	<-server.freed
}

// The scope lives as long as the function: sync code runs in it, and may await.
func TestAWebSocketCallsSyncCode(t *testing.T) {
	s := newSite(t, 1, nil)
	s.Routes(view.Path("GET /ws", view.WebSocket(func(ctx context.Context, c *view.Conn) error {
		got, err := bridge.RunSync(ctx, func() (string, error) {
			return bridge.Await(c.Request(), func(ctx context.Context) (string, error) {
				return fmt.Sprint("awaited, with permits: ", s.limits.Blocking.Stats().InUse), ctx.Err()
			})
		})
		if err != nil {
			return err
		}
		return c.Write(ctx, view.TextMessage, []byte(got))
	})))
	c, _ := open(t, listen(t, s), nil)
	expectMessage(t, c, websocket.MessageText, "awaited, with permits: 0")
	expectClose(t, c, websocket.StatusNormalClosure, "")
}

func TestWhatIsNoHandshakeIsAnswered(t *testing.T) {
	s := newSite(t, 1, []view.Route{view.Path("/ws", view.WebSocket(echo))})
	w := s.get("/ws")
	expectError(t, w, 426, "this is a WebSocket: Connection: Upgrade and Upgrade: websocket are missing")
	if w.Header().Get("Upgrade") != "websocket" || w.Header().Get("Connection") != "Upgrade" {
		t.Errorf("%v", w.Header())
	}
	r := httptest.NewRequest("GET", "/ws", nil)
	for k, v := range map[string]string{"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="} {
		r.Header.Set(k, v)
	}
	expectError(t, s.do(r), 500, "Internal Server Error") // a recorder has no connection to give away
	r.Header.Set("Origin", "http://elsewhere.test")
	expectError(t, s.do(r), 403, "pages of this Origin may not open the WebSocket")
}

func TestAWebSocketThatIsNoneCannotBeRouted(t *testing.T) {
	for what, f := range map[string]func(){
		"no function": func() { view.WebSocket(nil) },
		"no view":     func() { view.Path("/ws", (*view.WebSocketView)(nil)) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: it can", what)
				}
			}()
			f()
		}()
	}
	app := view.New()
	app.Routes(view.Path("/ws", view.WebSocket(echo)))
	if plan := app.Plan()[0]; plan.View != "view_test.echo" || plan.Colour != view.Async || plan.Crossings != 0 {
		t.Errorf("%+v", plan)
	}
}

// What observes requests is told when all is over, which a WebSocket's end is.
func TestObserversAreToldOfAWebSocketWhenItEnds(t *testing.T) {
	told, go1 := make(chan view.Outcome, 1), make(chan struct{})
	boom := errors.New("boom")
	s := newSite(t, 1, []view.Route{view.Path("GET /ws", view.WebSocket(func(context.Context, *view.Conn) error { <-go1; return boom }))},
		view.Observe(func(_ *view.Request, o view.Outcome) { told <- o }))
	c, _ := open(t, listen(t, s), nil)
	select {
	case o := <-told:
		t.Errorf("told while it is open: %+v", o)
	default:
	}
	close(go1)
	expectClose(t, c, websocket.StatusInternalError, "internal error")
	if o := <-told; o.Status != http.StatusSwitchingProtocols || o.Err != boom || o.Plan.Pattern != "GET /ws" || o.Duration <= 0 {
		t.Errorf("%+v", o)
	}
}

// A client that sends frames together with its handshake loses none.
func TestFramesBehindTheHandshakeAreRead(t *testing.T) {
	s := newSite(t, 1, []view.Route{view.Path("GET /ws", view.WebSocket(echo))})
	conn, r := dial(t, s, "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"+
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n\x81\x82\x00\x00\x00\x00hi\x88\x80\x00\x00\x00\x00")
	resp, err := http.ReadResponse(r, nil)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols || resp.Header.Get("Sec-WebSocket-Accept") != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
		t.Fatalf("%v, %v", resp, err)
	}
	got := make([]byte, 6)
	for i := range got {
		if got[i], err = r.ReadByte(); err != nil {
			t.Fatal(err)
		}
	}
	if string(got) != "\x81\x02hi\x88\x00" {
		t.Errorf("got %q", got)
	}
	if _, err := r.ReadByte(); err == nil {
		t.Error("the connection is not closed")
	}
	_ = conn.Close()
}

// A client that was done wrong to must see the close frame, and no reset that
// overtakes it because more of its bytes were on the way.
func TestACloseFrameIsNotLostToWhatTheClientSends(t *testing.T) {
	s := newSite(t, 1, []view.Route{view.Path("GET /ws", view.WebSocket(echo, view.ReadLimit(1000)))})
	server := listen(t, s)
	for range 20 {
		c, _ := open(t, server, nil)
		written := make(chan error, 1)
		go func() { written <- c.Write(t.Context(), websocket.MessageBinary, make([]byte, 4<<20)) }()
		expectClose(t, c, websocket.StatusMessageTooBig, "message longer than 1000 bytes")
		_ = c.CloseNow()
		<-written
	}
}

func TestASlowReaderOfAWebSocketIsGivenUp(t *testing.T) {
	why := make(chan error, 1)
	s := newSite(t, 1, []view.Route{view.Path("GET /ws", view.WebSocket(func(ctx context.Context, c *view.Conn) error {
		message := make([]byte, 1<<20)
		for {
			if err := c.Write(ctx, view.BinaryMessage, message); err != nil {
				why <- err
				<-ctx.Done()
				return err
			}
		}
	}, view.WriteTimeout(50*time.Millisecond)))})
	server := newDraining(s)
	open(t, listen(t, server), nil) // and does not read
	if err := <-why; !strings.Contains(err.Error(), "does not read what it is sent") {
		t.Error(err)
	}
	<-server.freed
}

func TestBoundsOfAWebSocketThatLetNothingThroughPanic(t *testing.T) {
	for name, give := range map[string]func(){
		"view.ReadLimit(0)":     func() { view.ReadLimit(0) },
		"view.WriteTimeout(0s)": func() { view.WriteTimeout(0) },
	} {
		func() {
			defer func() {
				if msg := fmt.Sprint(recover()); !strings.Contains(msg, name) {
					t.Errorf("%s: panic %q", name, msg)
				}
			}()
			give()
		}()
	}
}
