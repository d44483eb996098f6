package view

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"runtime/pprof"
	"sync"
	"time"

	"github.com/tandem-go/tandem/bridge"
	"github.com/tandem-go/tandem/internal/funcname"
	"github.com/tandem-go/tandem/internal/websocket"
)

// What a WebSocket does where no option says otherwise.
const (
	DefaultReadLimit    = 1 << 20          // bytes
	DefaultWriteTimeout = 30 * time.Second // see WriteTimeout
	DefaultKeepAlive    = 30 * time.Second // see KeepAlive
	DefaultDrainSpread  = 2 * time.Second  // see DrainSpread
)

// goodbye is how long a WebSocket's handler has to return when its worker drains.
const goodbye = 5 * time.Second

// WebSocketView is the view that [WebSocket] makes.
type WebSocketView struct {
	serve   func(context.Context, *Conn) error
	name    string
	options websocket.Options
	config  websocket.Config
	spread  time.Duration
}

// WebSocketOption configures a [WebSocket].
type WebSocketOption func(*WebSocketView)

// ReadLimit bounds a message from the client, in bytes after decompression; a
// longer one closes the connection with 1009. It panics if n is less than one.
func ReadLimit(n int64) WebSocketOption {
	if n < 1 {
		panic(fmt.Sprintf("view.ReadLimit(%d): a message has at least one byte", n))
	}
	return func(v *WebSocketView) { v.config.ReadLimit = n }
}

// WriteTimeout bounds one write to the client. A client that does not take it by
// then is given up. It panics if d is not above 0.
func WriteTimeout(d time.Duration) WebSocketOption {
	if d <= 0 {
		panic(fmt.Sprintf("view.WriteTimeout(%v): no client can take anything in that time", d))
	}
	return func(v *WebSocketView) { v.config.WriteTimeout = d }
}

// KeepAlive has a client pinged of which nothing was heard for d, and given up if
// nothing is heard for d after that. 0 leaves a client that vanished without a word
// to who writes to it, or to the kernel, and a silent one to a proxy's patience: nginx's
// is a minute.
func KeepAlive(d time.Duration) WebSocketOption {
	return func(v *WebSocketView) { v.config.KeepAlive = max(0, d) }
}

// Deflate compresses messages with permessage-deflate where the client can. No
// state is kept between messages, so an idle connection costs no more for it.
func Deflate() WebSocketOption { return func(v *WebSocketView) { v.options.Compress = true } }

// Subprotocols are those that can be spoken, best first. The first that the client
// offers too is chosen; if there is none, none is, see [Conn.Subprotocol].
func Subprotocols(names ...string) WebSocketOption {
	return func(v *WebSocketView) { v.options.Subprotocols = names }
}

// Origins are sites whose pages may open the WebSocket, such as
// "https://example.com", besides those of the host that is asked. A browser sends
// cookies whoever's page it is, so all others are refused with 403.
func Origins(origins ...string) WebSocketOption {
	return func(v *WebSocketView) { v.options.Origins = origins }
}

// AnyOrigin lets pages of all sites open the WebSocket: for one that looks at no
// cookie.
func AnyOrigin() WebSocketOption { return func(v *WebSocketView) { v.options.AnyOrigin = true } }

// DrainSpread is the time over which a draining worker lets its connections go, so
// that their clients do not all come back in the same moment.
func DrainSpread(d time.Duration) WebSocketOption { return func(v *WebSocketView) { v.spread = d } }

// WebSocket makes an async view of a function that talks over a WebSocket. All
// middleware runs before the handshake is answered, as around any view; serve runs
// after it, on a goroutine of its own, holds no permit, and may use
// [bridge.RunSync] with its ctx for as long as it runs. A handshake that is none
// is answered with 4xx, and serve does not run.
//
// The ctx ends when the client goes, when the connection fails, and when the
// worker drains; [context.Cause] says which: a [*CloseError], another error, or
// [ErrDraining]. In the last case the connection still works, for 5 seconds: serve can say
// goodbye before it returns.
//
// When serve returns the connection is closed: with 1000 after nil, 1012 (the
// service restarts) when the worker drains, 1011 after an error, which is logged
// and not told, or a panic. An error that comes of the connection's end is not logged as one.
func WebSocket(serve func(context.Context, *Conn) error, opts ...WebSocketOption) *WebSocketView {
	if serve == nil {
		panic("view.WebSocket: the function is nil")
	}
	v := &WebSocketView{
		serve: serve, name: funcname.Of(serve), spread: DefaultDrainSpread,
		config: websocket.Config{ReadLimit: DefaultReadLimit, WriteTimeout: DefaultWriteTimeout, KeepAlive: DefaultKeepAlive},
	}
	for _, o := range opts {
		o(v)
	}
	return v
}

func (v *WebSocketView) mount(rt *Route) {
	if v == nil {
		panic("view.Path: the view of " + rt.pattern + " is nil")
	}
	rt.inner.async, rt.view, rt.socket = v.view, v.name, true
}

// tie makes a request's scope end with ctx only until its connection is taken over:
// net/http ends ctx as soon as the handler returns.
func (r *Request) tie(ctx context.Context) context.Context {
	r.untie = context.AfterFunc(ctx, func() { r.scope.Cancel(context.Cause(ctx)) })
	return context.WithoutCancel(ctx)
}

// view answers the handshake.
func (v *WebSocketView) view(ctx context.Context, r *Request) (Response, error) {
	agreed, refusal := websocket.Check(r.http, v.options)
	if refusal == nil {
		return &upgrade{view: v, r: r, ctx: ctx, agreed: agreed}, nil
	}
	return nil, &Error{Status: refusal.Status, Message: refusal.Message, Header: refusal.Header}
}

// upgrade is the answer to a handshake that was agreed to.
type upgrade struct {
	view   *WebSocketView
	r      *Request
	ctx    context.Context // the view's, with what middleware has put there
	agreed websocket.Agreed
}

// Respond takes the connection over. What net/http had of it, buffers and a
// goroutine, is free as soon as the request's goroutine has returned: that is most
// of what an idle WebSocket would cost.
func (u *upgrade) Respond(w http.ResponseWriter, _ *http.Request) error {
	r := u.r
	server := r.out.ResponseWriter
	if !gives(server) {
		return errors.New("open a WebSocket: the ResponseWriter does not give its connection away")
	}
	for key, value := range u.agreed.Header {
		w.Header()[key] = value
	}
	w.WriteHeader(http.StatusSwitchingProtocols)
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return fmt.Errorf("open a WebSocket: %w", err)
	}
	early, _ := buffered.Reader.Peek(buffered.Reader.Buffered())
	c := &Conn{
		r: r, view: u.view, subprotocol: u.agreed.Subprotocol, drain: drainOf(server),
		ws: websocket.New(conn, bytes.Clone(early), &u.view.config, u.agreed.Deflate),
	}
	if server, ok := told[interface{ Hold() (release func()) }](server); ok {
		c.release = server.Hold()
	}
	r.untie()
	r.untie = nil
	c.ctx, c.end = context.WithCancelCause(context.WithoutCancel(u.ctx))
	r.ID() // the server can be asked for it now
	r.out.ResponseWriter = &takenOver{drain: c.drain, scheme: r.Scheme()}
	r.goesOn = c.run
	return nil
}

// gives says whether a writer gives its connection away. Ours have a Hijack whether
// the server's has one or not.
func gives(w http.ResponseWriter) bool {
	for {
		_, hijacks := w.(http.Hijacker)
		switch w.(type) {
		case *output, *sighting:
			hijacks = false
		}
		u, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if hijacks || !ok {
			return hijacks
		}
		w = u.Unwrap()
	}
}

// run is a connection's life after the handshake. The worker waits for it until
// tell, which is called at its end, has returned too.
func (c *Conn) run(tell func()) {
	pprof.SetGoroutineLabels(c.ctx)
	var reading sync.WaitGroup
	reading.Go(func() { c.ws.Run(func(why error) { c.end(ofView(why)) }) })
	drained := c.endAtDrain()
	code, reason := c.serve()
	c.ws.Finish(code, reason)
	reading.Wait()
	drained()
	c.r.close()
	tell()
	if c.release != nil {
		c.release()
	}
}

// endAtDrain ends the ctx at some moment of the spread when the worker drains, and
// the connection if serve does not return. The result waits for all that to be over.
func (c *Conn) endAtDrain() (over func()) {
	if c.drain == nil {
		return func() {}
	}
	ended := make(chan struct{})
	stop := context.AfterFunc(c.drain, func() {
		defer close(ended)
		if c.view.spread > 0 && !pause(rand.N(c.view.spread), c.ws.Ended()) {
			return
		}
		c.end(ErrDraining)
		if pause(goodbye, c.ws.Ended()) {
			_ = c.ws.Close(restarts())
		}
	})
	return func() {
		if !stop() {
			<-ended
		}
	}
}

func restarts() (code int, reason string) { return CloseServiceRestart, "restarting, come back" }

// serve runs the view's function and says how to close the connection after it.
func (c *Conn) serve() (code int, reason string) {
	defer func() {
		v := recover()
		if v == nil {
			return
		}
		code, reason = CloseInternalError, "internal error"
		if p := bridge.Caught(v); !errors.Is(p, http.ErrAbortHandler) {
			_ = c.r.panicked(p)
		}
	}()
	err := c.view.serve(c.ctx, c)
	cause := context.Cause(c.ctx)
	select {
	case <-c.ws.Ended():
		c.log(slog.LevelDebug, "WebSocket ended", cause)
		return CloseNormal, "" // which nobody gets
	default:
	}
	draining := errors.Is(cause, ErrDraining)
	switch {
	case draining && (err == nil || errors.Is(err, ErrDraining) || errors.Is(err, context.Canceled)):
		return restarts()
	case err == nil, errors.Is(err, websocket.ErrClosed):
		return CloseNormal, ""
	}
	c.r.note(err)
	c.log(slog.LevelError, "WebSocket failed", err)
	return CloseInternalError, "internal error"
}

func (c *Conn) log(level slog.Level, what string, err error) {
	r := c.r
	r.logger().LogAttrs(c.ctx, level, what,
		slog.String("request_id", r.ID()), slog.String("path", r.http.URL.Path), slog.Any("error", err))
}
