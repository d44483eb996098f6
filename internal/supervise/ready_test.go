package supervise

import (
	"strings"
	"syscall"
	"testing"

	"github.com/tandem-go/tandem/internal/config"
	"github.com/tandem-go/tandem/internal/control"
)

// A line makes a worker ready, when it is whole and not before; READY=1 does
// not, where it was not asked for. A replacement and a new generation are ready
// by the same.
func TestReadyByALine(t *testing.T) {
	r := start(t, "prompt", "--workers", "1", "--ready", `log:^it is (up|on)\b`)
	said := func(st control.Status) bool { // all that is no line has come
		return len(st.Workers) == 1 && strings.Contains(r.output.String(), "READY=1 does not count")
	}
	st := r.until(t, "what does not count", said)
	if got := st.Workers[0].State; got != "starting" {
		t.Errorf("the worker is %s before its line was whole", got)
	}
	if err := syscall.Kill(st.Workers[0].PID, syscall.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	r.until(t, "the line, on both streams", func(st control.Status) bool {
		out := r.output.String()
		return ready(1, 1)(st) && strings.Contains(out, "worker ready") && strings.Contains(out, "it is up again") && strings.Contains(out, "it is up here, too")
	})

	r.mode(t, "on")
	res, err := r.Reload(t.Context(), true)
	if err != nil || res.Result != control.ResultOK {
		t.Fatalf("%+v, %v", res, err)
	}
	victim := r.until(t, "the new generation", ready(1, 2)).Workers[0]
	if err := syscall.Kill(victim.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	r.until(t, "a replacement", func(st control.Status) bool { return ready(1, 2)(st) && st.Workers[0].ID != victim.ID })
	if got := strings.Count(r.output.String(), "worker ready worker=1 "); got != 1 {
		t.Errorf("worker 1 became ready %d times", got)
	}
}

func TestReadyByBeingAlive(t *testing.T) {
	r := start(t, "mute", "--workers", "2", "--ready", "alive:30ms")
	st := r.until(t, "two that have lived", ready(2, 1))
	for _, w := range st.Workers {
		if w.AgeSeconds < 0.03 {
			t.Errorf("ready after %v seconds", w.AgeSeconds)
		}
	}
	// Who dies before has not become ready: the first start fails.
	r = start(t, "crash", "--workers", "1", "--ready", "alive:20s")
	if got := <-r.result; got.Code != 3 || !strings.Contains(got.Reason, "exit status 7") {
		t.Errorf("%+v", got)
	}
}

func TestReadyThatCannotBe(t *testing.T) {
	for how, want := range map[string]string{
		"log:(":     "regular expression",
		"log:":      "is not notify, log:REGEXP or alive:TIME",
		"alive:30s": "is never reached: a worker that is not ready within --boot-timeout, which is 30s (default), is ended",
		"alive:0":   "is no time at all",
	} {
		if _, err := config.Load([]string{"--ready", how}, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("--ready %s: %v", how, err)
		}
	}
}
