package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"

	"go.uber.org/goleak"

	"github.com/tandem-go/tandem/bridge"
	"github.com/tandem-go/tandem/view"
)

// runAsApp makes the test binary be the app.
const runAsApp = "TEST_RUN_AS_APP"

var update = flag.Bool("update", false, "write the golden files")

func TestMain(m *testing.M) {
	if os.Getenv(runAsApp) != "" {
		os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
	}
	// A CPU limiter keeps its threads for a while, for the next call.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/tandem-go/tandem/bridge.(*thread).loop"))
}

// startSite serves the whole app, its stand-ins included, with the demonstration data in a database of its own unless the
// settings name one.
func startSite(t *testing.T, s settings) *httptest.Server {
	t.Helper()
	if s.DatabaseURL == "" {
		s.DatabaseURL = databaseURL(filepath.Join(t.TempDir(), "test.db"))
	}
	db := openMigrated(t, s.DatabaseURL)
	if _, err := seed(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	stop, err := serveStandIns(&s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	client := newClient()
	t.Cleanup(client.CloseIdleConnections)
	server := httptest.NewServer(newSite(s, client, db).app)
	t.Cleanup(server.Close)
	return server
}

// ask makes one request, with headers as pairs of name and value, and returns the answer with its whole body.
func ask(t *testing.T, server *httptest.Server, method, target, body string, headers ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, server.URL+target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for pair := range slices.Chunk(headers, 2) {
		req.Header.Set(pair[0], pair[1])
	}
	resp, err := server.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%s %s: read the answer: %v", method, target, err)
	}
	return resp, string(answer)
}

func TestEveryRoute(t *testing.T) {
	tests := []struct {
		pattern, method, target string
		status                  int
		want                    string // the whole body; or, between slashes, an expression it matches
	}{
		{"GET /{$}", "GET", "/", 200, `/<a href="/dashboard/">GET /dashboard/</a>[\s\S]*process \d+, running alone/`},
		{"GET /hello/", "GET", "/hello/", 200, `{"hello":"async"}`},
		{"GET /modern/", "GET", "/modern/", 200, `{"hello":"async"}`},
		{"GET /modern/", "POST", "/modern/", 405, `/method not allowed/`},
		{"GET /classic/", "GET", "/classic/", 200, `{"hello":"sync"}`},
		{"GET /dashboard/", "GET", "/dashboard/", 200, `/^{"news":\[".*"\],"stocks":{.*},"weather":{.*}}$/`},
		{"GET /report/", "GET", "/report/?user=7", 200, `/^{"user":7,"rounds":100000,"digest":"[0-9a-f]{64}"}$/`},
		{"GET /report/", "GET", "/report/", 200, `/^{"user":0,/`},
		{"GET /report/", "GET", "/report/?user=root", 400, `/user must be a whole number/`},
		{"GET /search/", "GET", "/search/?q=TANDEM", 200, `{"q":"TANDEM","results":["Riding in tandem"]}`},
		{"GET /search/", "GET", "/search/?q=nothing", 200, `{"q":"nothing","results":[]}`},
		{"GET /busy/", "GET", "/busy/?ms=3", 200, `/^{"busy_ms":([3-9]|\d\d+)(\.\d+)?}$/`},
		{"GET /busy/", "GET", "/busy/?ms=3&work=json", 200, `/^{"busy_ms":([3-9]|\d\d+)(\.\d+)?}$/`},
		{"GET /busy/", "GET", "/busy/?ms=3&work=sleep", 400, `/work must be hash or json/`},
		{"GET /busy/", "GET", "/busy/", 200, `/^{"busy_ms":([2-9]\d|\d\d\d+)(\.\d+)?}$/`},
		{"GET /busy/", "GET", "/busy/?ms=1001", 400, `/ms must be a whole number from 0 to 1000/`},
		{"GET /busy/", "GET", "/busy/?ms=-1", 400, `/ms must be/`},
		{"GET /busy/", "GET", "/busy/?ms=1.5", 400, `/ms must be/`},
		{"GET /busy/", "GET", "/busy/?ms=", 400, `/ms must be/`},
		{"GET /busy/", "GET", "/busy/?ms=%zz", 400, `/query cannot be read/`},
		{"/echo/", "PUT", "/echo/", 200, `/"method":"PUT"/`},
		{"GET /stream/", "GET", "/stream/?n=2&ms=1", 200, "chunk 1 of 2\nchunk 2 of 2\n"},
		{"GET /stream/", "GET", "/stream/?n=0", 400, `/n must be a whole number from 1 to 1000/`},
		{"GET /stream/", "GET", "/stream/?ms=x", 400, `/ms must be/`},
		{"GET /ws/echo/", "GET", "/ws/echo/", 426, `/Upgrade/`},
		{"GET /search/", "GET", "/search/?q=%zz", 400, `/query: invalid URL escape/`},
		{"GET /search/", "GET", "/search/?q=" + strings.Repeat("x", 201), 422, `/{"in":"query","field":"q","message":"expected length .* 200"}/`},
		{"GET /openapi.json", "GET", "/openapi.json", 200, `/"openapi":"3.1.0","paths":{.*"/modern/":{"get":{/`},
		{"GET /docs/", "GET", "/docs/", 200, `/<script src="docs.js" defer>/`},
		{"GET /docs/", "GET", "/docs/docs.js", 200, `/openapi.json/`},
		{"GET /docs/", "GET", "/docs/other", 404, `/not found/`},
		{"GET /static/", "GET", "/static/home.css", 200, `/--page/`},
		{"GET /static/", "GET", "/static/other.css", 404, `/not found/`},
		{"GET /posts/{$}", "GET", "/posts/", 200, `/^{"posts":\[{"id":49,"title":".*"},{"id":48,/`},
		{"", "GET", "/posts/other", 404, `/Not Found/`},
		{"POST /posts/{$}", "POST", "/posts/", 400, `/request body: no value/`},
		{"POST /posts/{$}", "DELETE", "/posts/", 405, `/method not allowed/`},
		{"GET /posts/sync/{$}", "GET", "/posts/sync/", 200, `/^{"posts":\[{"id":49,"title":".*"},{"id":48,/`},
		{"GET /posts/{id}/{$}", "GET", "/posts/1/", 200, `{"id":1,"title":"An introduction to views that wait","author":"Ada Brook"}`},
		{"GET /posts/{id}/lazy/{$}", "GET", "/posts/1/lazy/", 500, `/"error":"orm: Post.Author was not loaded/`},
		{"GET /posts/{id}/lazy/{$}", "GET", "/posts/1/lazy/more/", 404, `/not found/`},
		{"GET /healthz", "GET", "/healthz", 200, "ok\n"},
		{"GET /standin/weather/", "GET", "/standin/weather/", 200, `{"celsius":21,"sky":"clear"}`},
		{"GET /standin/news/", "GET", "/standin/news/", 200, `/^\["/`},
		{"GET /standin/stocks/", "GET", "/standin/stocks/", 200, `/^{"/`},
		{"", "GET", "/nowhere", 404, `/not found/`},
	}
	for _, class := range []workerClass{mixed, syncOnly} {
		t.Run(string(class), func(t *testing.T) {
			s := newSettings()
			s.WorkerClass = class
			server := startSite(t, s)
			missing := map[string]bool{}
			for _, plan := range newSite(s, nil, nil).app.Plan() {
				missing[plan.Pattern] = true
			}
			delete(missing, "GET /events/") // has no end of its own: see TestEventsEndWithTheWorker
			for _, test := range tests {
				delete(missing, test.pattern)
				resp, body := ask(t, server, test.method, test.target, "")
				if resp.StatusCode != test.status {
					t.Errorf("%s %s: %s, want %d\n%s", test.method, test.target, resp.Status, test.status, body)
				}
				if ms, err := strconv.ParseFloat(resp.Header.Get("X-Elapsed-Ms"), 64); err != nil || ms < 0 || ms > 60_000 {
					t.Errorf("%s %s: X-Elapsed-Ms is %q", test.method, test.target, resp.Header.Get("X-Elapsed-Ms"))
				}
				if expression, ok := strings.CutPrefix(test.want, "/"); ok {
					if !regexp.MustCompile(strings.TrimSuffix(expression, "/")).MatchString(body) {
						t.Errorf("%s %s: got %s\nwant a match of %s", test.method, test.target, body, test.want)
					}
				} else if body != test.want {
					t.Errorf("%s %s: got %q, want %q", test.method, test.target, body, test.want)
				}
			}
			for pattern := range missing {
				t.Errorf("%s is not tested", pattern)
			}
		})
	}
}

func TestHomeLinksWork(t *testing.T) {
	server := startSite(t, newSettings())
	resp, page := ask(t, server, "GET", "/", "")
	if got := resp.Header.Get("Content-Type"); got != "text/html; charset=utf-8" {
		t.Errorf("content type %q", got)
	}
	if strings.Contains(page, "//") && regexp.MustCompile(`(src|href)="[a-z]*:?//`).MatchString(page) {
		t.Error("the page uses something from elsewhere")
	}
	links := regexp.MustCompile(`<a href="([^"]+)">`).FindAllStringSubmatch(page, -1)
	if len(links) < 15 {
		t.Fatalf("only %d links:\n%s", len(links), page)
	}
	for _, link := range links {
		target := strings.ReplaceAll(link[1], "&amp;", "&")
		if target == "/events/" || strings.HasPrefix(target, "/stream/") {
			continue // endless, and long
		}
		want := http.StatusOK
		if target == "/posts/1/lazy/" {
			want = http.StatusInternalServerError
		}
		if resp, body := ask(t, server, "GET", target, ""); resp.StatusCode != want {
			t.Errorf("%s: %s\n%s", target, resp.Status, body)
		}
	}
}

func TestEchoIsExact(t *testing.T) {
	server := startSite(t, newSettings())
	binary := string([]byte{0, 1, 2, 0xfe, 0xff})
	for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW"} {
		req, err := http.NewRequestWithContext(t.Context(), method, server.URL+"/echo/a%2Fb/%7e?x=%20&x=&y;z", strings.NewReader(binary))
		if err != nil {
			t.Fatal(err)
		}
		req.URL.RawPath = "/echo/a%2Fb/%7e" // as it is, not as net/url would write it
		req.Host = "example.test"
		req.Header = http.Header{"X-Two": {"1", "2"}, "Accept-Encoding": {"identity"}, "User-Agent": {"test"}}
		resp, err := server.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		decoder := json.NewDecoder(resp.Body)
		decoder.DisallowUnknownFields()
		var got echoed
		err = decoder.Decode(&got)
		resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s, %v", method, resp.Status, err)
		}
		want := echoed{
			Method: method, Target: "/echo/a%2Fb/%7e?x=%20&x=&y;z", Query: "x=%20&x=&y;z", BodyB64: "AAEC/v8=", BodyLen: 5,
			Protocol: "HTTP/1.1", Client: "127.0.0.1", Scheme: "http", Host: "example.test",
			Headers: map[string][]string{
				"X-Two": {"1", "2"}, "Accept-Encoding": {"identity"}, "User-Agent": {"test"}, "Host": {"example.test"}, "Content-Length": {"5"},
			},
		}
		if g, w := asJSON(t, got), asJSON(t, want); g != w {
			t.Errorf("%s: got  %s\nwant %s", method, g, w)
		}
	}
}

func TestEchoBoundsTheBody(t *testing.T) {
	server := startSite(t, newSettings())
	if resp, body := ask(t, server, "POST", "/echo/", strings.Repeat("x", view.DefaultMaxBody)); resp.StatusCode != http.StatusOK {
		t.Errorf("a body of the bound: %s\n%.200s", resp.Status, body)
	}
	if resp, body := ask(t, server, "POST", "/echo/", strings.Repeat("x", view.DefaultMaxBody+1)); resp.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("a body beyond the bound: %s\n%.200s", resp.Status, body)
	}
}

func TestEchoSaysNothingOfTheNetwork(t *testing.T) {
	broken := iotest.ErrReader(errors.New("read tcp 10.0.0.7:8000: connection reset"))
	w := httptest.NewRecorder()
	newSite(newSettings(), nil, nil).app.ServeHTTP(w, httptest.NewRequest("POST", "/echo/", broken))
	if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), `"error":"request body could not be read"`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestReportTakesACPUPermit(t *testing.T) {
	cpu := bridge.NewCPULimiter(1, bridge.Queue(0)) // who finds no permit is refused at once
	app := view.New()
	app.Routes(view.Path("GET /report/", reportView(cpu)))
	status := func() int {
		recorder := httptest.NewRecorder()
		app.ServeHTTP(recorder, httptest.NewRequest("GET", "/report/", nil))
		return recorder.Code
	}
	_, err := bridge.RunSync(t.Context(), func() (int, error) {
		if got := status(); got != http.StatusServiceUnavailable {
			t.Errorf("while the permit is taken: %d", got)
		}
		return 0, nil
	}, bridge.On(cpu))
	if err != nil {
		t.Fatal(err)
	}
	if got := status(); got != http.StatusOK {
		t.Errorf("afterwards: %d", got)
	}
}

func TestSettingsReachTheLimiters(t *testing.T) {
	s := newSettings()
	s.BlockingPermits, s.CPUPermits = 7, 3
	limits := newSite(s, nil, nil).app.Limits()
	if limits.Blocking.Stats().Permits != 7 || limits.CPU.Stats().Permits != 3 {
		t.Errorf("got %+v and %+v", limits.Blocking.Stats(), limits.CPU.Stats())
	}
	auto := newSite(newSettings(), nil, nil).app.Limits()
	if auto.Blocking.Stats().Permits != 40 || auto.CPU.Stats().Permits != bridge.CPUPermits() {
		t.Errorf("by default %+v and %+v", auto.Blocking.Stats(), auto.CPU.Stats())
	}
}

func TestRoutesGolden(t *testing.T) {
	for _, class := range []workerClass{mixed, syncOnly} {
		t.Run(string(class), func(t *testing.T) {
			setEnvironment(t, map[string]string{"APP_WORKER_CLASS": string(class)})
			var out, errs bytes.Buffer
			if code := run([]string{"routes"}, &out, &errs); code != 0 {
				t.Fatalf("exit code %d: %s", code, &errs)
			}
			golden := "testdata/routes-" + string(class) + ".golden"
			if *update {
				if err := os.WriteFile(golden, out.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if out.String() != string(want) {
				t.Errorf("got\n%s\nwant\n%s\n(go test -update writes it anew)", &out, want)
			}
		})
	}
}

func TestCommands(t *testing.T) {
	setEnvironment(t, nil)
	tests := []struct {
		args     string
		code     int
		out, err string // expressions
	}{
		{"help", 0, `APP_WORKER_CLASS +mixed`, `^$`},
		{"--help", 0, `app`, `^$`},
		{"version", 0, `^app \S+ go1\S*\n$`, `^$`},
		{"frobnicate", 2, `^$`, "^app: no command \"frobnicate\"; `app help` lists them\n$"},
		{"routes all", 2, `^$`, `^app: routes takes no argument, not "all"\n$`},
	}
	for _, test := range tests {
		var out, errs bytes.Buffer
		code := run(strings.Fields(test.args), &out, &errs)
		if code != test.code || !regexp.MustCompile(test.out).Match(out.Bytes()) || !regexp.MustCompile(test.err).Match(errs.Bytes()) {
			t.Errorf("app %s: exit code %d\n%s\n%s", test.args, code, &out, &errs)
		}
	}
	t.Setenv("APP_BLOCKING_PERMITS", "none")
	for _, args := range [][]string{nil, {"serve"}, {"routes"}} {
		var out, errs bytes.Buffer
		if code := run(args, &out, &errs); code != 2 || out.Len() > 0 || strings.Count(errs.String(), "\n") != 1 {
			t.Errorf("app %v with a bad setting: exit code %d\n%s\n%s", args, code, &out, &errs)
		}
	}
}
