package postmortem

import (
	"fmt"
	"slices"
)

// spare bounds what is held in memory because it is not on disk: the oldest
// lose their lines and dumps first.
func (s *Store) spare() {
	size := 0
	for _, e := range slices.Backward(s.entries) {
		if e.full == nil {
			continue
		}
		if size += e.size; size > maxInMemory {
			full := e.Record
			full.Lines = []Line{{Text: "[lines and goroutines were given up: the record could not be written to disk]"}}
			e.full = &full
			size -= e.size
			e.size = full.size()
			size += e.size
		}
	}
	if n := len(s.entries) - 2*maxRecords; n > 0 {
		s.entries = slices.Delete(s.entries, 0, n)
	}
}

// flush writes what is not on disk and removes what is too old; false means
// that something could not be written. Only the store's goroutine calls it.
func (s *Store) flush() bool {
	if s.folder == nil { // nobody else sets it
		s.load()
	}
	s.mu.Lock()
	folder := s.folder
	var gone, dirty []*entry
	keep := s.entries[:0:0]
	for i, e := range slices.Backward(s.entries) {
		if len(s.entries)-i > maxRecords {
			gone = append(gone, e)
			continue
		}
		keep = append(keep, e)
		if e.dirty {
			dirty = append(dirty, e)
		}
	}
	slices.Reverse(keep)
	s.entries = keep
	s.mu.Unlock()
	if folder == nil {
		return s.dir == ""
	}
	for _, e := range gone {
		folder.remove(e.ID + suffix)
	}
	for _, e := range dirty {
		s.mu.Lock()
		r, full := e.Record, e.full
		s.mu.Unlock()
		if full == nil { // on disk already: one more of a kind
			read, err := folder.read(r.ID + suffix)
			if err == nil {
				read.Count, read.Repeats = r.Count, r.Repeats
				r = read
			}
		} else {
			r = *full
		}
		if err := folder.write(r); err != nil {
			if s.failed(fmt.Errorf("post-mortem records that cannot be written are kept in memory: %w", err)) {
				s.log.Warn("post-mortem records that cannot be written are kept in memory", "directory", s.dir, "error", err)
			}
			return false
		}
		s.mu.Lock()
		if e.Count == r.Count {
			e.dirty, e.full = false, nil
		}
		s.mu.Unlock()
	}
	for _, id := range folder.tooMuch(maxOnDisk) {
		folder.remove(id + suffix)
		s.mu.Lock()
		s.entries = slices.DeleteFunc(s.entries, func(e *entry) bool { return e.ID == id && e.full == nil })
		s.mu.Unlock()
	}
	s.mu.Lock()
	if s.problem != "" {
		s.log.Info("post-mortem records are on disk again", "directory", s.dir)
		s.problem = ""
	}
	s.mu.Unlock()
	return true
}

// failed takes note of what is wrong, and reports whether it is news.
func (s *Store) failed(err error) (first bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	first = s.problem == ""
	s.problem = err.Error()
	return first
}
