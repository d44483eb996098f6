package bridge

import "time"

// Lower lets l's threads go and takes its Ps back now rather than after a while.
func Lower(l *Limiter) {
	procs.mu.Lock()
	l.computing.ended = time.Now().Add(-procs.linger)
	procs.mu.Unlock()
	procs.lower(l)
}
