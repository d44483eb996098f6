package foreign

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/tandem-go/tandem/internal/strict"
	"github.com/tandem-go/tandem/test/harness"
)

// server is a Python server and how it is run: the command line of
// docs/foreign-workers.md.
type server struct {
	name    string
	modules []string
	args    []string
	command []string
	// loses: it cuts connections that it has accepted when it is asked to end,
	// whoever asks: most of them seldom. TestFigures measures it; here it is
	// logged, and not held against us.
	loses bool
	// takes: it uses LISTEN_PID, or a library of its does, and takes it away.
	takes bool
	// processes: it has children of its own that serve.
	processes bool
}

var servers = []server{
	{
		name: "uvicorn", modules: []string{"uvicorn", "django"}, loses: true,
		args:    []string{"--ready", "log:Uvicorn running on socket"},
		command: []string{python, "-m", "uvicorn", "--fd", "3", "--lifespan", "off", "--no-access-log", "shop.asgi:application"},
	},
	{
		name: "uvicorn in two steps", modules: []string{"uvicorn", "django"},
		args:    []string{"--ready", "log:Uvicorn running on socket"},
		command: []string{python, "-m", "shop.serve"},
	},
	{
		name: "hypercorn", modules: []string{"hypercorn", "django"}, loses: true,
		args:    []string{"--ready", "log:Running on "},
		command: []string{python, "-m", "hypercorn", "--bind", "fd://3", "shop.asgi:application"},
	},
	{
		name: "daphne", modules: []string{"daphne", "django"}, loses: true, takes: true,
		args:    []string{"--ready", "log:Listening on "},
		command: []string{python, "-m", "daphne", "--fd", "3", "shop.asgi:application"},
	},
	{
		name: "gunicorn", modules: []string{"gunicorn", "django"}, takes: true, processes: true,
		args: []string{"--ready", "notify"}, // it says so itself
		command: []string{
			python, "-m", "gunicorn", "--workers", "1", "--threads", "4", "shop.wsgi:application",
		},
	},
}

func TestDjango(t *testing.T) {
	for _, srv := range servers {
		t.Run(srv.name, func(t *testing.T) {
			needsModule(t, srv.modules...)
			ctx := harness.Within(t)
			s, st := launch(ctx, t, srv.args, nil, srv.command...)
			nothingKnown(t, st)

			var info struct {
				PID     int
				Environ map[string]string
			}
			if err := json.Unmarshal([]byte(get(ctx, t, s, "/info/")), &info); err != nil {
				t.Fatal(err)
			}
			if !srv.processes && !slices.Contains(harness.PIDs(st.Workers), info.PID) {
				t.Errorf("process %d serves, workers are %v", info.PID, harness.PIDs(st.Workers))
			}
			if pid := info.Environ["LISTEN_PID"]; !srv.takes && pid != strconv.Itoa(info.PID) {
				t.Errorf("LISTEN_PID is %q in process %d", pid, info.PID)
			}
			for path, want := range map[string]string{
				"/sync/?id=7": "sync 7 0\n", "/async/?id=8": "async 8 0\n",
				"/stream/?id=9": "chunk 0 of 9\nchunk 1 of 9\nchunk 2 of 9\nchunk 3 of 9\nchunk 4 of 9\nchunk 5 of 9\nchunk 6 of 9\nchunk 7 of 9\nchunk 8 of 9\nchunk 9 of 9\n",
			} {
				if got := get(ctx, t, s, path); got != want {
					t.Errorf("GET %s: %q", path, got)
				}
			}

			get(ctx, t, s, "/say/?text=a+word+from+Django")
			for stream, o := range map[string]*harness.Output{"stdout": s.Stdout, "stderr": s.Stderr} {
				if r := said(ctx, t, o, "a word from Django"); r.Stream != stream || r.Worker == 0 || r.Msg != "a word from Django" {
					t.Errorf("on %s: %+v", stream, r)
				}
			}

			child, err := strconv.Atoi(get(ctx, t, s, "/child/"))
			if err != nil {
				t.Fatal(err)
			}
			replaced(ctx, t, s, st)
			reloadUnderLoad(t, s, srv.loses)
			if err := harness.Poll(ctx, "the end of a worker's child", func() bool { return !harness.Alive(child) }); err != nil {
				t.Error(err)
			}
			stops(ctx, t, s)
		})
	}
}

// reloadUnderLoad reloads twice under clients that open a connection for
// each request. None may be refused, by any server; and none may be lost but by
// one that loses.
func reloadUnderLoad(t *testing.T, s *harness.Supervisor, loses bool) {
	t.Helper()
	ctx := harness.Within(t)
	run := strict.Start(ctx, strict.Load{
		Addr: s.Addr, Duration: harness.Limit, Timeout: 20 * time.Second,
		Groups: []strict.Group{
			{Mode: strict.Short, Clients: 3, Target: "/sync/", Check: strict.Contains, ThinkMax: 10 * time.Millisecond},
			{Mode: strict.Short, Clients: 2, Target: "/async/", Body: 2000, Check: strict.Contains, ThinkMax: 10 * time.Millisecond},
			{Mode: strict.Short, Clients: 1, Target: "/stream/", Check: strict.Contains},
		},
	})
	reloads(ctx, t, s, run)
	judge(t, run.Stop(), loses)
}

func reloads(ctx context.Context, t *testing.T, s *harness.Supervisor, run *strict.Running) {
	t.Helper()
	if err := run.Answered(ctx, 30); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		res, err := s.Run(ctx, "reload", "--wait")
		if err != nil || res.Code != 0 {
			t.Fatalf("reload: exit %d, %v\n%s", res.Code, err, res.Stderr)
		}
		if err := run.Answered(ctx, 30); err != nil {
			t.Fatal(err)
		}
	}
}

func judge(t *testing.T, rep strict.Report, loses bool) {
	t.Helper()
	t.Logf("reloads: %v", rep.Counts)
	if n := rep.Counts[strict.Refused]; n > 0 {
		t.Errorf("%d connections were refused", n)
	}
	if n := rep.Counts[strict.Wrong] + rep.Counts[strict.Doubled] + rep.Counts[strict.Fault]; n > 0 {
		t.Errorf("%d wrong answers: %v", n, rep.Events)
	}
	if n := rep.Counts[strict.Lost]; n > 0 && !loses {
		t.Errorf("%d requests were lost:\n%s", n, list(rep.Events))
	}
}

func list(events []strict.Event) string {
	text := ""
	for _, e := range events[:min(len(events), 10)] {
		text += fmt.Sprintln(e)
	}
	return text
}
