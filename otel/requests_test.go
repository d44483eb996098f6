package otel_test

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	oteltrace "go.opentelemetry.io/otel/trace"

	"github.com/tandem-go/tandem/bridge"
	"github.com/tandem-go/tandem/orm"
	"github.com/tandem-go/tandem/trace"
	"github.com/tandem-go/tandem/view"
)

func TestARequestIsASpanWithWhatItDidBelowIt(t *testing.T) {
	b := newBench(t, sdktrace.AlwaysSample())
	posts := orm.For[Post](b.db)
	own := oteltrace.SpanContext{}
	b.Routes(
		view.Path("GET /async/{id}/{$}", func(ctx context.Context, _ *view.Request) (view.Response, error) {
			own = oteltrace.SpanContextFromContext(ctx)
			_, err := posts.Filter("title = ?", "hush").List(ctx)
			return view.Text("done"), errors.Join(err, b.ask(ctx, "/news?token=hush"))
		}),
		view.Path("GET /sync/{id}/{$}", func(r *view.Request) (view.Response, error) {
			_, err := posts.Filter("title = ?", "hush").Sync(r).List()
			_, asked := bridge.Await(r, func(ctx context.Context) (none struct{}, _ error) {
				own = oteltrace.SpanContextFromContext(ctx)
				return none, b.ask(ctx, "/news?token=hush")
			})
			return view.Text("done"), errors.Join(err, asked)
		}),
	)
	for colour, crossings := range map[string]string{"async": "0", "sync": "1"} {
		b.lines = nil
		b.do("GET", "/"+colour+"/7/?q=hush", "Traceparent", "00-"+theirTrace+"-"+theirSpan+"-01", "Tracestate", "congo=t61", "User-Agent", "test")
		spans := b.take()
		request, statement, call := spans["GET /"+colour+"/{id}/"], spans["SELECT posts"], spans["GET"]
		if len(spans) != 3 || request.SpanKind != oteltrace.SpanKindServer || statement.SpanKind != oteltrace.SpanKindClient || call.SpanKind != oteltrace.SpanKindClient {
			t.Fatalf("%s: spans %v", colour, spans)
		}
		if request.Parent.SpanID().String() != theirSpan || !request.Parent.IsRemote() || !request.SpanContext.Equal(own) {
			t.Errorf("%s: the request's parent is %v", colour, request.Parent)
		}
		for name, s := range spans {
			if s.SpanContext.TraceID().String() != theirTrace || s.SpanContext.TraceState().String() != "congo=t61" {
				t.Errorf("%s: %s is in the trace %v", colour, name, s.SpanContext)
			}
			if s.Status.Code != codes.Unset {
				t.Errorf("%s: %s: %v", colour, name, s.Status)
			}
			if text, err := json.Marshal(s); err != nil || strings.Contains(string(text), "hush") {
				t.Errorf("%s: %s has a value in it: %s, %v", colour, name, text, err)
			}
		}
		for _, child := range []tracetest.SpanStub{statement, call} {
			if child.Parent.SpanID() != request.SpanContext.SpanID() || child.StartTime.Before(request.StartTime) || child.EndTime.After(request.EndTime) {
				t.Errorf("%s: %s is not below the request", colour, child.Name)
			}
		}
		check(t, request, map[string]string{
			"http.request.method": "GET", "http.route": "/" + colour + "/{id}/", "url.path": "/" + colour + "/7/", "url.scheme": "http",
			"http.response.status_code": "200", "http.response.body.size": "4", "network.protocol.version": "1.1", "server.address": "example.com",
			"client.address": "192.0.2.1", "user_agent.original": "test", "error.type": "", "url.query": "",
			"tandem.colour": colour, "tandem.crossings": crossings, "tandem.queries": "1", "tandem.queue_wait": "0",
		})
		check(t, statement, map[string]string{
			"db.system.name": "sqlite", "db.operation.name": "SELECT", "db.collection.name": "posts", "db.response.returned_rows": "1", "error.type": "",
		})
		if text := attr(statement, "db.query.text"); !strings.HasPrefix(text, "SELECT ") || !strings.Contains(text, `"title" = `) {
			t.Errorf("%s: %q", colour, text)
		}
		check(t, call, map[string]string{
			"http.request.method": "GET", "url.full": b.other.URL + "/news", "server.address": "127.0.0.1", "http.response.status_code": "200", "error.type": "",
		})
		sent, err := trace.Extract(b.asked)
		if err != nil || sent.SpanID.String() != call.SpanContext.SpanID().String() || sent.TraceID.String() != theirTrace || sent.Flags != trace.Sampled || sent.State != "congo=t61" {
			t.Errorf("%s: asked with %+v, %v", colour, sent, err)
		}
		if line := strings.Join(b.lines, ""); !strings.Contains(line, `"trace_id":"`+theirTrace+`","span_id":"`+request.SpanContext.SpanID().String()+`"`) {
			t.Errorf("%s: the access log has %s", colour, line)
		}
	}
}

func check(t *testing.T, s tracetest.SpanStub, want map[string]string) {
	t.Helper()
	for key, value := range want {
		if got := attr(s, key); got != value {
			t.Errorf("%s: %s is %q, want %q", s.Name, key, got, value)
		}
	}
}

func TestHowARequestEndsIsInItsSpanAndItsMetrics(t *testing.T) {
	b := newBench(t, sdktrace.AlwaysSample())
	b.Routes(
		view.Path("GET /ok", func(context.Context, *view.Request) (view.Response, error) { return view.NoContent(), nil }),
		view.Path("GET /missing/{x}", func(*view.Request) (view.Response, error) { return nil, view.Errorf(404, "hush") }),
		view.Path("GET /error", func(*view.Request) (view.Response, error) { return nil, errors.New("hush") }),
		view.Path("GET /panic", func(*view.Request) (view.Response, error) { panic("hush") }),
		view.Path("GET /busy", func(context.Context, *view.Request) (view.Response, error) { return nil, bridge.ErrSaturated }),
		view.Path("GET /abort", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }),
		view.Path("GET /half", func(context.Context, *view.Request) (view.Response, error) {
			return view.Stream(func(yield func([]byte, error) bool) {
				if yield([]byte("half"), nil) {
					yield(nil, errors.New("hush"))
				}
			}), nil
		}),
	)
	for _, test := range []struct{ method, target, name, status, kind string }{
		{"GET", "/ok", "GET /ok", "204", ""},
		{"HEAD", "/ok", "HEAD /ok", "204", ""},
		{"GET", "/missing/1", "GET /missing/{x}", "404", ""},
		{"GET", "/nowhere", "GET", "404", ""},
		{"POST", "/ok", "POST", "405", ""},
		{"BREW", "/ok", "HTTP", "405", ""},
		{"GET", "/error", "GET /error", "500", "500"},
		{"GET", "/panic", "GET /panic", "500", "panic"},
		{"GET", "/busy", "GET /busy", "503", "503"},
		{"GET", "/abort", "GET /abort", "", "cut"},
		{"GET", "/half", "GET /half", "200", "cut"},
	} {
		b.do(test.method, test.target)
		spans := b.take()
		s, ok := spans[test.name]
		if !ok || len(spans) != 1 {
			t.Fatalf("%s %s: spans %v", test.method, test.target, spans)
		}
		check(t, s, map[string]string{"http.response.status_code": test.status, "error.type": test.kind})
		if (s.Status.Code == codes.Error) != (test.kind != "") || s.Status.Description != "" {
			t.Errorf("%s: status %v", test.target, s.Status)
		}
		if s.Parent.IsValid() || !s.SpanContext.IsSampled() {
			t.Errorf("%s: %v", test.target, s.SpanContext)
		}
		if test.method == "BREW" {
			check(t, s, map[string]string{"http.request.method": "_OTHER", "http.request.method_original": "BREW"})
		}
	}
	want := map[string]uint64{
		"GET|/ok|204||": 1, "HEAD|/ok|204||": 1, "GET|/missing/{x}|404||": 1, "GET||404||": 1, "POST||405||": 1, "_OTHER||405||": 1, "GET|/error|500|500|": 1,
		"GET|/panic|500|panic|": 1, "GET|/busy|503|503|": 1, "GET|/abort||cut|": 1, "GET|/half|200|cut|": 1,
	}
	if got := b.histogram("http.server.request.duration", "http.request.method", "http.route", "http.response.status_code", "error.type"); !maps.Equal(got, want) {
		t.Errorf("measured %v\nwant %v", got, want)
	}
	waited := map[string]uint64{"/missing/{x}|": 1, "/error|": 1, "/panic|": 1}
	if got := b.histogram("tandem.server.request.queue_wait", "http.route"); !maps.Equal(got, waited) {
		t.Errorf("measured %v\nwant %v", got, waited)
	}
	active, ok := b.metric("http.server.active_requests").(metricdata.Sum[int64])
	if !ok || len(active.DataPoints) == 0 {
		t.Fatalf("%T", b.metric("http.server.active_requests"))
	}
	for _, point := range active.DataPoints {
		if point.Value != 0 {
			t.Errorf("%v are active", point)
		}
	}
}

func TestAClientThatHasLeftIsNobodysFault(t *testing.T) {
	b := newBench(t, sdktrace.AlwaysSample())
	ctx, leave := context.WithCancel(t.Context())
	b.Routes(view.Path("/", func(ctx context.Context, _ *view.Request) (view.Response, error) {
		leave()
		<-ctx.Done()
		return nil, ctx.Err()
	}))
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "/", nil)
	if err != nil {
		t.Fatal(err)
	}
	b.ServeHTTP(nowhere{}, r)
	s := b.take()["GET /"]
	check(t, s, map[string]string{"http.response.status_code": "", "error.type": "client_gone"})
	if s.Status.Code != codes.Unset {
		t.Error(s.Status)
	}
}

type nowhere struct{}

func (nowhere) Header() http.Header         { return http.Header{} }
func (nowhere) WriteHeader(int)             {}
func (nowhere) Write(b []byte) (int, error) { return len(b), nil }

// What is not sampled is carried, counted and not recorded.
func TestWhatIsNotSampledIsCarriedAllTheSame(t *testing.T) {
	b := newBench(t, sdktrace.ParentBased(sdktrace.NeverSample()))
	posts := orm.For[Post](b.db)
	b.Routes(view.Path("/", func(ctx context.Context, _ *view.Request) (view.Response, error) {
		_, err := posts.List(ctx)
		return view.NoContent(), errors.Join(err, b.ask(ctx, "/"))
	}))
	var asked [2]trace.SpanContext
	for i, header := range [][]string{nil, {"Traceparent", "00-" + theirTrace + "-" + theirSpan + "-00"}} {
		b.do("GET", "/", header...)
		var err error
		if asked[i], err = trace.Extract(b.asked); err != nil || asked[i].Flags&trace.Sampled != 0 || asked[i].SpanID.String() == theirSpan {
			t.Errorf("asked with %+v, %v", asked[i], err)
		}
	}
	if asked[0].TraceID == asked[1].TraceID || asked[1].TraceID.String() != theirTrace {
		t.Errorf("%+v", asked)
	}
	if spans := b.take(); len(spans) != 0 {
		t.Errorf("recorded %v", spans)
	}
	for name, want := range map[string]uint64{"http.server.request.duration": 2, "db.client.operation.duration": 2, "http.client.request.duration": 2} {
		if got := b.histogram(name)[""]; got != want {
			t.Errorf("%s: %d, want %d", name, got, want)
		}
	}
	b.do("GET", "/", "Traceparent", "00-"+theirTrace+"-"+theirSpan+"-01") // its caller has decided
	if spans := b.take(); len(spans) != 3 {
		t.Errorf("recorded %v", spans)
	}
}
