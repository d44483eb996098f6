package e2e

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/tandem-go/tandem/test/harness"
)

// verified is what supervisor verify-reload --json says.
type verified struct {
	Result   string
	Problem  string
	Requests int
	Lost     int
	Wrong    int
	Closed   struct{ Announced, Unannounced int }
	Reloads  []struct{ Result, Error string }
	Causes   []struct {
		Cause, Symptom, Text, Remedy string
		Count                        int
	}
}

func (v verified) causes() (codes []string) {
	for _, c := range v.Causes {
		codes = append(codes, c.Cause)
	}
	return codes
}

func verifyReload(t *testing.T, s *harness.Supervisor, code int, args ...string) verified {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*harness.Limit) // it takes as long as all the requests under way
	defer cancel()
	res := command(ctx, t, s, append([]string{"verify-reload", "--json"}, args...)...)
	if res.Code != code {
		t.Fatalf("exit %d, want %d:\n%s%s", res.Code, code, res.Stdout, res.Stderr)
	}
	if !strings.Contains(res.Stderr, "real GET requests") {
		t.Errorf("it does not say what it does: %s", res.Stderr)
	}
	var v verified
	if err := json.Unmarshal([]byte(res.Stdout), &v); err != nil {
		t.Fatalf("%v: %s", err, res.Stdout)
	}
	if v.Requests < 50 {
		t.Errorf("only %d requests: %s", v.Requests, res.Stdout)
	}
	return v
}

// TestVerifyReload holds the command against services of which it is known what a
// reload costs, and by what.
func TestVerifyReload(t *testing.T) {
	t.Parallel()
	t.Run("nothing is lost", func(t *testing.T) {
		t.Parallel()
		s, _ := serve(within(t), t, 2, harness.Config{})
		v := verifyReload(t, s, 0, "--path", "/modern/", "--path", "/hello/", "--reloads", "2")
		if v.Result != "ok" || v.Lost+v.Wrong+v.Closed.Unannounced > 0 || len(v.Reloads) != 2 {
			t.Errorf("%+v", v)
		}
	})
	t.Run("a worker that ends at once", func(t *testing.T) {
		t.Parallel()
		s, _ := serve(within(t), t, 2, foreign(harness.Config{}, "serve"))
		// With that many clients each moment has requests in flight.
		v := verifyReload(t, s, 1, "--path", "/slow?ms=100", "--reloads", "1", "--clients", "16")
		if v.Lost == 0 || v.Wrong > 0 || v.Reloads[0].Result != "ok" {
			t.Errorf("%+v", v)
		}
		if c := v.Causes[0]; c.Cause != "foreign-worker-does-not-drain" || c.Symptom != "lost" || c.Count == 0 || c.Remedy == "" {
			t.Errorf("%d lost, and the first cause is %+v", v.Lost, c)
		}
	})
	t.Run("a new generation that does not start", func(t *testing.T) {
		t.Parallel()
		env := writeFile(t, filepath.Join(t.TempDir(), "env"), "", 0o600)
		s, _ := serve(within(t), t, 2, harness.Config{Args: []string{"--env-file", env}})
		writeFile(t, env, "APP_CPU_PERMITS=many\n", 0o600)
		v := verifyReload(t, s, 1, "--path", "/modern/")
		if v.Lost+v.Wrong > 0 || len(v.Reloads) != 1 || v.Reloads[0].Result != "failed" {
			t.Errorf("%+v", v)
		}
		if c := v.Causes[0]; c.Cause != "reload-undone" || !strings.Contains(c.Text, "exit status 2") {
			t.Errorf("%+v", v.Causes)
		}
	})
	t.Run("a new generation that answers otherwise", func(t *testing.T) {
		t.Parallel()
		env := writeFile(t, filepath.Join(t.TempDir(), "env"), "", 0o600)
		s, _ := serve(within(t), t, 2, harness.Config{Args: []string{"--env-file", env}})
		writeFile(t, env, "APP_WEATHER_URL=http://127.0.0.1:1/\n", 0o600)
		v := verifyReload(t, s, 1, "--path", "/modern/", "--path", "/dashboard/", "--reloads", "1")
		if v.Lost > 0 || v.Wrong == 0 || !slices.Contains(v.causes(), "new-generation-answers-otherwise") {
			t.Errorf("%+v", v)
		}
		if c := v.Causes[0]; c.Symptom != "wrong" || !strings.Contains(c.Text, "/dashboard/") || c.Count != v.Wrong {
			t.Errorf("%+v", v.Causes)
		}
	})
	// Neither is a verdict about the service, and none of them reloads it.
	t.Run("another server", func(t *testing.T) {
		t.Parallel()
		s, _ := serve(within(t), t, 1, harness.Config{})
		other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		defer other.Close()
		res := command(within(t), t, s, "verify-reload", "--url", other.URL)
		if res.Code != 5 || res.Stdout != "" || !strings.Contains(res.Stderr, "the workers of this supervisor have begun 0: the --url leads to another service") {
			t.Errorf("exit %d:\n%s%s", res.Code, res.Stdout, res.Stderr)
		}
		if st, err := s.Status(within(t)); err != nil || st.Generation != 1 {
			t.Errorf("%v: generation %d", err, st.Generation)
		}
	})
	t.Run("what fails anyway", func(t *testing.T) {
		t.Parallel()
		s, _ := serve(within(t), t, 1, harness.Config{})
		var n atomic.Int64
		pass := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: s.Addr})
		flaky := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if k := n.Add(1); k > 5 && k%10 == 0 {
				w.WriteHeader(http.StatusInternalServerError)
				return
			}
			pass.ServeHTTP(w, r)
		}))
		defer flaky.Close()
		v := verifyReload(t, s, 5, "--path", "/modern/", "--url", flaky.URL)
		if v.Result != "not-verified" || v.Wrong == 0 || len(v.Reloads) > 0 || v.Causes[0].Cause != "broken-before" || !strings.Contains(v.Problem, "before the first reload") {
			t.Errorf("%+v", v)
		}
	})
	t.Run("through a unix socket", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		s := launch(t, harness.Config{Bare: true, Dir: dir, Args: []string{"--workers", "1", "--bake", "50ms", "--bind", "unix:" + filepath.Join(dir, "app.sock"), "--control", filepath.Join(dir, "control.sock")}})
		s.Control = filepath.Join(dir, "control.sock")
		ready(within(t), t, s, 1)
		if v := verifyReload(t, s, 0, "--path", "/modern/", "--reloads", "1"); v.Lost > 0 {
			t.Errorf("%+v", v)
		}
	})
}
