//go:build load

package load

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tandem-go/tandem/internal/strict"
	"github.com/tandem-go/tandem/test/harness"
	"github.com/tandem-go/tandem/worker"
)

var bin = "../../bin"

// ledgerWorker makes this test binary a worker that prints each request's id.
const ledgerWorker = "LOAD_LEDGER_WORKER"

func ledger() int {
	err := worker.Run(context.Background(), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		// One write: a line.
		if _, err := fmt.Fprintf(os.Stdout, "served %s\n", r.URL.Query().Get("id")); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]any{
			"target": r.RequestURI, "body_b64": base64.StdEncoding.EncodeToString(body), "body_len": len(body), "worker": worker.Self().ID,
		})
	}))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func TestMain(m *testing.M) {
	if os.Getenv(ledgerWorker) != "" {
		os.Exit(ledger())
	}
	if dir := os.Getenv("TANDEM_BIN"); dir != "" {
		bin = dir
	}
	var err error
	if bin, err = filepath.Abs(bin); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	for _, name := range []string{"supervisor", "app"} {
		if _, err := os.Stat(filepath.Join(bin, name)); err != nil {
			fmt.Fprintf(os.Stderr, "the load tests need built binaries: %v; run `make build`, or set TANDEM_BIN\n", err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// limit is the bound on one load.
const limit = harness.Limit

func within(t *testing.T) context.Context {
	t.Helper()
	return harness.Within(t)
}

// serve starts a supervisor with n workers and waits until they are ready.
func serve(ctx context.Context, t *testing.T, n int, c harness.Config) (*harness.Supervisor, harness.Status) {
	t.Helper()
	if c.Bin == "" {
		c.Bin = bin
	}
	c.Args = append([]string{"--workers", fmt.Sprint(n), "--bake", "100ms"}, c.Args...)
	return harness.Serve(ctx, t, n, c)
}

// traffic is what runs beside every test: 8 clients that open a connection for
// each request and 16 that keep theirs and POST, half of them without a look at
// whether the server has ended it.
func traffic(addr string) strict.Load {
	return strict.Load{
		Addr: addr, Duration: limit, Timeout: 15 * time.Second,
		Groups: []strict.Group{
			{Mode: strict.Short, Clients: 8, Target: "/echo/", ThinkMin: time.Millisecond, ThinkMax: 10 * time.Millisecond, Check: strict.EchoJSON, Tag: strict.EchoWorker},
			{Mode: strict.Kept, Clients: 8, Target: "/echo/", Body: 512, ThinkMin: 50 * time.Millisecond, ThinkMax: 300 * time.Millisecond, Check: strict.EchoJSON, Tag: strict.EchoWorker},
			{Mode: strict.Kept, Blind: true, Clients: 8, Target: "/echo/", Body: 512, ThinkMin: 50 * time.Millisecond, ThinkMax: 300 * time.Millisecond, Check: strict.EchoJSON, Tag: strict.EchoWorker},
		},
	}
}

// slow is traffic whose every request outlives a moment: bodies that trickle in,
// answers that trickle out.
func slow() []strict.Group {
	return []strict.Group{
		{Mode: strict.Upload, Clients: 4, Target: "/echo/", Body: 4 << 10, Pace: 400 * time.Millisecond, Check: strict.EchoJSON, Tag: strict.EchoWorker},
		{Mode: strict.Short, Clients: 4, Target: "/stream/?n=5&ms=100", Check: wholeStream(5)},
		{Mode: strict.Kept, Clients: 4, Target: "/hello/"},
	}
}

// begin starts the load and waits until it flows.
func begin(ctx context.Context, t *testing.T, l strict.Load) *strict.Running {
	t.Helper()
	loadCtx, cancel := context.WithCancel(context.Background())
	run := strict.Start(loadCtx, l)
	t.Cleanup(func() { cancel(); run.Wait() })
	flow(ctx, t, run, 100)
	return run
}

func flow(ctx context.Context, t *testing.T, run *strict.Running, n int) {
	t.Helper()
	if err := run.Answered(ctx, n); err != nil {
		t.Fatal(err)
	}
}

// linger is how long a draining worker keeps an idle connection, less a margin.
// The clients think for a third of it at most; one that was kept from the CPU
// for longer, and could not see that its connection had ended, proves nothing.
const linger = 900 * time.Millisecond

// answered fails the test unless every request that was accepted was answered
// well and once.
func answered(t *testing.T, rep strict.Report) {
	t.Helper()
	t.Logf("%s", rep)
	rep.Events = slices.DeleteFunc(rep.Events, func(e strict.Event) bool {
		starved := e.Outcome == strict.Lost && e.Idle > linger
		if starved {
			t.Logf("not counted, the client was kept from the CPU: %s", e)
			rep.Counts[strict.Lost]--
		}
		return starved
	})
	if err := rep.Err(); err != nil {
		t.Error(err)
	}
}

// faultless is answered, by a service that never refused.
func faultless(t *testing.T, rep strict.Report) {
	t.Helper()
	answered(t, rep)
	if n := rep.Counts[strict.Refused]; n > 0 {
		t.Errorf("%d connections were refused although the service never stopped", n)
	}
}

// wholeStream accepts an answer of /stream/ that has its last chunk.
func wholeStream(n int) func(strict.Answer) error {
	return func(a strict.Answer) error {
		if want := fmt.Sprintf("chunk %d of %d", n, n); !strings.Contains(string(a.Body), want) {
			return fmt.Errorf("%q is not in the stream of %d bytes", want, len(a.Body))
		}
		return nil
	}
}

func command(ctx context.Context, t *testing.T, s *harness.Supervisor, args ...string) harness.Result {
	t.Helper()
	res, err := s.Run(ctx, args...)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func must(ctx context.Context, t *testing.T, s *harness.Supervisor, args ...string) {
	t.Helper()
	if res := command(ctx, t, s, args...); res.Code != 0 {
		t.Fatalf("supervisor %s: exit %d\n%s%s", strings.Join(args, " "), res.Code, res.Stdout, res.Stderr)
	}
}

func signal(t *testing.T, s *harness.Supervisor, sig syscall.Signal) {
	t.Helper()
	if err := s.Signal(sig); err != nil {
		t.Fatalf("%s to supervisor %d: %v", sig, s.PID, err)
	}
}

// gone waits until nothing of the run is left but its directory.
func gone(ctx context.Context, t *testing.T, s *harness.Supervisor) {
	t.Helper()
	if err := harness.Poll(ctx, "every process of the run to end", func() bool { return len(s.Strays()) == 0 }); err != nil {
		t.Errorf("%v; left: %v", err, s.Strays())
	}
}

// writeFile writes beside and renames: no reader ever sees half a file.
func writeFile(t *testing.T, path, content string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path+".new", []byte(content), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

func sameProcesses(before, after []harness.Worker) bool {
	return slices.Equal(harness.PIDs(before), harness.PIDs(after))
}
