package e2e

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/tandem-go/tandem/test/harness"
)

func keys(t *testing.T, raw json.RawMessage) []string {
	t.Helper()
	var m map[string]json.RawMessage
	if err := json.Unmarshal(raw, &m); err != nil {
		t.Fatalf("%v: %s", err, raw)
	}
	return slices.Sorted(maps.Keys(m))
}

// known is what may be there beside, of a worker whose scoreboard is read.
var known = []string{"latency", "oldest_request_seconds", "oldest_requests", "permits"}

// TestStatusFields holds the form of the status, from the command and from the
// socket: scripts rely on it.
func TestStatusFields(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]harness.Config{"foreign": foreign(harness.Config{}, "serve"), "tandem": {}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := within(t)
			s, _ := serve(ctx, t, 2, c)
			must(ctx, t, s, "reload", "--wait")
			ready(ctx, t, s, 2)
			socket, err := s.RawStatus(ctx)
			if err != nil {
				t.Fatal(err)
			}
			for from, raw := range map[string][]byte{"status --json": []byte(must(ctx, t, s, "status", "--json").Stdout), "GET /v1/status": socket} {
				if got, want := keys(t, raw), []string{"generation", "last_reload", "listeners", "pid", "state", "uptime_seconds", "version", "workers", "workers_wanted"}; !slices.Equal(got, want) {
					t.Errorf("%s: fields %q, want %q", from, got, want)
				}
				var parts struct {
					LastReload json.RawMessage   `json:"last_reload"`
					Workers    []json.RawMessage `json:"workers"`
				}
				if err := json.Unmarshal(raw, &parts); err != nil {
					t.Fatal(err)
				}
				if got, want := keys(t, parts.LastReload), []string{"error", "generation", "result"}; !slices.Equal(got, want) {
					t.Errorf("%s: fields of last_reload %q, want %q", from, got, want)
				}
				for _, w := range parts.Workers {
					got := slices.DeleteFunc(keys(t, w), func(k string) bool { return name == "tandem" && slices.Contains(known, k) })
					if want := []string{"age_seconds", "connections", "generation", "id", "in_flight", "liveness", "pid", "requests", "rss_bytes", "state"}; !slices.Equal(got, want) {
						t.Errorf("%s: fields of a worker %q, want %q", from, got, want)
					}
				}
				var st harness.Status
				if err := json.Unmarshal(raw, &st); err != nil {
					t.Fatal(err)
				}
				checkValues(t, from, name == "foreign", s, st)
			}
			human := must(ctx, t, s, "status").Stdout
			if !strings.Contains(human, "running") || json.Valid([]byte(human)) {
				t.Errorf("status: %s", human)
			}
		})
	}
}

func checkValues(t *testing.T, from string, foreign bool, s *harness.Supervisor, st harness.Status) {
	t.Helper()
	if st.State != "running" || st.PID != s.PID || st.Version == "" || st.Generation != 2 || st.UptimeSeconds <= 0 {
		t.Errorf("%s: %+v", from, st)
	}
	if want := "tcp://" + s.Addr; len(st.Listeners) != 1 || st.Listeners[0] != want {
		t.Errorf("%s: listeners %q, want %s", from, st.Listeners, want)
	}
	for _, w := range st.Workers {
		if w.ID == 0 || !harness.Alive(w.PID) || w.Generation != 2 || w.AgeSeconds <= 0 || w.RSSBytes == nil || *w.RSSBytes < 1<<20 {
			t.Errorf("%s: %+v", from, w)
		}
		unknown := w.Requests == nil && w.InFlight == nil && w.Connections == nil
		switch {
		case foreign && (!unknown || w.Liveness != "none"):
			t.Errorf("%s: a foreign worker has counts, or is said to beat: %+v", from, w)
		case !foreign && (w.Requests == nil || w.InFlight == nil || w.Connections == nil || w.Liveness != "ok"):
			t.Errorf("%s: a Tandem worker without counts or beats: %+v", from, w)
		}
	}
}

func TestCountsGrow(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	s, _ := serve(ctx, t, 2, harness.Config{})
	for range 20 {
		ask(ctx, t, s, "/modern/")
	}
	await(ctx, t, s, "20 requests in the status", func(st harness.Status) bool {
		n := uint64(0)
		for _, w := range st.Workers {
			n += *w.Requests
		}
		return n == 20
	})
	slowRequest(ctx, t, s)
	await(ctx, t, s, "one request in flight, on one connection", func(st harness.Status) bool {
		var flying, conns int64
		for _, w := range st.Workers {
			flying += *w.InFlight
			conns += *w.Connections
		}
		return flying == 1 && conns == 1
	})
}

func TestCommands(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	s, _ := serve(ctx, t, 1, foreign(harness.Config{}, "serve"))
	must(ctx, t, s, "scale", "3")
	ready(ctx, t, s, 3)
	for _, bad := range [][]string{{"scale"}, {"scale", "many"}, {"scale", "0"}, {"scale", "-2"}, {"status", "--jsn"}, {"reload", "now"}} {
		res := command(ctx, t, s, bad...)
		if res.Code != 2 || strings.Count(strings.TrimSpace(res.Stderr), "\n") != 0 || res.Stderr == "" {
			t.Errorf("%q: exit %d\n%s%s", bad, res.Code, res.Stdout, res.Stderr)
		}
	}
	if st := ready(ctx, t, s, 3); st.Generation != 1 {
		t.Errorf("generation %d after commands that were refused", st.Generation)
	}
	if res := must(ctx, t, s, "version"); strings.TrimSpace(res.Stdout) == "" {
		t.Error("version says nothing")
	}
	must(ctx, t, s, "stop")
	exits(ctx, t, s, 0)
	for _, cmd := range []string{"status", "reload", "stop"} {
		res := command(ctx, t, s, cmd)
		if res.Code != 1 || strings.Count(strings.TrimSpace(res.Stderr), "\n") != 0 || !strings.Contains(res.Stderr, s.Control) {
			t.Errorf("%s without a supervisor: exit %d\n%s%s", cmd, res.Code, res.Stdout, res.Stderr)
		}
	}
}

func TestStopNow(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	s, _ := serve(ctx, t, 2, harness.Config{})
	slowRequest(ctx, t, s)
	must(ctx, t, s, "stop", "--now")
	exits(ctx, t, s, 0)
}

// TestControlSocketIsPrivate, and does not outlive its supervisor (see exits).
func TestControlSocketIsPrivate(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	s, _ := serve(ctx, t, 1, foreign(harness.Config{}, "serve"))
	fi, err := os.Stat(s.Control)
	if err != nil {
		t.Fatal(err)
	}
	if fi.Mode().Perm() != 0o600 {
		t.Errorf("mode %s", fi.Mode())
	}
	signal(t, s, syscall.SIGTERM)
	exits(ctx, t, s, 0)
}

// TestNoControlSocket: where it cannot be made, one warning, and the service
// runs without.
func TestNoControlSocket(t *testing.T) {
	t.Parallel()
	for name, path := range map[string]string{"impossible": filepath.Join(t.TempDir(), "a-file"), "off": "off"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := within(t)
			port, err := harness.FreePort()
			if err != nil {
				t.Fatal(err)
			}
			addr := "127.0.0.1:" + strconv.Itoa(port)
			if name == "impossible" {
				// A file stands where a directory should be.
				path = filepath.Join(writeFile(t, path, "", 0o600), "c.sock")
			}
			s := launch(t, foreign(harness.Config{
				Bare: true, Args: []string{"--workers", "1", "--bind", addr, "--control", path},
			}, "serve"))
			s.Addr = addr
			if err := harness.Poll(ctx, "the service", func() bool {
				status, _, err := get(ctx, s, "/info")
				return err == nil && status == 200
			}); err != nil {
				t.Fatalf("%v\n%s", err, s.Stderr)
			}
			warned := strings.Count(s.Stderr.String(), `"msg":"no control socket`)
			if want := map[string]int{"impossible": 1, "off": 0}[name]; warned != want {
				t.Errorf("%d warnings:\n%s", warned, s.Stderr)
			}
			signal(t, s, syscall.SIGTERM)
			exits(ctx, t, s, 0)
		})
	}
}
