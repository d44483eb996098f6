package main

import (
	"github.com/tandem-go/tandem/internal/admin"
	"github.com/tandem-go/tandem/internal/control"
	"github.com/tandem-go/tandem/internal/history"
	"github.com/tandem-go/tandem/internal/metrics"
	"github.com/tandem-go/tandem/internal/postmortem"
	"github.com/tandem-go/tandem/internal/socket"
	"github.com/tandem-go/tandem/internal/supervise"
	"github.com/tandem-go/tandem/internal/timeline"
	"github.com/tandem-go/tandem/internal/upgrade"
)

// The parts of the state that goes over in an upgrade, but for the supervisor's
// own.
const (
	partControl  = "control"
	partAdmin    = "admin"
	partRecords  = "postmortem"
	partTimeline = "timeline"
	partHistory  = "history"
)

// parts says how the check proves that each part can be used. A state with a
// part that is not here is refused.
func parts() map[string]upgrade.Check {
	return map[string]upgrade.Check{
		supervise.PartName:    supervise.CheckState,
		supervise.LogPart:     supervise.CheckLog,
		supervise.MetricsPart: upgrade.Decodes[metrics.State],
		partRecords:           upgrade.Decodes[postmortem.State],
		partTimeline:          upgrade.Decodes[timeline.Carried],
		partHistory:           upgrade.Decodes[history.State],
		partControl: adopts(func(st control.State, take func(int) (int, error)) error {
			_, err := control.Adopt(st, take)
			return err
		}),
		partAdmin: adopts(func(st socket.State, take func(int) (int, error)) error {
			_, err := admin.Adopt(st, take)
			return err
		}),
	}
}

// adopts is the check of a part that f makes anew.
func adopts[T any](f func(st T, take func(int) (int, error)) error) upgrade.Check {
	return func(t *upgrade.Taken, name string) error {
		var st T
		if _, err := t.Get(name, &st); err != nil {
			return err
		}
		return f(st, t.FD)
	}
}
