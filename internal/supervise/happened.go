package supervise

import (
	"context"
	"regexp"
	"slices"
	"strings"

	"github.com/tandem-go/tandem/internal/admin"
	"github.com/tandem-go/tandem/internal/timeline"
)

// Follow gives the last events of the timeline, at most so many, and then what
// comes, some at a time, until ctx ends. It closes the channel then, and when its
// reader is slower than the timeline's memory is long.
func (w *Watcher) Follow(ctx context.Context, atMost int) <-chan []admin.Event {
	comes := make(chan []admin.Event)
	go func() {
		defer close(comes)
		past, err := w.timeline.List(ctx, timeline.Query{Limit: atMost})
		if err != nil {
			return
		}
		after := uint64(0)
		if n := len(past); n > 0 {
			after = past[n-1].Seq
		}
		sub := w.timeline.Subscribe(after)
		defer sub.Close()
		for i, e := range slices.Backward(past) {
			if e.Kind == timeline.SupervisorStarted { // before it was another clock
				for j := range i {
					past[j].Clock = 0
				}
				break
			}
		}
		shown := showing{drained: map[uint64]bool{}}
		for next, missed := past, uint64(0); err == nil && missed == 0; next, missed, err = sub.Next(ctx) {
			select {
			case comes <- shown.events(next):
			case <-ctx.Done():
				return
			}
		}
	}()
	return comes
}

// showing makes of events what whoever reaches the admin listener may see.
type showing struct{ drained map[uint64]bool } // workers that were asked to go

func (s showing) events(events []timeline.Event) []admin.Event {
	shown := make([]admin.Event, 0, len(events))
	for _, e := range events {
		a := admin.Event{
			Seq: e.Seq, Time: e.Time, Moment: e.Moment(), Kind: string(e.Kind), Worker: e.Worker, Generation: e.Generation, Actor: shownActor(e.Actor),
		}
		// Those of the others may quote a path, or a worker's last words.
		if slices.Contains(plainCauses, e.Kind) {
			a.Cause = e.Cause
		}
		switch e.Kind {
		case timeline.State:
			a.Cause = e.Text // which state it is
		case timeline.WorkerDraining:
			s.drained[e.Worker] = true
		case timeline.WorkerExited:
			// A replaced worker of which the beginning is too long ago to be told ends with 0.
			a.Crash = !s.drained[e.Worker] && e.Cause != "exit status 0"
			delete(s.drained, e.Worker)
		case timeline.WorkerHung, timeline.WorkerFailed:
			a.Crash = true
		}
		shown = append(shown, a)
	}
	return shown
}

// plainCauses are the kinds of events whose cause is in our own words alone.
var plainCauses = []timeline.Kind{
	timeline.State, timeline.Scaled, timeline.WorkerStarted, timeline.WorkerDraining, timeline.WorkerRecycled, timeline.WorkerHung,
	timeline.WorkerKilled, timeline.WorkerStopped, timeline.WorkerExited,
}

var plainActor = regexp.MustCompile(`^(signal [A-Z0-9+]+|supervisor|the service manager|the kernel|--watch|worker [0-9]+|unknown|others)$`)

// shownActor is who it was without a user or a process.
func shownActor(actor string) string {
	var shown []string
	for a := range strings.SplitSeq(actor, " and ") {
		switch {
		case strings.HasSuffix(a, "the control socket"):
			a = "control socket"
		case !plainActor.MatchString(a):
			continue
		}
		if !slices.Contains(shown, a) {
			shown = append(shown, a)
		}
	}
	return strings.Join(shown, " and ")
}
