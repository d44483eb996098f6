package supervise

import (
	"bytes"
	"errors"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tandem-go/tandem/internal/arbiter"
	"github.com/tandem-go/tandem/internal/control"
	"github.com/tandem-go/tandem/internal/metrics"
	"github.com/tandem-go/tandem/internal/postmortem"
)

// counting is a worker that counts three requests, each answered with 200, and
// one that it never answers. At a USR1 it counts a fourth and dies by SIGKILL in
// the same moment ("counts"), or fills its board with nonsense ("scribbles").
func counting(mode string, term <-chan os.Signal) {
	next := make(chan os.Signal, 1)
	signal.Notify(next, syscall.SIGUSR1)
	conn, board, fd := handed()
	for range 3 {
		board.Begin("GET", "/", "").End(200)
	}
	board.Begin("POST", "/for-ever", "")
	greet(conn)
	for {
		select {
		case <-term:
			os.Exit(0)
		case <-next:
		}
		if mode == "counts" {
			board.Begin("GET", "/", "").End(500)
			must(unix.Kill(os.Getpid(), unix.SIGKILL))
			select {}
		}
		var st unix.Stat_t
		must(unix.Fstat(fd, &st))
		mem, err := unix.Mmap(fd, 0, int(st.Size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
		must(err)
		copy(mem[64:], bytes.Repeat([]byte{0xfe}, len(mem)-64)) // behind what says that it is a board
		os.Stderr.WriteString("scribbled\n")
	}
}

func requests(s metrics.Snapshot) map[metrics.Code]uint64 {
	m := map[metrics.Code]uint64{}
	for _, c := range s.Totals.Requests {
		m[c.Code] = c.N
	}
	return m
}

// What a worker counted in its last moment, between the last look at its board
// and its death, is in the totals.
func TestMetricsOfAWorkerThatIsKilled(t *testing.T) {
	r := start(t, "counts", "--workers", "2")
	watch := r.Watcher()
	st := r.until(t, "two workers that speak", speaking(2, 1))
	ok, failed := metrics.Code{Method: "GET", Status: 200}, metrics.Code{Method: "GET", Status: 500}
	snap, err := watch.Metrics(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := requests(snap); got[ok] != 6 || len(got) != 1 {
		t.Errorf("of two workers: %v", got)
	}
	if snap.Workers["ready"] != 2 || snap.Workers["stopped"] != 0 || snap.Wanted != 2 || snap.State != "running" || snap.Present.Uncounted != 0 {
		t.Errorf("%+v", snap)
	}
	for i, w := range st.Workers {
		if err := syscall.Kill(w.PID, syscall.SIGUSR1); err != nil {
			t.Fatal(err)
		}
		r.until(t, "a replacement", func(st control.Status) bool {
			return ready(2, 1)(st) && st.Workers[1].ID == w.ID+2 && st.Workers[1].Requests != nil
		})
		if snap, err = watch.Metrics(t.Context()); err != nil {
			t.Fatal(err)
		}
		n := uint64(i + 1)
		if got := requests(snap); got[ok] != 6+3*n || got[failed] != n {
			t.Errorf("after %d deaths: %v", n, got)
		}
		if s := snap.Totals; s.Abandoned != n || s.Exits["signal"] != n || s.Starts != 2+n || s.Faults != 0 || len(s.Workers) != 2 {
			t.Errorf("after %d deaths: %+v", n, s)
		}
	}
	if _, err := r.Reload(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	r.until(t, "the new generation alone", ready(2, 2))
	if snap, err = watch.Metrics(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := requests(snap); got[ok] != 6+6+6 || got[failed] != 2 {
		t.Errorf("after a reload: %v", got)
	}
	if s := snap.Totals; s.Reloads.OK != 1 || !s.Reloads.LastGood || s.Exits[metrics.CauseAsked] != 2 || snap.Generation != 2 {
		t.Errorf("after a reload: %+v", s)
	}
	r.Signal(syscall.SIGINT)
	<-r.result
	if _, err := watch.Metrics(t.Context()); !errors.Is(err, errStopped) {
		t.Errorf("after the end: %v", err)
	}
}

// A worker that fills its board with nonsense does not touch the totals.
func TestMetricsOfAHostileWorker(t *testing.T) {
	r := start(t, "scribbles", "--workers", "1")
	watch := r.Watcher()
	st := r.until(t, "a worker that speaks", speaking(1, 1))
	if _, err := watch.Metrics(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(st.Workers[0].PID, syscall.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	r.until(t, "the scribble", func(control.Status) bool { return strings.Contains(r.output.String(), "scribbled") })
	for range 3 {
		snap, err := watch.Metrics(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		n := requests(snap)
		if n[metrics.Code{Method: "GET", Status: 200}] != 3 || snap.Totals.Faults != 1 || snap.Totals.Abandoned != 0 {
			t.Errorf("%v %+v", n, snap.Totals.Faults)
		}
		for code, n := range n {
			if n > 3 {
				t.Errorf("%v: %d", code, n)
			}
		}
	}
	if n := strings.Count(r.output.String(), "says what cannot be"); n != 1 {
		t.Errorf("said %d times", n)
	}
}

// A foreign worker has no counts, which is not the same as having counted none.
func TestMetricsOfAForeignWorker(t *testing.T) {
	r := start(t, "good", "--workers", "1")
	r.until(t, "the start", ready(1, 1))
	snap, err := r.Watcher().Metrics(t.Context())
	if err != nil || snap.Totals.Counted || snap.Present.Uncounted != 1 || snap.Logs.Lines != 0 {
		t.Errorf("%+v, %v", snap, err)
	}
}

func TestCausesAreThoseOfTheRecords(t *testing.T) {
	s := metrics.NewTotals().State()
	for _, class := range []string{
		postmortem.ClassExec, postmortem.ClassBoot, postmortem.ClassHung, postmortem.ClassDrain,
		postmortem.ClassOOM, postmortem.ClassPanic, postmortem.ClassSignal, postmortem.ClassExit, string(metrics.CauseAsked),
	} {
		if _, shown := s.Exits[metrics.Cause(class)]; !shown {
			t.Errorf("%s is not shown from the start on", class)
		}
	}
	if len(s.Exits) != 9 {
		t.Errorf("shown: %v", s.Exits)
	}
	for _, state := range workerStates {
		if state.String() == "unknown" {
			t.Errorf("state %d", state)
		}
	}
	if arbiter.State(len(workerStates)).String() != "unknown" {
		t.Error("there is a state of workers that is not shown with 0")
	}
}
