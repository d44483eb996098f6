package trace_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"go.uber.org/goleak"

	"github.com/tandem-go/tandem/trace"
	"github.com/tandem-go/tandem/view"
)

// Threads of the CPU limiter rest for some seconds before they end.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/tandem-go/tandem/bridge.(*thread).loop"))
}

// relay is a service with an app in front of another, as W3C's test suite wants it: a
// request makes the app ask the other one, which keeps the headers that it gets.
type relay struct {
	t     *testing.T
	addr  string
	calls int // per request
	got   chan http.Header
}

func newRelay(t *testing.T, opts ...trace.Option) *relay {
	r := &relay{t: t, calls: 1, got: make(chan http.Header, 8)}
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, hr *http.Request) { r.got <- hr.Header }))
	t.Cleanup(other.Close)
	client := &http.Client{Transport: trace.Transport(other.Client().Transport)}
	app := view.New(trace.Requests(opts...), view.Logger(slog.New(slog.DiscardHandler)))
	app.Routes(view.Path("/", func(ctx context.Context, _ *view.Request) (view.Response, error) {
		for range r.calls {
			if err := ask(ctx, client, other.URL); err != nil {
				return nil, err
			}
		}
		return view.NoContent(), nil
	}))
	server := httptest.NewServer(app)
	t.Cleanup(server.Close)
	r.addr = server.Listener.Addr().String()
	return r
}

// ask makes a request that has a trace of its own making already.
func ask(ctx context.Context, client *http.Client, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Traceparent", "stale")
	req.Header.Set("Tracestate", "stale=1")
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// send sends a request with these header lines, as they are, and returns what the
// other service got.
func (r *relay) send(lines ...string) []http.Header {
	r.t.Helper()
	conn, err := (&net.Dialer{}).DialContext(r.t.Context(), "tcp", r.addr)
	if err != nil {
		r.t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: relay\r\n")
	for _, line := range lines {
		fmt.Fprint(conn, line, "\r\n")
	}
	fmt.Fprint(conn, "\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		r.t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	if resp.StatusCode != http.StatusNoContent {
		r.t.Fatalf("%q: %s", lines, resp.Status)
	}
	all := make([]http.Header, r.calls)
	for i := range all {
		all[i] = <-r.got
	}
	return all
}

// one sends a request and returns the place in a trace that the other service was
// given, which must be a right one, with the tracestate as it came.
func (r *relay) one(lines ...string) (c trace.SpanContext, state []string) {
	r.t.Helper()
	h := r.send(lines...)[0]
	if len(h["Traceparent"]) != 1 {
		r.t.Fatalf("%q: traceparent %q", lines, h["Traceparent"])
	}
	c, err := trace.ParseTraceparent(h.Get("Traceparent"))
	if err != nil || len(h.Get("Traceparent")) != 55 || h.Get("Traceparent")[:3] != "00-" {
		r.t.Fatalf("%q: traceparent %q: %v", lines, h["Traceparent"], err)
	}
	return c, h["Tracestate"]
}
