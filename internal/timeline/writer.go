package timeline

import (
	"fmt"
	"slices"
	"time"
)

// run writes what comes. It alone opens the disk, and uses it to write.
func (s *Store) run() {
	defer close(s.ended)
	if s.path == "" {
		<-s.stop
		return
	}
	resting := !s.attach() // the disk has failed, and is left alone
	close(s.loaded)
	poke(s.wake) // what came over with an upgrade did not
	again := time.NewTimer(retry)
	defer again.Stop()
	if !resting {
		again.Stop()
	}
	for {
		select {
		case <-s.wake:
			if resting {
				continue
			}
		case <-again.C:
		case <-s.stop:
			s.flush()
			if s.disk != nil {
				s.disk.close()
			}
			return
		}
		if resting = !s.flush(); resting {
			again.Reset(retry)
		}
	}
}

// attach opens the directory and reads what is there; false means that it could
// not, which is said once.
func (s *Store) attach() bool {
	var before []Event
	d, err := openDisk(s.path)
	if err == nil {
		if before, _, err = read(d.dir.Root); err != nil {
			d.close()
		}
	}
	if err == nil {
		s.join(d, before)
	} else if !s.failed(err) && !s.warner.Warned(err) {
		s.log.Warn("the timeline is kept in memory only", "directory", s.path, "error", err)
	}
	return err == nil
}

// join puts what is on disk, whose numbers stand, before what is in memory, which
// gets others where they are taken.
func (s *Store) join(d *disk, before []Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	mine, lost := s.unwritten()
	// What came over in an upgrade may have been written at the last moment.
	for len(mine) > 0 && has(before, mine[0]) {
		mine, lost = mine[1:], 0
	}
	at, last := time.Now(), uint64(0)
	if len(mine) > 0 {
		at = mine[0].Time
	}
	var between []Event
	if n := len(before); n > 0 {
		last = before[n-1].Seq
		if s.apart && before[n-1].Kind != SupervisorStopped {
			between = append(between, lostSupervisor(at))
		}
	}
	seq, shift := max(s.seq, last), uint64(0) // of the last before those that are new on disk
	if n := uint64(len(between)); len(mine) > 0 {
		first := last + n + 1
		if lost > 0 {
			first++ // flush says so
		}
		first = max(first, mine[0].Seq)
		seq, shift = first-n-1, first-mine[0].Seq
	}
	s.disk, s.apart, s.written, s.lost = d, false, seq, lost
	before = before[max(0, len(before)-inMemory):]
	s.events = slices.Concat(before, between, mine) // anew: readers have the old ones
	for i := range s.events[len(before):] {
		seq++
		s.events[len(before)+i].Seq = seq
	}
	s.seq = seq
	for r := range s.readers {
		r.last += shift
		poke(r.wake)
	}
}

// has says whether an event is one of events, perhaps with another number.
func has(events []Event, e Event) bool {
	return slices.ContainsFunc(events, func(o Event) bool { return o.Time.Equal(e.Time) && o.Kind == e.Kind && o.Text == e.Text })
}

func lostSupervisor(at time.Time) Event {
	const cause = "it was killed, the machine went down, or its last events could not be written"
	return Event{
		Time: at, Kind: SupervisorLost, Cause: cause, Actor: "supervisor",
		Text: "the supervisor before this one ended without a word: " + cause,
	}
}

func missing(n uint64, why string, at time.Time) Event {
	return Event{
		Time: at, Kind: Missing, Cause: why, Actor: "supervisor",
		Text: fmt.Sprintf("%d events are missing here: they could not be written to disk", n),
	}
}

// flush writes what is not on disk yet; false means that it could not be written.
func (s *Store) flush() bool {
	if s.disk == nil && !s.attach() {
		return false
	}
	s.mu.Lock()
	pending, lost := s.unwritten()
	if len(pending) == 0 {
		s.mu.Unlock()
		return true
	}
	s.written, s.lost = pending[0].Seq-1, lost
	if lost > 0 { // in their place, and with the number of the last of them
		mark := missing(lost, s.problem, pending[0].Time)
		mark.Seq = s.written
		pending = slices.Concat([]Event{mark}, pending)
	}
	s.mu.Unlock()

	last, err := s.disk.append(pending)
	if last > 0 {
		s.wrote(last)
	}
	// Not under the lock: who adds would wait for the log.
	switch again := s.failed(err); {
	case err == nil && again:
		s.log.Info("the timeline is on disk again", "directory", s.path)
	case err != nil && !again:
		s.log.Warn("the timeline cannot be written to disk, and goes on in memory", "directory", s.path, "error", err)
	}
	return err == nil
}

// wrote takes note of how far a write came: what is missing before it is said.
func (s *Store) wrote(last uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.written, s.lost = last, 0
}

// failed takes note of how the disk has answered, and reports whether it had
// failed the time before.
func (s *Store) failed(err error) (before bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before = s.problem != ""
	if s.problem = ""; err != nil {
		s.problem = line(err.Error(), maxCause)
	}
	return before
}
