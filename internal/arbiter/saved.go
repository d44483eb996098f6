package arbiter

import "time"

// SavedVersion is the version of Saved. Whatever changes the meaning of a field
// raises it, and Restore takes no other.
const SavedVersion = 1

// Saved is all that a core knows, as plain data for encoding/json. Its moments
// are counted from the one at which it was taken, so that another process with
// another clock can go on from it.
type Saved struct {
	Version int `json:"version"`

	Settings   Settings   `json:"settings"` // of the committed generation
	N          int        `json:"n"`
	Generation Generation `json:"generation"`

	Now     Moment            `json:"now"` // of the last Step
	Next    Moment            `json:"next"`
	Random  []byte            `json:"random"`
	Workers []SavedWorker     `json:"workers"`
	LastID  WorkerID          `json:"last_id"`
	LastGen Generation        `json:"last_generation"`
	Open    []SavedGeneration `json:"open"`

	Started   bool   `json:"started"`
	Committed bool   `json:"committed"`
	StartBy   Moment `json:"start_by"`
	EverReady bool   `json:"ever_ready"`
	BootFails int    `json:"boot_fails"`
	Waits     bool   `json:"waits"`
	LastFail  string `json:"last_fail"`

	Backoff SavedBackoff `json:"backoff"`

	Roll         *SavedRoll `json:"roll"` // nil: no reload is under way
	Pending      bool       `json:"pending"`
	Tickets      []uint64   `json:"tickets"`
	RecoverUntil Moment     `json:"recover_until"`
	Last         LastReload `json:"last"`

	Stopping  bool   `json:"stopping"`
	Quick     bool   `json:"quick"`
	DuckUntil Moment `json:"duck_until"`
	Refused   bool   `json:"refused"`
	Exited    bool   `json:"exited"`
	Exit      Exit   `json:"exit"`
}

// Moment is a point in time, as nanoseconds from the one at which a Saved was
// taken; nil is the zero time.
type Moment *time.Duration

// SavedWorker is one worker in a Saved.
type SavedWorker struct {
	ID          WorkerID      `json:"id"`
	Generation  Generation    `json:"generation"`
	State       State         `json:"state"`
	Spawned     Moment        `json:"spawned"`
	ReadyAt     Moment        `json:"ready_at"`
	Timeout     time.Duration `json:"timeout"`
	Bound       time.Duration `json:"bound"`
	Since       Moment        `json:"since"`
	Deadline    Moment        `json:"deadline"`
	Latest      Moment        `json:"latest"`
	Speaks      bool          `json:"speaks"`
	Beaten      bool          `json:"beaten"`
	LastBeat    Moment        `json:"last_beat"`
	Stopped     bool          `json:"stopped"`
	Woken       bool          `json:"woken"`
	Stalled     bool          `json:"stalled"`
	Hung        bool          `json:"hung"`
	Recycle     string        `json:"recycle"`
	Interrupted bool          `json:"interrupted"`
	Dumping     bool          `json:"dumping"`
	KilledAt    Moment        `json:"killed_at"`
	Stuck       bool          `json:"stuck"`
	Reason      string        `json:"reason"`
}

// SavedGeneration is a generation in a Saved that has not been released.
type SavedGeneration struct {
	Number   Generation `json:"number"`
	Answered bool       `json:"answered"`
}

// SavedBackoff is the back-off in a Saved. Times are by kind of failure.
type SavedBackoff struct {
	Until    Moment     `json:"until"`
	Held     int        `json:"held"`
	Waves    int        `json:"waves"`
	Mark     WorkerID   `json:"mark"`
	Times    [][]Moment `json:"times"`
	Degraded bool       `json:"degraded"`
	Changed  bool       `json:"changed"`
}

// SavedRoll is the reload under way in a Saved.
type SavedRoll struct {
	Generation Generation `json:"generation"`
	Stage      uint8      `json:"stage"`
	Tickets    []uint64   `json:"tickets"`
	Began      Moment     `json:"began"`
	Deadline   Moment     `json:"deadline"`
	BakeUntil  Moment     `json:"bake_until"`
	Settings   Settings   `json:"settings"`
	N          int        `json:"n"`
	Scaled     bool       `json:"scaled"`
	Failure    string     `json:"failure"`
	Worker     WorkerID   `json:"worker"`
}

// State returns all that the core knows, as seen at the moment now. It shares
// nothing with the core.
func (c *Core) State(now time.Time) Saved {
	m := func(t time.Time) Moment {
		if t.IsZero() {
			return nil
		}
		d := t.Sub(now)
		return &d
	}
	s := Saved{
		Version: SavedVersion, Settings: c.cfg, N: c.n, Generation: c.gen,
		Now: m(c.now), Next: m(c.next), LastID: c.lastID, LastGen: c.lastGen,
		Started: c.started, Committed: c.committed, StartBy: m(c.startBy), EverReady: c.everReady,
		BootFails: c.bootFails, Waits: c.waits, LastFail: c.lastFail,
		Pending: c.pending, Tickets: append([]uint64(nil), c.tickets...),
		RecoverUntil: m(c.recoverUntil), Last: c.last,
		Stopping: c.stopping, Quick: c.quick, DuckUntil: m(c.duckUntil),
		Refused: c.refused, Exited: c.exited, Exit: c.exit,
	}
	s.Random, _ = c.chance.MarshalBinary() // it never fails
	for _, w := range c.workers {
		s.Workers = append(s.Workers, SavedWorker{
			ID: w.id, Generation: w.gen, State: w.state, Spawned: m(w.spawned), ReadyAt: m(w.readyAt), Timeout: w.timeout,
			Bound: w.bound, Since: m(w.since), Deadline: m(w.deadline), Latest: m(w.latest),
			Speaks: w.speaks, Beaten: w.beaten, LastBeat: m(w.lastBeat),
			Stopped: w.stopped, Woken: w.woken, Stalled: w.stalled, Hung: w.hung, Recycle: w.recycle,
			Interrupted: w.interrupted, Dumping: w.dumping, KilledAt: m(w.killedAt), Stuck: w.stuck, Reason: w.reason,
		})
	}
	for _, g := range c.open {
		s.Open = append(s.Open, SavedGeneration{g.number, g.answered})
	}
	b := c.backoff
	s.Backoff = SavedBackoff{Until: m(b.until), Held: b.held, Waves: b.waves, Mark: b.mark, Degraded: b.degraded, Changed: b.changed}
	for _, times := range b.times {
		moments := make([]Moment, 0, len(times))
		for _, t := range times {
			moments = append(moments, m(t))
		}
		s.Backoff.Times = append(s.Backoff.Times, moments)
	}
	if r := c.roll; r != nil {
		s.Roll = &SavedRoll{
			Generation: r.gen, Stage: uint8(r.stage), Tickets: append([]uint64(nil), r.tickets...),
			Began: m(r.began), Deadline: m(r.deadline), BakeUntil: m(r.bakeUntil),
			Settings: r.cfg, N: r.n, Scaled: r.scaled, Failure: r.failure, Worker: r.worker,
		}
	}
	return s
}
