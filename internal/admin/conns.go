package admin

import (
	"net"
	"net/http"
	"sync"
)

// conns bounds the number of connections. The one too many does not wait: the
// one of which nothing was heard for longest makes room for it. Whoever holds
// connections open therefore cannot shut out a probe, as a queue would let him.
type conns struct {
	max int

	mu    sync.Mutex
	order uint64
	open  map[net.Conn]uint64 // when its state changed last
}

func newConns(limit int) *conns {
	return &conns{max: limit, open: make(map[net.Conn]uint64)}
}

// changed is [http.Server.ConnState].
func (c *conns) changed(conn net.Conn, state http.ConnState) {
	if victim := c.note(conn, state); victim != nil {
		_ = victim.Close() // its goroutine sees it and says so, here
	}
}

func (c *conns) note(conn net.Conn, state http.ConnState) (victim net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch state {
	case http.StateClosed, http.StateHijacked:
		delete(c.open, conn)
		return nil
	case http.StateNew:
	default:
		if _, known := c.open[conn]; !known {
			return nil // it has made room already
		}
	}
	c.order++
	c.open[conn] = c.order
	if len(c.open) <= c.max {
		return nil
	}
	oldest := c.order
	for other, at := range c.open {
		if at < oldest {
			victim, oldest = other, at
		}
	}
	delete(c.open, victim)
	return victim
}
