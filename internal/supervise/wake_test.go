package supervise

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tandem-go/tandem/internal/control"
)

// A worker that is stopped when the service stops is woken, so that it can end
// well: it is not killed when its time is over.
func TestAStopWakesAStoppedWorker(t *testing.T) {
	r := start(t, "good", "--workers", "1", "--graceful-timeout", "1h")
	pid := r.until(t, "a worker", ready(1, 1)).Workers[0].PID
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	r.until(t, "a stopped worker", func(st control.Status) bool { return st.Workers[0].State == "stopped" })
	if err := r.Stop(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	select {
	case got := <-r.result:
		if got.Code != 0 {
			t.Errorf("ended with %+v", got)
		}
	case <-time.After(30 * time.Second):
		_ = syscall.Kill(pid, syscall.SIGKILL)
		t.Fatal("the service did not stop")
	}
	if out := r.everything(); strings.Contains(out, "killed") || !strings.Contains(out, "exit status 0") {
		t.Error("the worker did not end by itself")
	}
}
