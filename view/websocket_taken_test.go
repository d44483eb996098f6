package view_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"github.com/tandem-go/tandem/bridge"
	"github.com/tandem-go/tandem/view"
)

// A writer that does not give its connection away is found out before the
// handshake is agreed to, whatever of ours is around it.
func TestAHandshakeIsNotAgreedToOnAConnectionThatCannotBeHad(t *testing.T) {
	for name, opts := range map[string][]view.Option{"plain": nil, "observed": {view.Observe(func(*view.Request, view.Outcome) {})}} {
		wrapping := view.Use(func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { next.ServeHTTP(wrapper{w}, r) })
		})
		for _, ms := range [][]view.Middleware{nil, {view.Use(plainMiddleware)}, {view.Use(plainMiddleware), wrapping}} {
			s := newSite(t, 1, []view.Route{view.Path("GET /ws", view.WebSocket(echo), view.With(ms...))}, opts...)
			r := httptest.NewRequest("GET", "/ws", nil)
			for key, value := range map[string]string{
				"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
			} {
				r.Header.Set(key, value)
			}
			w := s.do(r)
			if w.Code != http.StatusInternalServerError || w.Header().Get("Sec-WebSocket-Accept") != "" {
				t.Errorf("%s, %d layers: answer %d, header %v", name, len(ms), w.Code, w.Header())
			}
		}
	}
}

// The end of the last one may be the end of the process.
func TestAWorkerWaitsForTheObserversOfAWebSocket(t *testing.T) {
	var server *draining
	told := make(chan struct{})
	s := newSite(t, 1, []view.Route{view.Path("GET /ws", view.WebSocket(func(context.Context, *view.Conn) error { return nil }))},
		view.Observe(func(*view.Request, view.Outcome) {
			if len(server.freed) > 0 {
				t.Error("the worker does not wait any more")
			}
			close(told)
		}))
	server = newDraining(s)
	c, _ := open(t, listen(t, server), nil)
	expectClose(t, c, websocket.StatusNormalClosure, "")
	<-told
	<-server.freed
}

// Frames of the handshake have ended when the function runs: its ctx must know
// nothing of them.
func TestAWebSocketOutlivesTheFramesOfItsHandshake(t *testing.T) {
	blocks := view.Use(func(next view.SyncView) view.SyncView {
		return func(r *view.Request) (view.Response, error) { return next(r) }
	})
	for name, tc := range map[string]struct {
		profile []view.Option
		ms      []view.RouteOption
	}{
		"sync only":               {profile: []view.Option{view.SyncOnly()}},
		"below sync middleware":   {ms: []view.RouteOption{view.With(blocks)}},
		"on a thread":             {ms: []view.RouteOption{view.With(blocks), view.Pinned()}},
		"sync only, on a thread":  {profile: []view.Option{view.SyncOnly()}, ms: []view.RouteOption{view.Pinned()}},
		"async, nothing sync yet": {},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, 1, nil, tc.profile...)
			s.Routes(view.Path("GET /ws", view.WebSocket(func(ctx context.Context, c *view.Conn) error {
				if _, _, err := c.Read(ctx); err != nil { // the handshake is over
					return err
				}
				said := fmt.Sprint("in use: ", s.limits.Blocking.Stats().InUse)
				for range 2 {
					more, err := bridge.RunSync(ctx, func() (string, error) {
						return bridge.Await(c.Request(), func(ctx context.Context) (string, error) {
							return fmt.Sprint(", awaited: ", ctx.Err()), nil
						})
					})
					if err != nil {
						return err
					}
					said += more
				}
				return c.Write(ctx, view.TextMessage, []byte(said))
			}), tc.ms...))
			c, _ := open(t, listen(t, s), nil)
			if err := c.Write(t.Context(), websocket.MessageText, nil); err != nil {
				t.Fatal(err)
			}
			expectMessage(t, c, websocket.MessageText, "in use: 0, awaited: <nil>, awaited: <nil>")
			expectClose(t, c, websocket.StatusNormalClosure, "")
		})
	}
}

// secured is a server's writer behind a proxy that speaks TLS.
type secured struct{ http.ResponseWriter }

func (s secured) Unwrap() http.ResponseWriter { return s.ResponseWriter }
func (s secured) Scheme() string              { return "https" }

// The writer that knew it is gone then.
func TestTheSchemeIsKnownWhenTheConnectionIsAWebSocket(t *testing.T) {
	app := view.New()
	app.Routes(view.Path("GET /ws", view.WebSocket(func(ctx context.Context, c *view.Conn) error {
		return c.Write(ctx, view.TextMessage, []byte(c.Request().AbsoluteURL("/there")))
	})))
	server := listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { app.ServeHTTP(secured{w}, r) }))
	c, _ := open(t, server, nil)
	if _, got, err := c.Read(t.Context()); err != nil || string(got) != "https"+strings.TrimPrefix(server.URL, "http")+"/there" {
		t.Errorf("the connection's URL is %q, %v", got, err)
	}
}
