package main

import (
	"cmp"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/tandem-go/tandem/bridge"
	"github.com/tandem-go/tandem/view"
	"github.com/tandem-go/tandem/worker"
)

// hello waits without holding a thread or a permit, and stops waiting when the client goes away.
func hello(ctx context.Context, _ *view.Request) (view.Response, error) {
	if err := wait(ctx, 100*time.Millisecond); err != nil {
		return nil, err
	}
	return view.JSON(map[string]string{"hello": "async"}), nil
}

func modern(context.Context, *view.Request) (view.Response, error) {
	return view.JSON(map[string]string{"hello": "async"}), nil
}

// classic takes no context: that makes it sync.
func classic(*view.Request) (view.Response, error) {
	return view.JSON(map[string]string{"hello": "sync"}), nil
}

// reportView calls sync code from async: the legacy function computes on a CPU permit while this view waits for it.
func reportView(cpu *bridge.Limiter) view.AsyncView {
	compute := bridge.SyncToAsync(legacyReport, bridge.On(cpu))
	return func(ctx context.Context, r *view.Request) (view.Response, error) {
		data, err := compute(ctx, r.User().ID)
		return view.JSON(data), err
	}
}

// query is what /search/ takes, and found what it answers.
type query struct {
	Q string `query:"q" maxLength:"200" doc:"what to look for in the titles; all of them without it" example:"tandem"`
}

type found struct {
	Q       string   `json:"q"`
	Results []string `json:"results" nullable:"false"`
}

// search calls async code from sync: the view's permit is given back while it waits.
func search(r *view.Request, in query) (found, error) {
	results, err := bridge.AsyncToSync(r, lookUp)(in.Q)
	return found{in.Q, results}, err
}

// busy computes, so its route has the option view.CPU: few may do so at once.
func busy(r *view.Request) (view.Response, error) {
	ms, err := number(r, "ms", 20, 0, 1000)
	if err != nil {
		return nil, err
	}
	kind := cmp.Or(r.Query().Get("work"), "hash")
	if works[kind] == nil {
		return nil, view.Errorf(http.StatusBadRequest, "work must be hash or json")
	}
	used, err := burn(time.Duration(ms)*time.Millisecond, works[kind]())
	return view.JSON(map[string]float64{"busy_ms": milliseconds(used)}), err
}

// echoed is what /echo/ answers.
type echoed struct {
	Method   string              `json:"method"`
	Target   string              `json:"target"` // as sent
	Query    string              `json:"query"`
	Headers  map[string][]string `json:"headers"`
	BodyB64  string              `json:"body_b64"`
	BodyLen  int                 `json:"body_len"`
	Protocol string              `json:"protocol"`
	Client   string              `json:"client"` // its address; behind proxies what those say that are trusted
	Scheme   string              `json:"scheme"` // what the client speaks
	Host     string              `json:"host"`
	Worker   uint64              `json:"worker"` // 0 when run alone
}

func echo(_ context.Context, r *view.Request) (view.Response, error) {
	body, err := io.ReadAll(r.Body()) // bounded by the app
	if err != nil {
		return nil, err // which knows its answer: 413, 408, 400
	}
	headers := maps.Clone(r.Header())
	headers["Host"] = []string{r.Host()} // net/http keeps it apart
	client, _, err := net.SplitHostPort(r.RemoteAddr())
	if err != nil {
		client = "" // a peer on a unix socket
	}
	return view.JSON(echoed{
		Method: r.Method(), Target: r.RequestURI(), Query: r.URL().RawQuery, Headers: headers,
		BodyB64: base64.StdEncoding.EncodeToString(body), BodyLen: len(body),
		Protocol: r.Proto(), Client: client, Scheme: r.Scheme(), Host: r.Host(), Worker: worker.Self().ID,
	}), nil
}

// stream sends its chunks one by one. The sequence runs after the view has returned; the response flushes each chunk.
func stream(ctx context.Context, r *view.Request) (view.Response, error) {
	n, err := number(r, "n", 10, 1, 1000)
	if err != nil {
		return nil, err
	}
	ms, err := number(r, "ms", 100, 0, 10_000)
	if err != nil {
		return nil, err
	}
	chunks := func(yield func([]byte, error) bool) {
		for i := range n {
			if i > 0 {
				if err := wait(ctx, time.Duration(ms)*time.Millisecond); err != nil {
					yield(nil, err)
					return
				}
			}
			if !yield(fmt.Appendf(nil, "chunk %d of %d\n", i+1, n), nil) {
				return
			}
		}
	}
	return view.WithHeader(view.Stream(chunks), "Content-Type", "text/plain; charset=utf-8"), nil
}

// events never ends of itself. When the worker drains its ctx ends, and the client's EventSource comes back by itself, to
// another worker, with the id of the last event it saw.
func events(ctx context.Context, r *view.Request) (view.Response, error) {
	id, _ := strconv.ParseUint(r.LastEventID(), 10, 64)
	return view.Events(func(yield func(view.Event, error) bool) {
		second := time.NewTicker(time.Second)
		defer second.Stop()
		for {
			id++
			event := view.Event{ID: strconv.FormatUint(id, 10), Data: fmt.Sprintf(`{"event":%d,"worker":%d}`, id, worker.Self().ID)}
			if !yield(event, nil) {
				return
			}
			select {
			case <-second.C:
			case <-ctx.Done():
				return
			}
		}
	}), nil
}

// webSocketEcho sends every message back, until the client goes or the worker drains.
func webSocketEcho(ctx context.Context, c *view.Conn) error {
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

func healthz(context.Context, *view.Request) (view.Response, error) {
	return view.Text("ok\n"), nil
}

// demoUser takes the user from the query. It is a demonstration: a real one looks at a session.
func demoUser(next view.AsyncView) view.AsyncView {
	return func(ctx context.Context, r *view.Request) (view.Response, error) {
		id, err := number(r, "user", 0, 0, 1_000_000)
		if err != nil {
			return nil, err
		}
		r.SetUser(view.User{ID: int64(id)})
		return next(ctx, r)
	}
}

// wait is a sleep that ctx can end.
func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
