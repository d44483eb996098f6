package trace_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/slogtest"

	"github.com/tandem-go/tandem/bridge"
	"github.com/tandem-go/tandem/trace"
	"github.com/tandem-go/tandem/view"
)

func TestWhoIsNotTrustedStartsATrace(t *testing.T) {
	relay := newRelay(t, trace.Trust(func(r *http.Request) bool { return r.Header.Get("From") == "ours" }))
	theirsAsSent := []string{"traceparent: 00-" + theirs + "-01", "tracestate: foo=1"}
	if c, state := relay.one(theirsAsSent...); c.TraceID.String() == theirTrace || c.Flags != trace.Random || state != nil {
		t.Errorf("%s %q", c.Traceparent(), state)
	}
	if c, state := relay.one(append(theirsAsSent, "From: ours")...); c.TraceID.String() != theirTrace || len(state) != 1 {
		t.Errorf("%s %q", c.Traceparent(), state)
	}
}

// A trace is found wherever code of a request runs, in both colours.
func TestATraceIsFoundInBothColours(t *testing.T) {
	var mu sync.Mutex // for the parts of the Gather
	want := ""
	check := func(where string, c trace.SpanContext) {
		mu.Lock()
		defer mu.Unlock()
		if got := c.TraceID.String(); got != theirTrace || want != "" && c.SpanID.String() != want {
			t.Errorf("%s: %s", where, c.Traceparent())
		}
		want = c.SpanID.String()
	}
	awaits := func(s bridge.Scoped, where string) error {
		_, err := bridge.Await(s, func(ctx context.Context) (none struct{}, _ error) {
			check(where, trace.FromContext(ctx))
			return none, nil
		})
		return err
	}
	app := view.New(trace.Requests())
	app.Use(view.Phases(func(r *view.Request) (view.Response, error) {
		check("phase", trace.Of(r))
		return nil, nil
	}, nil))
	classic := func(r *view.Request) (view.Response, error) {
		check("sync view", trace.Of(r))
		return view.NoContent(), awaits(r, "Await")
	}
	app.Routes(
		view.Path("/async", func(ctx context.Context, r *view.Request) (view.Response, error) {
			check("async view", trace.FromContext(ctx))
			_, _, err := bridge.Gather2(ctx,
				func(ctx context.Context) (none struct{}, _ error) {
					check("Gather", trace.FromContext(ctx))
					return none, nil
				},
				func(ctx context.Context) (struct{}, error) {
					return bridge.RunSyncScoped(ctx, func(s *bridge.Scope) (none struct{}, _ error) { return none, awaits(s, "sync in Gather") })
				})
			if err != nil {
				return nil, err
			}
			_, err = bridge.RunSyncScoped(ctx, func(s *bridge.Scope) (none struct{}, _ error) { return none, awaits(s, "CPU frame") }, bridge.On(r.Scope().Limits().CPU))
			return view.NoContent(), err
		}),
		view.Path("/sync", classic), view.Path("/cpu", classic, view.CPU()), view.Path("/pinned", classic, view.Pinned()),
		view.Path("/http", func(w http.ResponseWriter, r *http.Request) {
			check("net/http", trace.FromContext(r.Context()))
			w.WriteHeader(http.StatusNoContent)
		}),
		view.Path("/native", classic, view.With(view.Use(func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				check("net/http middleware", trace.FromContext(r.Context()))
				next.ServeHTTP(w, r)
			})
		}))),
	)
	for _, target := range []string{"/async", "/sync", "/cpu", "/pinned", "/http", "/native"} {
		want = ""
		r, w := httptest.NewRequest("GET", target, nil), httptest.NewRecorder()
		r.Header.Set("Traceparent", "00-"+theirs+"-01")
		app.ServeHTTP(w, r)
		if w.Code != http.StatusNoContent || want == theirSpan {
			t.Errorf("%s: %d %s", target, w.Code, w.Body)
		}
	}
}

func TestWhereThereIsNoTraceNothingIsCarried(t *testing.T) {
	if c := trace.FromContext(t.Context()); c.Valid() || c.Traceparent() != "" || !c.Attr().Equal(slog.Attr{}) {
		t.Errorf("%+v", c)
	}
	app := view.New()
	app.Routes(view.Path("/", func(r *view.Request) (view.Response, error) { return view.Text(trace.Of(r).Traceparent()), nil }))
	r, w := httptest.NewRequest("GET", "/", nil), httptest.NewRecorder()
	r.Header.Set("Traceparent", "00-"+theirs+"-01")
	if app.ServeHTTP(w, r); w.Body.Len() != 0 {
		t.Error(w.Body)
	}
	h := http.Header{"Traceparent": {"x"}, "Tracestate": {"y"}, "Accept": {"*/*"}}
	if (trace.SpanContext{}).Inject(h); len(h) != 1 {
		t.Error(h)
	}
}

// carried is a round tripper that keeps what it is given.
type carried struct {
	got  *http.Request
	shut bool
}

func (c *carried) RoundTrip(r *http.Request) (*http.Response, error) {
	c.got = r
	return nil, errors.New("nobody there")
}
func (c *carried) CloseIdleConnections() { c.shut = true }

func TestARequestThatIsSentIsNotChanged(t *testing.T) {
	for _, header := range []http.Header{nil, {"Traceparent": {"old"}, "Tracestate": {"old=1"}}} {
		next := new(carried)
		transport := trace.Transport(next)
		c := trace.New()
		r := (&http.Request{Header: header}).WithContext(trace.NewContext(t.Context(), c))
		_, _ = transport.RoundTrip(r)
		sent, err := trace.Extract(next.got.Header)
		if err != nil || sent.TraceID != c.TraceID || sent.SpanID == c.SpanID || next.got.Header["Tracestate"] != nil {
			t.Errorf("%v: %v", next.got.Header, err)
		}
		if header != nil && r.Header.Get("Traceparent") != "old" {
			t.Error("the caller's header was changed")
		}
		bare := &http.Request{Header: header}
		_, _ = transport.RoundTrip(bare)
		if next.got != bare {
			t.Error("a request without a trace is another one now")
		}
		(&http.Client{Transport: transport}).CloseIdleConnections()
		if !next.shut {
			t.Error("idle connections were not closed")
		}
	}
	(&http.Client{Transport: trace.Transport(struct{ http.RoundTripper }{new(carried)})}).CloseIdleConnections()
}

func TestRecordsHaveTheTraceOfTheirContext(t *testing.T) {
	c, err := trace.ParseTraceparent("00-" + theirs + "-01")
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	root := slog.New(trace.LogHandler(slog.NewJSONHandler(&out, &slog.HandlerOptions{
		Level:       slog.LevelWarn,
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr { return leftOut(groups, a, slog.TimeKey, slog.LevelKey) },
	})))
	const ids = `"trace_id":"` + theirTrace + `","span_id":"` + theirSpan + `"`
	ctx := trace.NewContext(t.Context(), c)
	grouped := root.With("a", 1).WithGroup("g").With("b", 2).WithGroup("h")
	root.InfoContext(ctx, "below the level")
	root.WarnContext(ctx, "one", "x", 1)
	root.With("a", 1).WarnContext(ctx, "two")
	grouped.WarnContext(ctx, "three", "c", 3)
	root.WithGroup("").WarnContext(ctx, "four")
	root.WarnContext(t.Context(), "five")
	grouped.Warn("six", "c", 3)
	root.Warn("seven", c.Attr())
	want := `{"msg":"one","x":1,` + ids + `}
{"msg":"two","a":1,` + ids + `}
{"msg":"three","a":1,` + ids + `,"g":{"b":2,"h":{"c":3}}}
{"msg":"four",` + ids + `}
{"msg":"five"}
{"msg":"six","a":1,"g":{"b":2,"h":{"c":3}}}
{"msg":"seven",` + ids + `}
`
	if got := out.String(); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
}

func leftOut(groups []string, a slog.Attr, keys ...string) slog.Attr {
	for _, key := range keys {
		if len(groups) == 0 && a.Key == key {
			return slog.Attr{}
		}
	}
	return a
}

func TestTheLogHandlerIsAHandler(t *testing.T) {
	var out bytes.Buffer
	slogtest.Run(t, func(*testing.T) slog.Handler {
		out.Reset()
		return trace.LogHandler(slog.NewJSONHandler(&out, nil))
	}, func(t *testing.T) map[string]any {
		var m map[string]any
		if err := json.Unmarshal(out.Bytes(), &m); err != nil {
			t.Fatal(err)
		}
		return m
	})
}

func TestErrorsHaveNothingOfWhatWasSent(t *testing.T) {
	for _, s := range []string{"", "hush", "ff-hush", "00-hush" + strings.Repeat("h", 48), "00-" + theirTrace + "-hush" + strings.Repeat("h", 15), "00-" + theirs + "-hu"} {
		if c, err := trace.ParseTraceparent(s); err == nil || strings.Contains(err.Error(), "hu") || c != (trace.SpanContext{}) {
			t.Errorf("%q: %+v, %v", s, c, err)
		}
	}
	for _, s := range []string{"hush", "hush=hu=sh", "hush=\x7f"} {
		if state, err := trace.ParseTracestate(s); err == nil || strings.Contains(err.Error(), "hu") || state != "" {
			t.Errorf("%q: %q, %v", s, state, err)
		}
	}
}

func BenchmarkRequests(b *testing.B) {
	for name, opts := range map[string][]view.Option{"without": nil, "with": {trace.Requests()}} {
		b.Run(name, func(b *testing.B) {
			app := view.New(append(opts, view.Logger(slog.New(slog.DiscardHandler)))...)
			app.Routes(view.Path("/", func(context.Context, *view.Request) (view.Response, error) { return view.NoContent(), nil }))
			r, w := httptest.NewRequest("GET", "/", nil), discard{}
			r.Header.Set("Traceparent", "00-"+theirs+"-01")
			b.ReportAllocs()
			for b.Loop() {
				app.ServeHTTP(w, r)
			}
		})
	}
}

type discard struct{}

func (discard) Header() http.Header         { return http.Header{} }
func (discard) WriteHeader(int)             {}
func (discard) Write(b []byte) (int, error) { return io.Discard.Write(b) }
