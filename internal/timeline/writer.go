package timeline

import (
	"fmt"
	"slices"
	"time"
)

// run writes what comes. It alone uses the disk to write.
func (s *Store) run() {
	defer close(s.ended)
	s.load()
	again := time.NewTimer(0)
	again.Stop()
	defer again.Stop()
	resting := false // the disk has failed, and is left alone
	for {
		select {
		case <-s.wake:
			if resting {
				continue
			}
		case <-again.C:
		case <-s.stop:
			if s.flush() {
				s.flush() // of what is missing, that has been said only now
			}
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

// load opens the directory, reads what is there, and numbers what has come
// meanwhile.
func (s *Store) load() {
	var before []Event
	var d *disk
	if s.path != "" {
		var err error
		if d, err = openDisk(s.path); err == nil {
			if before, _, err = read(d.dir.Root); err != nil {
				d.close()
				d = nil
			}
		}
		if err != nil {
			s.log.Warn("the timeline is kept in memory only", "directory", s.path, "error", err)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.disk = d
	last := uint64(0)
	if n := len(before); n > 0 {
		last = before[n-1].Seq
	}
	carried := s.seq > 0
	// What came over in an upgrade may have been written at the last moment.
	mine := slices.DeleteFunc(slices.Clone(s.events), func(e Event) bool { return e.Seq <= last })
	s.events = slices.Concat(before[max(0, len(before)-inMemory):], mine)
	s.seq = max(s.seq, last)
	if s.written = max(s.written, last); d == nil {
		s.written = 0
	}
	s.number(before, carried)
	select {
	case <-s.loaded: // there is no disk
	default:
		close(s.loaded)
	}
	poke(s.wake)
}

// number gives the events that came before the numbers were known theirs. The
// caller holds the lock.
func (s *Store) number(before []Event, carried bool) {
	early := s.early
	s.early = nil
	end := len(before)
	for end > 0 && before[end-1].Kind == Missing { // said of others, after the end
		end--
	}
	if end > 0 && !carried && before[end-1].Kind != SupervisorStopped {
		const cause = "it was killed, the machine went down, or its last events could not be written"
		s.add(Event{
			Time: time.Now(), Kind: SupervisorLost, Cause: cause, Actor: "supervisor",
			Text: "the supervisor before this one ended without a word: " + cause,
		})
	}
	for _, e := range early {
		s.add(e)
	}
}

// flush writes what is not on disk yet; false means that it could not be written.
func (s *Store) flush() bool {
	s.mu.Lock()
	d, pending := s.disk, s.since(s.written)
	if d == nil || len(pending) == 0 {
		s.mu.Unlock()
		return true
	}
	s.lost += pending[0].Seq - s.written - 1 // the first is the oldest that memory still has
	s.written = pending[0].Seq - 1
	s.mu.Unlock()

	last, err := d.append(pending)
	again := s.wrote(last, err)
	switch { // not under the lock: who adds would wait for the log
	case err == nil && again:
		s.log.Info("the timeline is on disk again", "directory", s.path)
	case err != nil && !again:
		s.log.Warn("the timeline cannot be written to disk, and goes on in memory", "directory", s.path, "error", err)
	}
	return err == nil
}

// wrote takes note of how far a write came, and reports whether the one before
// had failed.
func (s *Store) wrote(last uint64, err error) (failed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.written = max(s.written, last)
	failed = s.problem != ""
	if err != nil {
		s.problem = line(err.Error(), maxCause)
		return failed
	}
	if s.lost > 0 {
		s.add(Event{
			Time: time.Now(), Kind: Missing, Cause: s.problem, Actor: "supervisor",
			Text: fmt.Sprintf("%d events are missing here: they could not be written to disk", s.lost),
		})
	}
	s.problem, s.lost = "", 0
	return failed
}
