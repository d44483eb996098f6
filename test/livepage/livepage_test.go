package livepage

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tandem-go/tandem/test/harness"
)

// bin is the directory of the built programs.
var bin string

func TestMain(m *testing.M) { os.Exit(buildAndRun(m)) }

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "tandem-livepage")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	bin = dir
	build := exec.Command("go", "build", "-o", bin, "github.com/tandem-go/tandem/cmd/supervisor", "github.com/tandem-go/tandem/cmd/app")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building the programs under test: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// limit bounds the whole; the machine may be busy.
const limit = 9 * time.Minute

// scene is the supervisor that the browser looks at, and what happens to it.
type scene struct {
	t      *testing.T
	ctx    context.Context
	config harness.Config
	*harness.Supervisor
	at atomic.Value // its address, for who asks it meanwhile
}

func TestLivePage(t *testing.T) {
	harness.Needs(t, "nodejs", "node", "--version")
	harness.Needs(t, "npm", "npm", "--version")
	harness.Needs(t, "chromium", "sh", "-c", "command -v chromium")
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	port, err := harness.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	admin := fmt.Sprintf("127.0.0.1:%d", port)
	s := &scene{t: t, ctx: ctx, config: harness.Config{Bin: bin, Args: []string{"--workers", "2", "--bake", "50ms", "--graceful-timeout", "1s", "--admin", admin}}}
	s.start()
	script, err := Script(ctx, ".", "livepage.mjs", "ADMIN=http://"+admin)
	if err != nil {
		if os.Getenv("CI") == "" {
			t.Skip(err)
		}
		t.Fatal(err)
	}
	s.play(script)
}

// play does what the script asks for, and has its verdict.
func (s *scene) play(script *exec.Cmd) {
	script.Stderr = os.Stderr
	in, err := script.StdinPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	out, err := script.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := script.Start(); err != nil {
		s.t.Fatal(err)
	}
	verdict := "none"
	for lines := bufio.NewScanner(out); lines.Scan(); {
		line := lines.Text()
		what, asked := strings.CutPrefix(line, "ask ")
		if !asked {
			s.t.Log(line)
			verdict = line
			continue
		}
		s.t.Log("the page wants to see: " + what)
		fmt.Fprintln(in, s.do(what))
	}
	_ = in.Close()
	err = script.Wait()
	if verdict != "passed" {
		s.t.Errorf("%s (%v)", strings.ReplaceAll(verdict, `\n`, "\n"), err)
	}
}

// do has happen what is asked for, and answers with what the script must know.
func (s *scene) do(what string) string {
	t := s.t
	t.Helper()
	must := func(err error) {
		if err != nil {
			t.Error(err)
		}
	}
	switch what {
	case "load":
		addr := s.Addr
		s.run(func(ctx context.Context) { Load(ctx, "http://"+addr, 25) })
	case "request":
		s.run(func(ctx context.Context) {
			for ctx.Err() == nil { // one that a reload or a crash ends begins again
				get(ctx, &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}, "http://"+s.at.Load().(string)+"/stream/?n=1000&ms=100")
				pause := time.NewTimer(100 * time.Millisecond)
				select {
				case <-pause.C:
				case <-ctx.Done():
				}
			}
		})
	case "reload":
		must(s.Signal(syscall.SIGHUP))
	case "crash":
		st, err := s.Status(s.ctx)
		must(err)
		for _, w := range st.Workers {
			if w.State == "ready" {
				must(syscall.Kill(w.PID, syscall.SIGKILL))
				return fmt.Sprint(w.ID)
			}
		}
		t.Error("no worker is ready")
	case "upgrade":
		r, err := s.Run(s.ctx, "upgrade")
		if err != nil || r.Code != 0 {
			t.Errorf("upgrade: %v, exit %d, %s", err, r.Code, r.Stderr)
		}
	case "stop":
		must(s.Signal(syscall.SIGINT))
		_, err := s.Wait(s.ctx)
		must(err)
	case "start":
		s.start()
	default:
		t.Errorf("the script asks for %q", what)
	}
	return "done"
}

// run has f run beside the test, until that ends.
func (s *scene) run(f func(context.Context)) {
	ctx, cancel := context.WithCancel(s.ctx)
	done := make(chan struct{})
	go func() { defer close(done); f(ctx) }()
	s.t.Cleanup(func() { cancel(); <-done })
}

func (s *scene) start() {
	s.t.Helper()
	s.Supervisor, _ = harness.Serve(s.ctx, s.t, 2, s.config)
	s.at.Store(s.Addr)
}
