package supervise

import (
	"crypto/rand"
	"time"

	"github.com/tandem-go/tandem/internal/arbiter"
	"github.com/tandem-go/tandem/internal/channel"
)

const (
	// ticketsEvery is how long new session tickets are sealed with one key.
	ticketsEvery = 24 * time.Hour
	// ticketsKept is how many keys there are: a ticket resumes for two days at
	// least, and who steals the keys opens what was sealed in the last three.
	ticketsKept = 3
)

// tickets are the keys of TLS session tickets, the same for all workers of all
// generations. They are in memory alone, ours, the workers' and, in an upgrade, that
// of the state. The zero value has none.
type tickets struct {
	keys   channel.TicketKeys // newest first
	made   []time.Time        // of each
	serial int                // grows with each change; 0: there was none yet
}

// rotate makes a new key if it is time, drops those that are too old, and
// reports whether anything has changed.
func (t *tickets) rotate(now time.Time) (changed bool) {
	for n := len(t.keys); n > 0 && now.Sub(t.made[n-1]) >= ticketsKept*ticketsEvery; n-- {
		t.keep(n - 1)
		changed = true
	}
	if len(t.keys) == 0 || now.Sub(t.made[0]) >= ticketsEvery {
		t.keep(ticketsKept - 1)
		key := make([]byte, 32)
		_, _ = rand.Read(key) // never fails: the runtime ends the program instead
		t.keys = append(channel.TicketKeys{key}, t.keys...)
		t.made = append([]time.Time{now}, t.made...)
		changed = true
	}
	if changed {
		t.serial++
	}
	return changed
}

// keep wipes all but the n newest.
func (t *tickets) keep(n int) {
	n = min(n, len(t.keys))
	t.keys[n:].Wipe()
	t.keys, t.made = t.keys[:n], t.made[:n]
}

// due is when to rotate next.
func (t *tickets) due(now time.Time) time.Duration {
	if len(t.made) == 0 {
		return 0
	}
	return max(0, t.made[0].Add(ticketsEvery).Sub(now))
}

// savedTickets goes over in an upgrade. Its memory is that of the state: a memfd
// that is gone with it.
type savedTickets struct {
	Keys   channel.TicketKeys `json:"keys"`
	Ages   []time.Duration    `json:"ages"`
	Serial int                `json:"serial"`
}

func (t *tickets) save(now time.Time) *savedTickets {
	st := &savedTickets{Keys: t.keys, Serial: t.serial}
	for _, made := range t.made {
		st.Ages = append(st.Ages, now.Sub(made))
	}
	return st
}

// tickets makes them again. A supervisor of before has none: then new ones are made.
func (st *savedTickets) tickets(then time.Time) (t tickets) {
	if st == nil || len(st.Keys) != len(st.Ages) {
		return t
	}
	t = tickets{keys: st.Keys, serial: st.Serial}
	for _, age := range st.Ages {
		t.made = append(t.made, then.Add(-age))
	}
	return t
}

// rotateTickets makes a new key when it is time, and tells the workers.
func (s *Supervisor) rotateTickets() {
	if !s.tickets.rotate(time.Now()) {
		return
	}
	s.log.Debug("TLS session tickets have a new key", "keys", len(s.tickets.keys))
	s.tellTickets()
}

// tellTickets tells the keys to those workers that do not have them. One that
// cannot be told now is told after the next event; one that does not speak has them
// in the hello that it did not read.
func (s *Supervisor) tellTickets() {
	behind := false
	for _, w := range s.workers {
		behind = behind || w.tickets != s.tickets.serial
	}
	if !behind {
		return
	}
	for _, known := range s.core.Snapshot().Workers {
		w := s.workers[known.ID]
		if w == nil || w.tickets == s.tickets.serial || !known.Speaks || known.State == arbiter.Killed {
			continue
		}
		if err := w.channel.Send(channel.Message{Type: channel.Tickets, TicketKeys: s.tickets.keys}); err != nil {
			s.log.Debug("a worker was not told the keys of session tickets", "worker", w.id, "error", err)
			continue
		}
		w.tickets = s.tickets.serial
	}
}
