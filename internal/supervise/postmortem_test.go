package supervise

import (
	"strings"
	"syscall"
	"testing"

	"github.com/tandem-go/tandem/internal/control"
	"github.com/tandem-go/tandem/internal/postmortem"
)

// records starts to keep records; the answer gives those that there are in the
// end.
func (r *rig) records(t *testing.T) func() []postmortem.Record {
	t.Helper()
	store := postmortem.New("", postmortem.Options{})
	store.Start()
	r.opt.Postmortem = store
	return func() (all []postmortem.Record) {
		t.Helper()
		if err := store.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, short := range store.List().Records {
			full, err := store.Get(short.ID)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, full)
		}
		return all
	}
}

func TestAKilledWorkerLeavesARecord(t *testing.T) {
	r := build(t, "good", "--workers", "1")
	records := r.records(t)
	go func() { r.result <- r.Run(t.Context()) }()
	st := r.until(t, "the start", ready(1, 1))
	killed := st.Workers[0].PID
	if err := syscall.Kill(killed, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	r.until(t, "the replacement", func(st control.Status) bool { return ready(1, 1)(st) && st.Workers[0].PID != killed })
	r.Signal(syscall.SIGTERM)
	<-r.result
	all := records()
	if len(all) != 1 {
		t.Fatalf("%d records, of one worker that was killed and one that was asked to go: %+v", len(all), all)
	}
	got := all[0]
	if got.PID != killed || got.Worker != 1 || got.Generation != 1 || got.State != "ready" ||
		got.Cause.Class != postmortem.ClassSignal || got.Cause.Signal != "SIGKILL" || got.ReadySeconds == nil ||
		got.Memory.PeakBytes == nil || *got.Memory.PeakBytes < 1<<20 {
		t.Errorf("%+v", got)
	}
}

func TestAFailedBootLeavesARecord(t *testing.T) {
	r := build(t, "crash", "--workers", "1")
	records := r.records(t)
	go func() { r.result <- r.Run(t.Context()) }()
	<-r.result
	all := records()
	if len(all) != 1 || all[0].Count != 3 || all[0].State != "starting" || all[0].Cause.Class != postmortem.ClassExit ||
		*all[0].Cause.ExitCode != 7 || len(all[0].Lines) != 1 || !strings.Contains(all[0].Lines[0].Text, "last words of a broken build") {
		t.Errorf("three ends of one kind gave %+v", all)
	}
}

func TestThePeakIsNotBelowWhatWasSeen(t *testing.T) {
	seen := int64(20)
	for _, tc := range []struct {
		counted int64
		seen    *int64
		want    int64
	}{{30, &seen, 30}, {10, &seen, 20}, {10, nil, 10}} {
		if got := peak(tc.counted, tc.seen); got != tc.want {
			t.Errorf("counted %d: %d, want %d", tc.counted, got, tc.want)
		}
	}
}
