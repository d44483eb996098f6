package e2e

import (
	"context"
	"encoding/json"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tandem-go/tandem/test/harness"
)

// hang sends a request that has begun to be answered, and goes on until cancel.
func hang(ctx context.Context, t *testing.T, s *harness.Supervisor) (cancel func()) {
	t.Helper()
	ctx, stop := context.WithCancel(ctx)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.Addr+"/wait", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	cancel = func() { stop(); resp.Body.Close() }
	t.Cleanup(cancel)
	return cancel
}

// What a drain waits for is in status, in the log, in what systemd is told, and on
// the terminal of who waits for a stop.
func TestWhatIsWaitedFor(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	up := listenNotify(t)
	s, before := serve(ctx, t, 1, foreign(harness.Config{Env: []string{"NOTIFY_SOCKET=" + up.addr}}, "doomed"))
	release := hang(ctx, t, s)
	must(ctx, t, s, "reload", "--wait")
	var st struct {
		Progress *struct {
			What, Stage, Text string
			Seconds           float64
			Workers           []int
			Requests          []struct {
				Worker        int
				Method, Route string
				Age           float64 `json:"age_seconds"`
			}
		}
	}
	if err := harness.Poll(ctx, "progress in status", func() bool {
		text, err := s.RawStatus(ctx)
		if err == nil {
			err = json.Unmarshal(text, &st)
		}
		if err != nil {
			t.Fatal(err)
		}
		return st.Progress != nil
	}); err != nil {
		t.Fatal(err)
	}
	p, old := st.Progress, before.Workers[0].ID
	if p.What != "drain" || p.Stage != "draining" || p.Seconds < 1 || len(p.Workers) != 1 || p.Workers[0] != int(old) ||
		len(p.Requests) != 1 || p.Requests[0].Method != "GET" || p.Requests[0].Route != "/wait" || p.Requests[0].Worker != int(old) || p.Requests[0].Age < 1 {
		t.Errorf("%+v", p)
	}
	if text := must(ctx, t, s, "status").Stdout; !strings.Contains(text, "progress     drain (") || !strings.Contains(text, "waits for worker 1: GET /wait for ") {
		t.Errorf("status:\n%s", text)
	}
	if err := harness.Poll(ctx, "STATUS= with the request", func() bool {
		for _, line := range up.all() {
			if strings.HasPrefix(line, "STATUS=running: 1 of 1 workers ready, generation 2; drain (") && strings.Contains(line, "GET /wait for ") {
				return true
			}
		}
		return false
	}); err != nil {
		t.Errorf("%v; said: %q", err, up.all())
	}
	if _, err := s.Stderr.AwaitText(ctx, "still waiting"); err != nil {
		t.Error(err)
	}
	release()
	await(ctx, t, s, "the end of the drain", func(st harness.Status) bool { return len(st.Workers) == 1 })

	release = hang(ctx, t, s)
	type result struct {
		harness.Result
		err error
	}
	stopped := make(chan result, 1)
	go func() {
		res, err := s.Run(ctx, "stop", "--wait")
		stopped <- result{res, err}
	}()
	// Its terminal is shown when it has ended; that there was something to show is
	// known from status.
	if err := harness.Poll(ctx, "a stop that takes its time", func() bool {
		res := command(ctx, t, s, "status")
		return strings.Contains(res.Stdout, "progress     stop (2")
	}); err != nil {
		t.Fatal(err)
	}
	release()
	res := <-stopped
	if res.err != nil || res.Code != 0 || res.Stdout != "stopped\n" || !strings.Contains(res.Stderr, "supervisor: stop: stop (") || !strings.Contains(res.Stderr, "waits for worker 2: GET /wait for ") {
		t.Errorf("%+v", res)
	}
	exits(ctx, t, s, 0)
}

func TestWhatAReloadWaitsFor(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	env := writeFile(t, filepath.Join(t.TempDir(), "env"), helperMode+"=serve\n", 0o600)
	s, _ := serve(ctx, t, 1, harness.Config{Command: []string{self}, Args: []string{"--env-file", env, "--boot-timeout", "4s"}})
	writeFile(t, env, helperMode+"=never-ready\n", 0o600)
	res := command(ctx, t, s, "reload", "--wait")
	if res.Code != 1 || !strings.Contains(res.Stderr, "supervisor: reload: reload to generation 2 (") || !strings.Contains(res.Stderr, "booting, waits for worker 2 to become ready\n") {
		t.Errorf("%+v", res)
	}
}
