package fleet

import (
	"runtime"
)

// Kind is what a worker serves. Connections go only to siblings of one's own
// kind. 0 is not a kind.
type Kind uint32

// Kinds of workers.
const (
	Plain     Kind = 1 // HTTP/1 in clear: its idle connections can move
	Encrypted Kind = 2 // TLS: only fresh connections can
	Both      Kind = 3 // HTTP/1 and HTTP/2 in clear: those that have spoken HTTP/1 can
)

// Member is a worker's own slot. All methods may be called concurrently.
type Member struct {
	fleet *Fleet
	slot  *slot
}

// Member finds the slot that the supervisor has claimed for a worker; nil when
// there is none.
func (f *Fleet) Member(id uint64) *Member {
	s := f.find(id)
	if s == nil {
		return nil
	}
	return &Member{fleet: f, slot: s}
}

// Serve says that this worker takes connections of that kind.
func (m *Member) Serve(kind Kind) {
	m.slot.beat.Store(now())
	m.slot.kind.Store(uint32(kind))
	runtime.KeepAlive(m.fleet)
}

// Leave says that it takes none any more.
func (m *Member) Leave() { m.slot.kind.Store(0); runtime.KeepAlive(m.fleet) }

// Beat says that it is alive now; see BeatInterval.
func (m *Member) Beat() { m.slot.beat.Store(now()); runtime.KeepAlive(m.fleet) }

// Opened counts a connection that is served here from now on.
func (m *Member) Opened() { m.slot.open.Add(1); runtime.KeepAlive(m.fleet) }

// Closed counts one that no longer is.
func (m *Member) Closed() { m.slot.open.Add(-1); runtime.KeepAlive(m.fleet) }

// AcceptCall counts an accept call, whatever it gave.
func (m *Member) AcceptCall() { m.slot.calls.Add(1); runtime.KeepAlive(m.fleet) }

// Accepted counts an accept call that gave a connection.
func (m *Member) Accepted() { m.slot.accepted.Add(1); runtime.KeepAlive(m.fleet) }

// Passed counts a fresh connection that was given to a sibling.
func (m *Member) Passed() { m.slot.passed.Add(1); runtime.KeepAlive(m.fleet) }

// Moved counts an idle connection that was given to a sibling.
func (m *Member) Moved() { m.slot.moved.Add(1); runtime.KeepAlive(m.fleet) }

// Received counts a connection that was taken from a sibling.
func (m *Member) Received() { m.slot.received.Add(1); runtime.KeepAlive(m.fleet) }

// Connections is how many are open here.
func (m *Member) Connections() int64 {
	n := m.slot.open.Load()
	runtime.KeepAlive(m.fleet)
	return n
}

// Peers is what a worker saw of the others at one moment.
type Peers struct {
	Present     int64  // siblings that said they serve, and have not left: silent ones among them
	Serving     int64  // of these: that beat. They are who the spread counts on
	Connections int64  // of those that beat
	Mixed       bool   // some that are present serve another kind
	Received    uint64 // connections that they have ever taken: it grows while they do
}

// Mean is the connections of a worker, if all had as many; own is this one's.
func (p Peers) Mean(own int64) float64 {
	return float64(p.Connections+own) / float64(p.Serving+1)
}

// Peers looks at the others. It costs one read of memory for each of them.
func (m *Member) Peers(kind Kind) Peers {
	var p Peers
	used, now := m.fleet.used(), now()
	for i := range used {
		s := &used[i]
		if s == m.slot || s.id.Load() == 0 {
			continue
		}
		p.Received += s.received.Load()
		switch theirs := Kind(s.kind.Load()); {
		case theirs == 0:
			continue
		case theirs != kind:
			p.Mixed = true
			continue
		}
		p.Present++
		if !s.serving(now) {
			continue
		}
		p.Serving++
		// A lie is not larger than what a process can hold.
		p.Connections += min(max(0, s.open.Load()), 1<<24)
	}
	runtime.KeepAlive(m.fleet)
	return p
}
