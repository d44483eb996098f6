package view_test

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/tandem-go/tandem/bridge"
	"github.com/tandem-go/tandem/view"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// site is an App with a log and limiters of its own.
type site struct {
	*view.App
	t      *testing.T
	log    *journal
	limits bridge.Limits
}

// newSite makes one of n permits that refuses at once when they are taken.
func newSite(t *testing.T, permits int, routes []view.Route, opts ...view.Option) *site {
	s := &site{t: t, log: new(journal), limits: bridge.Limits{
		Blocking: bridge.NewLimiter(permits, bridge.Queue(0)),
		CPU:      bridge.NewCPULimiter(permits, bridge.Queue(0)),
	}}
	opts = append([]view.Option{view.Limits(s.limits), view.Logger(slog.New(slog.NewJSONHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug})))}, opts...)
	s.App = view.New(opts...)
	s.Routes(routes...)
	t.Cleanup(func() {
		for _, l := range []*bridge.Limiter{s.limits.Blocking, s.limits.CPU} {
			if st := l.Stats(); st.InUse != 0 || st.Queued != 0 {
				t.Errorf("limiter %q is not idle afterwards: %+v", l.Name(), st)
			}
		}
	})
	return s
}

func (s *site) get(target string) *httptest.ResponseRecorder {
	return s.do(httptest.NewRequest("GET", target, nil))
}

func (s *site) do(r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

// expect checks status and exact body.
func expect(t *testing.T, w *httptest.ResponseRecorder, status int, body string) {
	t.Helper()
	if w.Code != status || w.Body.String() != body {
		t.Errorf("answer %d %q, want %d %q", w.Code, w.Body, status, body)
	}
}

// expectError checks an error's status and message, and that it names the request.
func expectError(t *testing.T, w *httptest.ResponseRecorder, status int, message string) {
	t.Helper()
	var body struct {
		Error     string `json:"error"`
		RequestID string `json:"request_id"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
		t.Errorf("answer %d %q is not JSON: %v", w.Code, w.Body, err)
	}
	if w.Code != status || body.Error != message || body.RequestID == "" || w.Header().Get("Content-Type") != "application/json" {
		t.Errorf("answer %d %v %q, want %d with %q and a request id", w.Code, w.Header(), w.Body, status, message)
	}
}

// journal collects log records.
type journal struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.buf.Write(b)
}

// records returns what was logged of requests.
func (j *journal) records(t *testing.T) []map[string]any {
	t.Helper()
	return slices.DeleteFunc(j.all(t), ofThePlan)
}

// ofThePlan says whether a record is one of those that an app begins with.
func ofThePlan(r map[string]any) bool {
	return r["msg"] == "routes settled" || r["msg"] == "route planned"
}

// all returns what was logged.
func (j *journal) all(t *testing.T) []map[string]any {
	t.Helper()
	j.mu.Lock()
	defer j.mu.Unlock()
	var all []map[string]any
	dec := json.NewDecoder(bytes.NewReader(j.buf.Bytes()))
	for {
		var r map[string]any
		if err := dec.Decode(&r); err == io.EOF {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
}

// only returns the one record there must be.
func (j *journal) only(t *testing.T) map[string]any {
	t.Helper()
	all := j.records(t)
	if len(all) != 1 {
		t.Fatalf("%d log records, want one: %v", len(all), all)
	}
	return all[0]
}

func hasAll(s string, parts ...string) bool {
	for _, p := range parts {
		if !strings.Contains(s, p) {
			return false
		}
	}
	return true
}
