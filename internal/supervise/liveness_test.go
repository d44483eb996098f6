package supervise

import (
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tandem-go/tandem/internal/control"
)

// ticking is a worker that beats on its scoreboard alone, for five times its
// timeout, and then not any more.
func ticking() {
	conn, board, _ := handed()
	greet(conn)
	tick := time.NewTicker(tickingTimeout / 20)
	for range 100 {
		board.Beat()
		<-tick.C
	}
	os.Stderr.WriteString("no more beats\n")
	select {}
}

const tickingTimeout = time.Second

// A notify queue that is full loses beats; those on the board are not lost.
func TestBeatsOnTheBoardAloneKeepAWorkerAlive(t *testing.T) {
	r := start(t, "ticks", "--workers", "1", "--timeout", tickingTimeout.String())
	first := r.until(t, "a worker that beats", func(st control.Status) bool {
		return len(st.Workers) == 1 && st.Workers[0].Liveness == "ok"
	}).Workers[0]
	r.until(t, "its end", func(st control.Status) bool { return len(st.Workers) == 1 && st.Workers[0].ID != first.ID })
	r.logged(t, "SIGABRT")
	log := r.output.String()
	last, dump := strings.Index(log, "no more beats"), strings.Index(log, "SIGABRT")
	if last < 0 || dump < last || !strings.Contains(log, "was silent for") {
		t.Errorf("it was put down before it fell silent, or not for its silence")
	}
}

// What is stopped is told by the process's state, once for each change.
func TestAStopIsToldOnce(t *testing.T) {
	r := start(t, "good", "--workers", "1")
	pid := r.until(t, "a worker", ready(1, 1)).Workers[0].PID
	for range 2 {
		if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		r.until(t, "a stopped worker", func(st control.Status) bool {
			return st.Workers[0].State == "stopped" && st.Workers[0].Liveness == "stopped"
		})
		if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
		r.until(t, "a worker that goes on", func(st control.Status) bool {
			return st.Workers[0].State == "ready" && st.Workers[0].Liveness == "none" && st.Workers[0].PID == pid
		})
	}
	if err := r.Stop(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	<-r.result
	log := r.everything()
	if stops, goes := strings.Count(log, "worker is stopped"), strings.Count(log, "worker goes on"); stops != 2 || goes != 2 {
		t.Errorf("two stops were told %d times, their ends %d times", stops, goes)
	}
}
