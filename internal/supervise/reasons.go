package supervise

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tandem-go/tandem/internal/arbiter"
	"github.com/tandem-go/tandem/internal/postmortem"
	"github.com/tandem-go/tandem/internal/process"
)

// The arbiter says what must be done, and not always why: that is the difference
// between what is there and what is wanted, which the snapshot after the step shows.

// startReason says why a worker is started, after the step that an event made.
func startReason(ev arbiter.Event, snap arbiter.Snapshot, a arbiter.Spawn) string {
	serving, recycled := 0, arbiter.WorkerID(0)
	for _, w := range snap.Workers {
		if w.Generation == snap.Generation && w.State == arbiter.Ready && !w.Stopped {
			serving++
			if w.Recycle != "" && recycled == 0 {
				recycled = w.ID
			}
		}
	}
	switch {
	case a.Generation == snap.Roll.Generation:
		return fmt.Sprintf("the reload to generation %d", a.Generation)
	case recycled != 0 && serving >= snap.Wanted:
		return fmt.Sprintf("worker %d is to be recycled", recycled)
	}
	switch ev := ev.(type) {
	case arbiter.Start:
		return "the first start"
	case arbiter.Scale, arbiter.ScaleBy:
		return fmt.Sprintf("scaled to %d", snap.Wanted)
	case arbiter.Exited:
		return fmt.Sprintf("worker %d has ended", ev.ID)
	case arbiter.SpawnFailed:
		return fmt.Sprintf("worker %d could not be started", ev.ID)
	}
	return "a worker is missing"
}

// drainReason says why a worker is asked to go, after the step that asked it.
func drainReason(id arbiter.WorkerID, snap arbiter.Snapshot) string {
	i := slices.IndexFunc(snap.Workers, func(w arbiter.Worker) bool { return w.ID == id })
	if i < 0 {
		return "it is not needed any more"
	}
	w, roll := snap.Workers[i], snap.Roll
	next := max(roll.Generation, snap.Generation)
	switch {
	case snap.Phase == arbiter.PhaseStopping:
		return "the service stops"
	case w.Generation > snap.Generation && w.Generation != roll.Generation:
		return fmt.Sprintf("the reload to generation %d was undone", w.Generation)
	case w.ReadyAt.IsZero():
		return "it is not ready, and not needed any more"
	case w.Generation < snap.Generation || w.Generation == snap.Generation && roll.Stage == "rolling":
		return fmt.Sprintf("its replacement of generation %d is ready", next)
	case w.Recycle != "":
		return "its replacement is ready"
	case w.Generation == snap.Generation && roll.Generation != 0:
		return fmt.Sprintf("room is needed for generation %d", next)
	}
	if snap.Wanted == 1 {
		return "1 worker is wanted"
	}
	return fmt.Sprintf("%d workers are wanted", snap.Wanted)
}

// endReason says how a worker ended, and who brought that about. What the worker
// itself wrote is not in it, not even the message of its panic.
func endReason(w *worker, r *postmortem.Record, e process.Exit) (cause, actor string) {
	if r == nil {
		return e.String(), byWorker(w)
	}
	cause, actor = r.Cause.Text, byWorker(w)
	switch r.Cause.Class {
	case postmortem.ClassPanic:
		cause = "a Go panic or fatal error"
	case postmortem.ClassExit:
		if code := r.Cause.ExitCode; code != nil {
			cause = fmt.Sprintf("exit status %d", *code)
		}
	case postmortem.ClassSignal:
		if r.Cause.Signal == "SIGKILL" || r.Cause.Signal == "SIGTERM" || r.Cause.Signal == "SIGINT" {
			actor = byNobody // nothing sends itself these
		}
	case postmortem.ClassOOM:
		actor = "the kernel"
	case postmortem.ClassHung, postmortem.ClassBoot, postmortem.ClassDrain:
		actor = byUs
	}
	const early = ", before it was ready"
	if !w.ready && r.Cause.Class != postmortem.ClassBoot && !strings.HasSuffix(cause, early) {
		cause += early
	}
	return cause, actor
}
