package arbiter

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// Restore returns a core that goes on from s at the moment now as the one that
// s was taken of would have gone on. It refuses what no core can have said, so
// that a core never breaks later on what it was given; the error says what.
func Restore(s Saved, now time.Time) (*Core, error) {
	if s.Version != SavedVersion {
		return nil, fmt.Errorf("restore the arbiter: its state is of version %d, this program reads version %d", s.Version, SavedVersion)
	}
	if err := s.check(); err != nil {
		return nil, fmt.Errorf("restore the arbiter: its state contradicts itself: %w", err)
	}
	t := func(m Moment) time.Time {
		if m == nil {
			return time.Time{}
		}
		return now.Add(*m)
	}
	source := &rand.PCG{}
	if err := source.UnmarshalBinary(s.Random); err != nil {
		return nil, fmt.Errorf("restore the arbiter: its source of chance: %w", err)
	}
	c := &Core{
		cfg: s.Settings, n: s.N, gen: s.Generation,
		now: t(s.Now), next: t(s.Next), chance: source, random: rand.New(source), lastID: s.LastID, lastGen: s.LastGen,
		started: s.Started, committed: s.Committed, startBy: t(s.StartBy), everReady: s.EverReady,
		bootFails: s.BootFails, waits: s.Waits, lastFail: s.LastFail,
		stopping: s.Stopping, quick: s.Quick, duckUntil: t(s.DuckUntil),
		refused: s.Refused, exited: s.Exited, exit: s.Exit,
		reloads: reloads{pending: s.Pending, tickets: slices.Clone(s.Tickets), recoverUntil: t(s.RecoverUntil), last: s.Last},
	}
	for _, w := range s.Workers {
		c.workers = append(c.workers, &worker{
			id: w.ID, gen: w.Generation, state: w.State, spawned: t(w.Spawned), readyAt: t(w.ReadyAt), timeout: w.Timeout,
			bound: w.Bound, since: t(w.Since), deadline: t(w.Deadline), latest: t(w.Latest),
			speaks: w.Speaks, beaten: w.Beaten, lastBeat: t(w.LastBeat),
			stopped: w.Stopped, woken: w.Woken, stalled: w.Stalled, hung: w.Hung, recycle: w.Recycle,
			interrupted: w.Interrupted, dumping: w.Dumping, killedAt: t(w.KilledAt), stuck: w.Stuck, reason: w.Reason,
		})
	}
	for _, g := range s.Open {
		c.open = append(c.open, generation{g.Number, g.Answered})
	}
	b := s.Backoff
	c.backoff = backoff{until: t(b.Until), held: b.Held, waves: b.Waves, mark: b.Mark, degraded: b.Degraded, changed: b.Changed}
	for k, moments := range b.Times {
		for _, m := range moments {
			c.backoff.times[k] = append(c.backoff.times[k], t(m))
		}
	}
	if r := s.Roll; r != nil {
		c.roll = &roll{
			gen: r.Generation, stage: stage(r.Stage), tickets: slices.Clone(r.Tickets),
			began: t(r.Began), deadline: t(r.Deadline), bakeUntil: t(r.BakeUntil),
			cfg: r.Settings, n: r.N, scaled: r.Scaled, failure: r.Failure, worker: r.Worker,
		}
	}
	return c, nil
}

// check looks for what no core can have said.
func (s Saved) check() error {
	switch {
	case s.Settings != s.Settings.normal():
		return errors.New("settings that leave a phase without a bound")
	case s.N < 1:
		return fmt.Errorf("%d workers are wanted", s.N)
	case s.Generation < 1 || s.Generation > s.LastGen:
		return fmt.Errorf("generation %d of %d", s.Generation, s.LastGen)
	case len(s.Backoff.Times) != int(allKinds):
		return fmt.Errorf("%d kinds of failure, there are %d", len(s.Backoff.Times), allKinds)
	}
	last := WorkerID(0)
	for _, w := range s.Workers {
		switch {
		case w.ID <= last || w.ID > s.LastID:
			return fmt.Errorf("worker %d after %d, the last is %d", w.ID, last, s.LastID)
		case w.State > Killed:
			return fmt.Errorf("worker %d in state %d", w.ID, w.State)
		case w.Generation < 1 || w.Generation > s.LastGen:
			return fmt.Errorf("worker %d of generation %d of %d", w.ID, w.Generation, s.LastGen)
		case w.Timeout < 0:
			return fmt.Errorf("worker %d has a timeout of %v", w.ID, w.Timeout)
		case w.State != Ready && w.Deadline == nil && !w.Stopped:
			return fmt.Errorf("worker %d is %v without a bound", w.ID, w.State)
		}
		last = w.ID
	}
	if r := s.Roll; r != nil {
		switch {
		case r.Stage > uint8(rolling):
			return fmt.Errorf("a reload in stage %d", r.Stage)
		case r.Generation <= s.Generation || r.Generation > s.LastGen:
			return fmt.Errorf("a reload to generation %d, committed is %d, the last is %d", r.Generation, s.Generation, s.LastGen)
		case r.Deadline == nil:
			return errors.New("a reload without a bound")
		case stage(r.Stage) > preparing && r.Settings != r.Settings.normal():
			return errors.New("a reload with settings that leave a phase without a bound")
		}
	}
	return nil
}
