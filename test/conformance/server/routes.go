package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strconv"
	"time"

	"github.com/tandem-go/tandem/middleware"
	"github.com/tandem-go/tandem/view"
)

const (
	maxBody   = 1 << 30 // of a request: a case sends the length of a gigabyte, none of the body, and expects no 413
	maxBytes  = 1 << 30 // of /bytes/N
	maxEvents = 1_000_000
	maxWait   = 10 * time.Minute
)

func application() *view.App {
	app := view.New(view.RawPaths(), view.BodyLimit(maxBody))
	app.Use(middleware.RequestID(), middleware.Timing())
	app.Routes(
		view.Path("/", echo),
		view.Path("GET /ws", view.WebSocket(talk, view.ReadLimit(16<<20), view.Deflate())),
		view.Path("GET /sse", events),
		view.Path("GET /bytes/{n}", octets),
		view.Path("GET /sleep/{ms}", sleep),
	)
	return app
}

// echoed is what arrived.
type echoed struct {
	Method  string              `json:"method"`
	Target  string              `json:"target"` // as it was sent
	Query   string              `json:"query"`
	Headers map[string][]string `json:"headers"`
	Body    []byte              `json:"body_b64"`
	BodyLen int                 `json:"body_len"`
}

func echo(_ context.Context, r *view.Request) (view.Response, error) {
	body, err := io.ReadAll(r.Body()) // bounded by the app
	if err != nil {
		return nil, err // which knows its answer
	}
	headers := maps.Clone(r.Header())
	headers["Host"] = []string{r.Host()} // net/http keeps it apart
	return view.JSON(echoed{r.Method(), r.RequestURI(), r.URL().RawQuery, headers, body, len(body)}), nil
}

// talk sends every message back.
func talk(ctx context.Context, c *view.Conn) error {
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

// events are ?n=N events, ?ms=M milliseconds apart, after the last that the client has seen.
func events(ctx context.Context, r *view.Request) (view.Response, error) {
	n, err := number(r.Query().Get("n"), 10, maxEvents)
	if err != nil {
		return nil, err
	}
	ms, err := number(r.Query().Get("ms"), 0, int(maxWait/time.Millisecond))
	if err != nil {
		return nil, err
	}
	seen, err := number(r.LastEventID(), 0, maxEvents)
	if err != nil {
		return nil, err
	}
	return view.Events(func(yield func(view.Event, error) bool) {
		for i := seen + 1; i <= n; i++ {
			if i > seen+1 && !wait(ctx, ms) {
				return
			}
			if !yield(view.Event{ID: strconv.Itoa(i), Data: "event " + strconv.Itoa(i)}, nil) {
				return
			}
		}
	}), nil
}

// octets is a body of so many of them, never in memory as a whole.
func octets(_ context.Context, r *view.Request) (view.Response, error) {
	n, err := number(r.PathValue("n"), 0, maxBytes)
	if err != nil {
		return nil, err
	}
	piece := make([]byte, min(n, 32<<10))
	body := view.Stream(func(yield func([]byte, error) bool) {
		for left := n; left > 0; left -= len(piece) {
			if !yield(piece[:min(left, len(piece))], nil) {
				return
			}
		}
	})
	return view.WithHeader(view.WithHeader(body, "Content-Length", strconv.Itoa(n)), "Content-Type", "application/octet-stream"), nil
}

// sleep answers later, if the client is still there.
func sleep(ctx context.Context, r *view.Request) (view.Response, error) {
	ms, err := number(r.PathValue("ms"), 0, int(maxWait/time.Millisecond))
	if err != nil {
		return nil, err
	}
	if !wait(ctx, ms) {
		return nil, context.Cause(ctx)
	}
	return view.JSON(map[string]int{"slept_ms": ms}), nil
}

// number reads one from 0 to most; "" is the default.
func number(s string, unset, most int) (int, error) {
	if s == "" {
		return unset, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 || n > most {
		return 0, &view.Error{Status: http.StatusBadRequest, Message: fmt.Sprintf("%q is not a number from 0 to %d", s, most)}
	}
	return n, nil
}

// wait reports whether the time went by before ctx ended.
func wait(ctx context.Context, ms int) bool {
	timer := time.NewTimer(time.Duration(ms) * time.Millisecond)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
