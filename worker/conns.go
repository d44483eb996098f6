package worker

import (
	"maps"
	"slices"
	"sync"
)

// conns are the open ones, those of hijackers among them.
type conns struct {
	mu  sync.Mutex
	set map[*conn]struct{}
}

func (s *conns) add(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.set[c] = struct{}{}
}

func (s *conns) remove(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.set, c)
}

func (s *conns) len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.set)
}

// all is who is open now.
func (s *conns) all() []*conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Keys(s.set))
}

// liftMinHops is for connections that were accepted before the drain began.
func (s *conns) liftMinHops() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.set {
		if raw, err := c.SyscallConn(); err == nil {
			_ = raw.Control(func(fd uintptr) { liftMinHops(int(fd)) })
		}
	}
}

// count says how many connections are in the middle of something, how many are
// open in all, and how many of these a sibling could take; hijacked ones are
// none of it, their handlers are waited for.
func (s *conns) count() (inUse, open, movable int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.set {
		switch c.state.Load() {
		case busy, moving, parking:
			inUse++
			open++
		case silent, idle, parked:
			open++
			if c.canMove() {
				movable++
			}
		}
	}
	return inUse, open, movable
}

// closeAll closes the connections in one of the states. Idle ones that speak HTTP/2
// are left to http.Server: it tells their clients which request was the last.
func (s *conns) closeAll(states ...int32) {
	for _, c := range s.all() {
		if c.speaksHTTP2() {
			continue
		}
		for _, state := range states {
			// From here on it is not in that state for anybody else: a byte that
			// comes first makes it busy, and it is left alone.
			if c.state.CompareAndSwap(state, leaving) {
				_ = c.outer.Close()
				break
			}
		}
	}
}
