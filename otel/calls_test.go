package otel_test

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	oteltrace "go.opentelemetry.io/otel/trace"

	"github.com/tandem-go/tandem/orm"
	"github.com/tandem-go/tandem/otel"
	"github.com/tandem-go/tandem/trace"
	"github.com/tandem-go/tandem/view"
)

// below is a context of a span that is recorded.
func (b *bench) below(t *testing.T) context.Context {
	provider := sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.AlwaysSample()))
	ctx, span := provider.Tracer("test").Start(t.Context(), "job")
	t.Cleanup(func() { span.End() })
	return ctx
}

func TestStatementsAreNamedByVerbAndTable(t *testing.T) {
	b := newBench(t, sdktrace.AlwaysSample())
	ctx, posts := b.below(t), orm.For[Post](b.db)
	for name, run := range map[string]func() error{
		"SELECT posts": func() error { _, err := posts.Count(ctx); return err },
		"INSERT posts": func() error { return posts.Create(ctx, &Post{Title: "hush"}) },
		"UPDATE posts": func() error { _, err := posts.Filter("id = ?", 1).Update(ctx, orm.Set("title", "hush")); return err },
		"DELETE posts": func() error { _, err := posts.Filter("id > ?", 1).Delete(ctx); return err },
	} {
		if err := run(); err != nil {
			t.Fatal(err)
		}
		spans := b.take()
		if s, ok := spans[name]; !ok || len(spans) != 1 || s.EndTime.Before(s.StartTime) || s.Parent.SpanID() != oteltrace.SpanContextFromContext(ctx).SpanID() {
			t.Errorf("%s: spans %v", name, spans)
		}
	}
	if err := orm.AtomicAsync(ctx, b.db, func(context.Context, *orm.Tx) error { return nil }); err != nil {
		t.Fatal(err)
	}
	spans := b.take()
	if _, begun := spans["BEGIN"]; !begun || len(spans) != 2 {
		t.Errorf("spans %v", spans)
	}
	if _, committed := spans["COMMIT"]; !committed {
		t.Errorf("spans %v", spans)
	}
}

func TestAStatementThatFailsSaysWhyInAWord(t *testing.T) {
	b := newBench(t, sdktrace.AlwaysSample())
	ctx, posts := b.below(t), orm.For[Post](b.db)
	if err := posts.Create(ctx, &Post{ID: 1, Title: "hush"}); !errors.Is(err, orm.ErrUnique) {
		t.Fatal(err)
	}
	s := b.take()["INSERT posts"]
	if kind := attr(s, "error.type"); kind == "" || strings.Contains(kind, "hush") || s.Status.Code != codes.Error || s.Status.Description != "" {
		t.Errorf("%v %q", s.Status, kind)
	}
	ended, end := context.WithCancel(ctx)
	end()
	if _, err := posts.List(ended); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	check(t, b.take()["SELECT posts"], map[string]string{"error.type": "canceled"})
}

func TestWhatRunsBelowNoSpanIsCountedOnly(t *testing.T) {
	b := newBench(t, sdktrace.AlwaysSample())
	if _, err := orm.For[Post](b.db).Count(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := b.ask(t.Context(), "/"); err != nil || b.asked["Traceparent"] != nil {
		t.Errorf("%v, %v", b.asked, err)
	}
	if err := b.ask(trace.NewContext(t.Context(), trace.New()), "/"); err != nil || b.asked["Traceparent"] == nil {
		t.Errorf("%v, %v", b.asked, err)
	}
	if spans := b.take(); len(spans) != 0 {
		t.Errorf("spans %v", spans)
	}
	if got := b.histogram("db.client.operation.duration", "db.operation.name", "db.collection.name"); !maps.Equal(got, map[string]uint64{"SELECT|posts|": 1}) {
		t.Error(got)
	}
	if got := b.histogram("http.client.request.duration", "http.request.method", "http.response.status_code"); !maps.Equal(got, map[string]uint64{"GET|200|": 2}) {
		t.Error(got)
	}
}

func TestHowACallEndsIsInItsSpan(t *testing.T) {
	b := newBench(t, sdktrace.AlwaysSample())
	ctx := b.below(t)
	if err := b.ask(ctx, "/broken"); err != nil {
		t.Fatal(err)
	}
	s := b.take()["GET"]
	check(t, s, map[string]string{"http.response.status_code": "502", "error.type": "502"})
	if s.Status.Code != codes.Error {
		t.Error(s.Status)
	}
	b.client.CloseIdleConnections()
	b.other.Close()
	if err := b.ask(ctx, "/"); err == nil {
		t.Fatal("nobody is there, and has answered")
	}
	s = b.take()["GET"]
	check(t, s, map[string]string{"http.response.status_code": "", "error.type": "syscall.Errno"})
	if s.Status.Code != codes.Error || s.Status.Description != "" {
		t.Error(s.Status)
	}
}

// A nil Telemetry is none: traces are carried as without it.
func TestWithoutAnExporterTracesAreCarriedAndNothingElse(t *testing.T) {
	setEnv(t, nil)
	telemetry, err := otel.FromEnv(t.Context())
	if telemetry != nil || err != nil {
		t.Fatalf("%v, %v", telemetry, err)
	}
	db, err := orm.Open(t.Context(), filepath.Join(t.TempDir(), "test.db"), telemetry.Statements())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var sent http.Header
	client := &http.Client{Transport: telemetry.Transport(roundTripper(func(r *http.Request) (*http.Response, error) {
		sent = r.Header
		return nil, errors.New("nobody there")
	}))}
	app := view.New(telemetry.Requests())
	app.Routes(view.Path("/", func(ctx context.Context, r *view.Request) (view.Response, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://other/", nil)
		if err == nil {
			if resp, failed := client.Do(req); failed == nil {
				_ = resp.Body.Close()
			}
		}
		return view.Text(trace.Of(r).TraceID.String()), err
	}))
	r, w := httptest.NewRequest("GET", "/", nil), httptest.NewRecorder()
	r.Header.Set("Traceparent", "00-"+theirTrace+"-"+theirSpan+"-01")
	if app.ServeHTTP(w, r); w.Body.String() != theirTrace || !strings.HasPrefix(sent.Get("Traceparent"), "00-"+theirTrace+"-") {
		t.Errorf("%s, asked with %v", w.Body, sent)
	}
	if err := telemetry.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
