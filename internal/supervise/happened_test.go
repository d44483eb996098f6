package supervise

import (
	"context"
	"reflect"
	"testing"
	"time"

	"github.com/tandem-go/tandem/internal/admin"
	"github.com/tandem-go/tandem/internal/timeline"
)

// Nothing that a worker wrote, no path, no user and no process goes to the admin
// listener; and what ended without having been asked to is told apart.
func TestWhatOfTheTimelineIsShown(t *testing.T) {
	shown := showing{drained: map[uint64]bool{}}
	var got []admin.Event
	for _, e := range []timeline.Event{
		{Kind: timeline.ReloadUndone, Cause: "secret last words", Actor: "uid 0 (root), pid 4242 over the control socket and signal HUP", Text: "secret"},
		{Kind: timeline.UpgradeFailed, Cause: "/secret/path", Actor: "somebody else"},
		{Kind: timeline.WorkerFailed, Worker: 9, Cause: "/secret/program: no such file", Actor: "supervisor"},
		{Kind: "of-the-future", Cause: "secret", Actor: "pid 7, its parent"},
		{Kind: timeline.WorkerDraining, Worker: 1, Cause: "its replacement is ready", Actor: "the control socket"},
		{Kind: timeline.WorkerExited, Worker: 1, Cause: "exit status 0", Actor: "worker 1"},
		{Kind: timeline.WorkerExited, Worker: 2, Cause: "exit status 0", Actor: "worker 2"}, // its drain was long ago
		{Kind: timeline.WorkerExited, Worker: 3, Cause: "killed by SIGKILL", Actor: "unknown"},
		{Kind: timeline.WorkerHung, Worker: 4, Cause: "silent for 30s"},
		{Kind: timeline.State, Cause: "a reload", Text: "the service is reloading: a reload"},
	} {
		e.Seq, e.Time = uint64(len(got)+1), time.Unix(int64(len(got)), 0)
		got = append(got, shown.events([]timeline.Event{e})...)
	}
	want := []admin.Event{
		{Kind: "reload-undone", Actor: "control socket and signal HUP"},
		{Kind: "upgrade-failed"},
		{Kind: "worker-failed", Worker: 9, Actor: "supervisor", Crash: true},
		{Kind: "of-the-future"},
		{Kind: "worker-draining", Worker: 1, Cause: "its replacement is ready", Actor: "control socket"},
		{Kind: "worker-exited", Worker: 1, Cause: "exit status 0", Actor: "worker 1"},
		{Kind: "worker-exited", Worker: 2, Cause: "exit status 0", Actor: "worker 2"},
		{Kind: "worker-exited", Worker: 3, Cause: "killed by SIGKILL", Actor: "unknown", Crash: true},
		{Kind: "worker-hung", Worker: 4, Cause: "silent for 30s", Crash: true},
		{Kind: "state", Cause: "the service is reloading: a reload"},
	}
	for i := range want {
		want[i].Seq, want[i].Time = uint64(i+1), time.Unix(int64(i), 0)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("shown is\n%+v, want\n%+v", got, want)
	}
}

// An event is where it was, whatever the time of day was set to since; those of the
// supervisor before, which may have been before a boot, are nowhere.
func TestMomentsOfTheTimeline(t *testing.T) {
	store := timeline.New("", timeline.Options{})
	began, anHourOff := time.Now(), time.Now().Add(-time.Hour)
	for _, kind := range []timeline.Kind{timeline.Scaled, timeline.SupervisorStarted, timeline.WorkerReady} {
		store.Add(timeline.Event{Kind: kind, Time: anHourOff})
	}
	ctx, cancel := context.WithCancel(t.Context())
	w := &Watcher{timeline: store}
	comes := w.Follow(ctx, 10)
	got := <-comes
	store.Add(timeline.Event{Kind: timeline.Scaled})
	got = append(got, <-comes...)
	cancel()
	if len(got) != 4 || !got[0].Moment.IsZero() {
		t.Fatalf("%+v", got)
	}
	for _, e := range got[1:] {
		if since := e.Moment.Sub(began); since < -5*time.Millisecond || since > time.Since(began)+5*time.Millisecond {
			t.Errorf("event %d was %v after the test began", e.Seq, since)
		}
	}
	if _, more := <-comes; more {
		t.Error("it goes on")
	}
}
