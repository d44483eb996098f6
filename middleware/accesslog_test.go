package middleware_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-go/tandem/bridge"
	"github.com/tandem-go/tandem/internal/tally"
	"github.com/tandem-go/tandem/middleware"
	"github.com/tandem-go/tandem/trace"
	"github.com/tandem-go/tandem/view"
)

// lines takes lines, each of which must come in one piece.
type lines struct {
	t   *testing.T
	all []string
	err error
}

func (l *lines) Write(b []byte) (int, error) {
	if l.err != nil {
		return 0, l.err
	}
	if bytes.Count(b, []byte("\n")) != 1 || !bytes.HasSuffix(b, []byte("\n")) {
		l.t.Errorf("%q is not one line", b)
	}
	l.all = append(l.all, strings.TrimSuffix(string(b), "\n"))
	return len(b), nil
}

func logged(t *testing.T, l middleware.Log, routes ...view.Route) (*view.App, *lines) {
	out := &lines{t: t}
	app := view.New(middleware.AccessLog(out, l), view.Logger(slog.New(slog.DiscardHandler)),
		view.Limits(bridge.Limits{Blocking: bridge.NewLimiter(1)}))
	app.Routes(routes...)
	return app, out
}

func TestTheFormatsOfTheAccessLog(t *testing.T) {
	want := map[middleware.Format]string{
		middleware.Common: `192.0.2.1 - ada [DATE] "POST /orders/7?a=%20b HTTP/1.1" 201 4`,
		middleware.Combined: `192.0.2.1 - ada [DATE] "POST /orders/7?a=%20b HTTP/1.1" 201 4` +
			` "https://example.com/" "test \x22agent\x22 \xC3\xA9"`,
		middleware.JSON: `{"time":"DATE","msg":"request","client":"192.0.2.1","user":"ada","method":"POST","target":"/orders/7?a=%20b",` +
			`"protocol":"HTTP/1.1","scheme":"http","host":"example.com","status":201,"bytes":4,"received":3,"duration_ms":1.500,"first_byte_ms":1.500,"queue_ms":0.000,"crossings":1,"queries":2,"queries_ms":0.750,` +
			`"route":"POST /orders/{id}","colour":"sync","request_id":"abc","trace_id":"","span_id":"","referer":"https://example.com/","user_agent":"test \"agent\" é","worker":3}`,
	}
	dates := regexp.MustCompile(`\[\d\d/[A-Z][a-z][a-z]/2000:\d\d:\d\d:00 [+-]\d{4}\]|"2000-01-01T00:00:00Z"`)
	for format, line := range want {
		synctest.Test(t, func(t *testing.T) {
			app, out := logged(t, middleware.Log{Format: format, Worker: 3}, view.Path("POST /orders/{id}", func(r *view.Request) (view.Response, error) {
				r.SetUser(view.User{ID: 7, Name: "ada"})
				time.Sleep(1500 * time.Microsecond)
				_, _ = bridge.Await(r, func(ctx context.Context) (none struct{}, err error) {
					tally.Of(ctx).Add("SELECT 1", 250*time.Microsecond)
					tally.Of(ctx).Add("SELECT 2", 500*time.Microsecond)
					return none, nil
				})
				return view.WithStatus(view.Text("done"), 201), nil
			}))
			r := httptest.NewRequest("POST", "/orders/7?a=%20b", strings.NewReader("abc"))
			r.Header = http.Header{"Referer": {"https://example.com/"}, "User-Agent": {`test "agent" é`}, "X-Request-Id": {"abc"}}
			app.ServeHTTP(httptest.NewRecorder(), r)
			got := dates.ReplaceAllStringFunc(out.all[0], func(s string) string { return s[:1] + "DATE" + s[len(s)-1:] })
			if len(out.all) != 1 || got != line {
				t.Errorf("%d lines, the first\n%s\nwant\n%s", len(out.all), got, line)
			}
		})
	}
}

func TestWhatTheAccessLogHas(t *testing.T) {
	app, out := logged(t, middleware.Log{},
		view.Path("/ok", async),
		view.Path("/user", func(_ context.Context, r *view.Request) (view.Response, error) {
			r.SetUser(view.User{ID: 42})
			return view.NoContent(), nil
		}),
		view.Path("/panic", func(*view.Request) (view.Response, error) { panic("kaboom") }),
		view.Path("/abort", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }),
		view.Path("/cut", func(context.Context, *view.Request) (view.Response, error) {
			return view.Stream(func(yield func([]byte, error) bool) {
				if yield([]byte("half"), nil) {
					yield(nil, errors.New("lost"))
				}
			}), nil
		}),
	)
	tests := []struct{ method, target, want string }{
		{"GET", "/ok", `- - [] "GET /ok HTTP/1.1" 200 5`},
		{"HEAD", "/ok", `- - [] "HEAD /ok HTTP/1.1" 200 0`},
		{"GET", "/user", `- 42 [] "GET /user HTTP/1.1" 204 0`},
		{"GET", "/nowhere", `- - [] "GET /nowhere HTTP/1.1" 404 `},
		{"GET", "/panic", `- - [] "GET /panic HTTP/1.1" 500 `},
		{"GET", "/abort", `- - [] "GET /abort HTTP/1.1" 000 0`},
		{"GET", "/cut", `- - [] "GET /cut HTTP/1.1" 200 4`},
	}
	for i, test := range tests {
		func() {
			defer func() { _ = recover() }()
			do(app, test.method, test.target)
		}()
		if len(out.all) != i+1 {
			t.Fatalf("%d lines after %s", len(out.all), test.target)
		}
		got := regexp.MustCompile(`\[[^\]]*\]`).ReplaceAllString(out.all[i], "[]")
		if got = strings.TrimPrefix(got, "192.0.2.1 "); !strings.HasPrefix(got, test.want) {
			t.Errorf("%s\nwant %s", got, test.want)
		}
	}
}

func TestTheTraceIsInTheAccessLog(t *testing.T) {
	var out bytes.Buffer
	app := view.New(trace.Requests(), middleware.AccessLog(&out, middleware.Log{Format: middleware.JSON}), view.Logger(slog.New(slog.DiscardHandler)))
	app.Routes(view.Path("/a/", classic))
	for _, target := range []string{"/a/", "/nowhere", "/a"} { // the last one is ServeMux's own redirect
		out.Reset()
		do(app, "GET", target, "Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
		var got struct {
			Trace string `json:"trace_id"`
			Span  string `json:"span_id"`
		}
		if err := json.Unmarshal(out.Bytes(), &got); err != nil || got.Trace != "0af7651916cd43dd8448eb211c80319c" || len(got.Span) != 16 || got.Span == "b7ad6b7169203331" {
			t.Errorf("%s: %s, %v", target, &out, err)
		}
	}
}

func TestAClientThatLeavesIs499InTheAccessLog(t *testing.T) {
	app, out := logged(t, middleware.Log{Format: middleware.JSON}, view.Path("/", func(ctx context.Context, _ *view.Request) (view.Response, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}))
	ctx, leave := context.WithCancel(t.Context())
	leave()
	app.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, "GET", "/", nil))
	var got struct{ Status int }
	if err := json.Unmarshal([]byte(out.all[0]), &got); err != nil || got.Status != 499 {
		t.Errorf("%s: %v", out.all[0], err)
	}
}

func TestTheWaitForAPermitIsInTheAccessLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app, out := logged(t, middleware.Log{Format: middleware.JSON}, view.Path("/", func(*view.Request) (view.Response, error) {
			time.Sleep(time.Second)
			return view.NoContent(), nil
		}))
		done := make(chan struct{})
		go func() { defer close(done); do(app, "GET", "/") }()
		synctest.Wait()
		do(app, "GET", "/")
		<-done
		if !strings.Contains(out.all[1], `"duration_ms":2000.000,"first_byte_ms":2000.000,"queue_ms":1000.000`) {
			t.Error(out.all[1])
		}
	})
}

func TestWhatIsSkippedAndWhoTheClientIs(t *testing.T) {
	app, out := logged(t, middleware.Log{
		Skip:   func(r *view.Request, o view.Outcome) bool { return r.URL().Path == "/healthz" && o.Status == 200 },
		Client: func(r *view.Request) string { return r.Header().Get("X-Real-Ip") },
	}, view.Path("GET /healthz", async), view.Path("/{$}", async))
	do(app, "GET", "/healthz")
	do(app, "POST", "/healthz")
	do(app, "GET", "/", "X-Real-Ip", "198.51.100.7")
	do(app, "GET", "/", "X-Real-Ip", "- - [] \"")
	want := []string{"- - - [", "198.51.100.7 - - [", `-\x20-\x20[]\x20\x22 - - [`}
	if len(out.all) != len(want) {
		t.Fatalf("logged %q", out.all)
	}
	for i := range want {
		if !strings.HasPrefix(out.all[i], want[i]) {
			t.Errorf("%s\nwant %s", out.all[i], want[i])
		}
	}
}

func TestPathsAreLeftOutWhileAllIsWell(t *testing.T) {
	app, out := logged(t, middleware.Log{Skip: middleware.SkipPaths("/healthz", "/static/")},
		view.Path("GET /", func(_ context.Context, r *view.Request) (view.Response, error) {
			if r.Query().Has("broken") {
				return nil, errors.New("broken")
			}
			return view.Text("ok"), nil
		}),
		view.Path("GET /healthz/cut", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }),
		view.Path("GET /static/cut", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }),
	)
	for target, logged := range map[string]bool{
		"/": true, "/healthz": false, "/healthz?a=1": false, "/healthz?broken": true, "/healthz/": true, "/Healthz": true, "/healthz/cut": true,
		"/static/": false, "/static/a/b.css": false, "/static/a?broken": true, "/static/cut": true, "/staticx": true, "/other/static/": true,
	} {
		out.all = nil
		func() {
			defer func() { _ = recover() }()
			do(app, "GET", target)
		}()
		if got := len(out.all) == 1; got != logged {
			t.Errorf("%s is logged: %v", target, got)
		}
	}
	do(app, "POST", "/healthz")
	if len(out.all) == 0 || !strings.Contains(out.all[len(out.all)-1], " 405 ") {
		t.Errorf("%q", out.all)
	}
}

func TestAddressesOfPeersAreWithoutTheirPorts(t *testing.T) {
	app, out := logged(t, middleware.Log{}, view.Path("/", async))
	for i, test := range [][2]string{{"[2001:db8::1]:443", "2001:db8::1"}, {"@", "@"}, {"", "-"}, {"/run/app.sock", "/run/app.sock"}} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = test[0]
		app.ServeHTTP(httptest.NewRecorder(), r)
		if got, _, _ := strings.Cut(out.all[i], " "); got != test[1] {
			t.Errorf("%q is logged as %s", test[0], got)
		}
	}
}

// A log that cannot be written is said once, and the requests go on.
func TestALogThatCannotBeWrittenIsReportedOnce(t *testing.T) {
	var said bytes.Buffer
	was := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&said, nil)))
	defer slog.SetDefault(was)
	app, out := logged(t, middleware.Log{}, view.Path("/", async))
	for _, err := range []error{io.ErrClosedPipe, io.ErrClosedPipe, nil, io.ErrShortWrite} {
		out.err = err
		if resp := do(app, "GET", "/"); resp.StatusCode != 200 {
			t.Errorf("%d", resp.StatusCode)
		}
	}
	if got := said.String(); strings.Count(got, "access log cannot be written") != 2 || strings.Count(got, io.ErrClosedPipe.Error()) != 1 || len(out.all) != 1 {
		t.Errorf("%d lines; said\n%s", len(out.all), got)
	}
}

func TestFormatsAreReadByName(t *testing.T) {
	for name, want := range map[string]middleware.Format{"common": middleware.Common, "combined": middleware.Combined, "json": middleware.JSON} {
		var f middleware.Format
		if err := f.UnmarshalText([]byte(name)); err != nil || f != want {
			t.Errorf("%s: %d, %v", name, f, err)
		}
	}
	var f middleware.Format
	if err := f.UnmarshalText([]byte("xml")); err == nil || !strings.Contains(err.Error(), `"xml" is none of common, combined, json`) {
		t.Errorf("%v", err)
	}
}

func BenchmarkAccessLog(b *testing.B) {
	for _, format := range []middleware.Format{middleware.Combined, middleware.JSON} {
		b.Run(fmt.Sprint(format), func(b *testing.B) {
			app := view.New(middleware.AccessLog(io.Discard, middleware.Log{Format: format}), view.Logger(slog.New(slog.DiscardHandler)))
			app.Routes(view.Path("/", async))
			r, w := httptest.NewRequest("GET", "/", nil), httptest.NewRecorder()
			b.ReportAllocs()
			for b.Loop() {
				w.Body.Reset()
				app.ServeHTTP(w, r)
			}
		})
	}
}
