package bridge

import "time"

// Lower lets l's threads go and takes its Ps back now rather than after a while.
func Lower(l *Limiter) {
	procs.mu.Lock()
	l.computing.ended = time.Now().Add(-procs.linger)
	procs.mu.Unlock()
	procs.lower(l)
}

// HasThread says whether s has a thread for pinned frames.
func HasThread(s *Scope) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.thread != nil
}
