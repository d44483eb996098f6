package worker

import (
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"
)

// crowd keeps the bounds of how much there may be at a time.
type crowd struct {
	Limits
	waiting atomic.Int64 // requests whose answer has not begun
	bodies  atomic.Int64 // those of them that wait for their client, for more of a body
}

// tooMany reports that one connection more is not served, and has told its client
// so; then it is closed. Of one that is let in to be told, crowded is set.
func (s *server) tooMany(c *conn) bool {
	if s.crowd.Connections < 0 {
		return false
	}
	over := s.conns.len() - s.crowd.Connections
	if over < 0 {
		return false
	}
	s.said.crowded.say(s.logger, slog.LevelWarn, "connections beyond the bound are answered 503", "bound", s.crowd.Connections,
		"hint", "worker.Limits.Connections, more workers, or a limit in front")
	s.board.Refused()
	if over < telling {
		c.crowded = true
		return false
	}
	s.board.Begin("", "", "").End(http.StatusServiceUnavailable)
	if s.tls == nil {
		_, _ = io.WriteString(c.Conn, "HTTP/1.1 503 Service Unavailable\r\nRetry-After: "+s.crowd.seconds()+
			"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n") // what does not fit into the empty buffer is not waited for
	}
	_ = c.Conn.Close()
	return true
}

// seconds is what Retry-After says.
func (l *crowd) seconds() string {
	return strconv.FormatInt(int64((l.RetryAfter+time.Second-1)/time.Second), 10)
}

// full answers a request that is one too many, and reports that it did.
// Those that wait for a body are their clients' doing: they take no place from others, and
// there may be half as many of them again.
func (s *server) full(w http.ResponseWriter, r *http.Request, c *conn) bool {
	bodies := s.crowd.bodies.Load()
	waiting := s.crowd.InFlight >= 0 && (s.crowd.waiting.Load()-bodies > int64(s.crowd.InFlight) ||
		r.ContentLength != 0 && bodies > int64(s.crowd.InFlight/2))
	crowded := c != nil && c.crowded
	if !waiting && !crowded || s.crowd.Exempt(r) {
		return false
	}
	why := "too many connections"
	if !crowded {
		why = "too many requests wait for their answers"
		s.said.waiting.say(s.logger, slog.LevelWarn, "requests beyond the bound are answered 503", "bound", s.crowd.InFlight,
			"hint", "worker.Limits.InFlight, or what the handlers wait for")
	}
	if crowded || r.ContentLength != 0 && r.ProtoMajor == 1 { // net/http would wait for the body first
		w.Header().Set("Connection", "close")
	}
	w.Header().Set("Retry-After", s.crowd.seconds())
	http.Error(w, why, http.StatusServiceUnavailable)
	return true
}
