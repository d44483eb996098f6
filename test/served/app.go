package served

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/tandem-go/tandem/bridge"
	"github.com/tandem-go/tandem/view"
	"github.com/tandem-go/tandem/worker"
)

// started is when /bytes was last changed.
var started = time.Now().Truncate(time.Second)

// ReadLimit is that of /ws, in bytes.
const ReadLimit = 16 << 20

// App is what is served: a view for everything that a protocol can do.
func App() *view.App {
	app := view.New()
	app.Routes(
		view.Path("GET /ws", view.WebSocket(echoMessages, view.Deflate(), view.ReadLimit(ReadLimit))),
		view.Path("GET /ws/plain", view.WebSocket(echoMessages)), // the defaults
		view.Path("/echo", echo, view.MaxBody(64<<20)),
		view.Path("/seen", seen),
		view.Path("POST /duplex", duplex, view.MaxBody(64<<20)),
		view.Path("POST /trailers", trailers),
		view.Path("GET /events", events),
		view.Path("GET /stream/{n}", stream),
		view.Path("GET /bytes/{n}", bytes),
		view.Path("GET /until-drain", untilDrain),
		view.Path("/stubborn", stubborn),
		view.Path("GET /goroutines", goroutines),
		view.Path("/refuse", refuse),
		view.Path("/hints", hints),
		view.Path("/hints/sync", syncHints),
		view.Path("POST /forbidden", forbidden, view.With(view.Phases(turnAway, nil))),
		view.Path("POST /unread", func(context.Context, *view.Request) (view.Response, error) { return view.Text("unread"), nil }),
		view.Path("POST /small", forbidden, view.MaxBody(1)),
		view.Path("GET /page", page),
	)
	return app
}

func echoMessages(ctx context.Context, c *view.Conn) error {
	for {
		kind, message, err := c.Read(ctx)
		if err != nil {
			return err
		}
		if err := c.Write(ctx, kind, message); err != nil {
			return err
		}
	}
}

// echo answers with the body.
func echo(_ context.Context, r *view.Request) (view.Response, error) {
	b, err := io.ReadAll(r.Body())
	return view.Bytes("", b), err
}

// seen says what the view has seen of the request.
func seen(_ context.Context, r *view.Request) (view.Response, error) {
	n, err := io.Copy(io.Discard, r.Body())
	tls := ""
	if s := r.TLS(); s != nil {
		tls = s.NegotiatedProtocol
	}
	return view.JSON(map[string]any{"method": r.Method(), "proto": r.Proto(), "alpn": tls, "length": n, "trailer": r.Trailer()}), err
}

// duplex answers each piece of the body as it comes.
func duplex(_ context.Context, r *view.Request) (view.Response, error) {
	return view.FullDuplex(view.Stream(func(yield func([]byte, error) bool) {
		b := make([]byte, 32<<10)
		for {
			n, err := r.Body().Read(b)
			if n > 0 && !yield(b[:n], nil) || errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				yield(nil, err)
				return
			}
		}
	})), nil
}

// trailers sends the request's trailer back as its own.
func trailers(_ context.Context, r *view.Request) (view.Response, error) {
	return view.WithTrailer(view.FullDuplex(view.Stream(func(yield func([]byte, error) bool) {
		b, err := io.ReadAll(r.Body())
		yield(b, err)
	})), func() http.Header {
		return http.Header{"X-Sum": r.Trailer().Values("X-Sum"), "X-Unannounced": {"no"}}
	}, "X-Sum"), nil
}

// events begins behind Last-Event-Id and goes on until the drain, n events at a time: the
// client comes back for the next.
func events(ctx context.Context, r *view.Request) (view.Response, error) {
	last, _ := strconv.Atoi(r.LastEventID()) // none is 0
	n, err := strconv.Atoi(r.Query().Get("n"))
	if err != nil {
		return nil, &view.Error{Status: http.StatusBadRequest, Message: "n: how many events"}
	}
	return view.Events(func(yield func(view.Event, error) bool) {
		for id := last + 1; id <= last+n; id++ {
			if !yield(view.Event{ID: strconv.Itoa(id), Data: fmt.Sprint("event ", id)}, nil) {
				return
			}
		}
		if r.Query().Has("hold") {
			<-ctx.Done()
		}
	}, view.Reconnect(1)), nil
}

// chunks are n of 1 KiB, the i-th of them in letters of its own.
func chunks(n int) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for i := range n {
			if !yield([]byte(strings.Repeat(string(rune('a'+i%26)), 1<<10)), nil) {
				return
			}
		}
	}
}

func stream(_ context.Context, r *view.Request) (view.Response, error) {
	n, err := strconv.Atoi(r.PathValue("n"))
	if err != nil {
		return nil, &view.Error{Status: http.StatusBadRequest, Message: "how many chunks"}
	}
	return view.Stream(chunks(n)), nil
}

func bytes(_ context.Context, r *view.Request) (view.Response, error) {
	n, err := strconv.Atoi(r.PathValue("n"))
	if err != nil || n < 0 || n > 64<<20 {
		return nil, &view.Error{Status: http.StatusBadRequest, Message: "how many bytes"}
	}
	return view.HTTP(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// With ranges and a length.
		http.ServeContent(w, r, "bytes.txt", started, strings.NewReader(strings.Repeat("0123456789abcdef", n/16+1)[:n]))
	})), nil
}

// untilDrain is an answer that begins at once and ends when the worker drains.
func untilDrain(ctx context.Context, _ *view.Request) (view.Response, error) {
	return view.Stream(func(yield func([]byte, error) bool) {
		if yield([]byte("begun,"), nil) {
			<-worker.Draining(ctx)
			yield([]byte("finished"), nil)
		}
	}), nil
}

// stubborn heeds nothing but the drain.
func stubborn(ctx context.Context, _ *view.Request) (view.Response, error) {
	<-worker.Draining(ctx)
	return view.NoContent(), nil
}

// goroutines says how many there are.
func goroutines(context.Context, *view.Request) (view.Response, error) {
	return view.Text(strconv.Itoa(runtime.NumGoroutine())), nil
}

// refuse answers before it has seen any of the body.
func refuse(context.Context, *view.Request) (view.Response, error) {
	return nil, &view.Error{Status: http.StatusForbidden, Message: "not you"}
}

//go:embed page.html
var html string

func page(context.Context, *view.Request) (view.Response, error) { return view.HTML(html), nil }

// Hints are what /hints tells before its answer.
var Hints = []string{"</style.css>; rel=preload; as=style", "<https://cdn.example.com>; rel=preconnect"}

// hints tells them one by one, when the answer's header has something in it.
func hints(ctx context.Context, r *view.Request) (view.Response, error) {
	for _, link := range Hints {
		if err := r.EarlyHints(ctx, link); err != nil {
			return nil, err
		}
	}
	return view.WithHeader(view.Text("answer"), "X-Of-Answer", "yes"), nil
}

// syncHints tells them from sync code, which holds no permit meanwhile.
func syncHints(r *view.Request) (view.Response, error) {
	return bridge.Await(r, func(ctx context.Context) (view.Response, error) { return hints(ctx, r) })
}

// turnAway answers before the body of a sync view is read ahead.
func turnAway(*view.Request) (view.Response, error) {
	return nil, view.Errorf(http.StatusUnauthorized, "who are you?")
}

func forbidden(*view.Request) (view.Response, error) {
	return nil, errors.New("it has run")
}
