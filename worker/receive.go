package worker

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"net"
	"os"
	"sync"
	"time"

	"github.com/tandem-go/tandem/internal/fleet"
	"github.com/tandem-go/tandem/internal/handover"
	"github.com/tandem-go/tandem/internal/http1"
)

const (
	// A worker with more than its part leaves what is in the queue to the others…
	takeFactor, takeSlack = 1.02, 1
	// … while they take something, in each such time; when they do not, it takes one,
	// the next time two, and so on.
	takePatience = 25 * time.Millisecond
	takeAtMost   = 64
	// drainPatience is that of a worker that drains, and takes all then.
	drainPatience = 2 * time.Second
	// Others go first for so long without a pause: who says that it takes one
	// after the other may lie.
	lettingAtMost = time.Second
	drainLetting  = 3 * drainPatience
	// descriptorPause is how long a worker without a descriptor lets the others.
	descriptorPause = 10 * time.Millisecond
)

// backDoor is the second listener of a door: connections come in by it that a
// sibling has accepted, those of TLS when they are through the handshake, and those
// that were parked.
type backDoor struct {
	door   *door
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newBackDoor(d *door) *backDoor {
	return &backDoor{door: d, conns: make(chan net.Conn), closed: make(chan struct{})}
}

func (d *backDoor) Accept() (net.Conn, error) {
	select {
	case c := <-d.conns:
		return c, nil
	case <-d.closed:
		return nil, net.ErrClosed
	}
}

func (d *backDoor) Addr() net.Addr { return d.door.Addr() }

func (d *backDoor) Close() error {
	d.once.Do(func() { close(d.closed) })
	return nil
}

// receive takes connections out of the queue until it is closed.
func (s *server) receive() {
	sib, told := s.siblings, false
	forced, left := 1, 0 // how many the next time, and how many of the last
	drains := false      // the drain had begun before this turn
	var letting time.Time
	for sib.queue.Waiting() == nil {
		if s.draining.Load() && !drains {
			drains, left = true, 0 // what was granted to who stays is not to who goes
		}
		whose := s.turn(left > 0)
		if whose == notMine {
			switch {
			case sib.queue.Empty(), sib.orphaned():
				letting = time.Time{}
			case letting.IsZero():
				letting = time.Now()
			case time.Since(letting) > lettingAtMost && (!s.draining.Load() || time.Since(letting) > drainLetting):
				whose = nobodys
				sib.alone.set(time.Now().Add(passAgain))
			}
		}
		if whose != notMine {
			letting = time.Time{}
		}
		switch whose {
		case notMine:
			continue
		case mine:
			forced, left = 1, 0
		case nobodys:
			left = forced
			forced = min(2*forced, takeAtMost)
			if drains {
				left = math.MaxInt // all: those of the queue have waited for long
			}
		}
		left--
		err := s.take(drains && whose != mine)
		switch {
		case err == nil, errors.Is(err, errCrowded):
		case errors.Is(err, handover.ErrEmpty):
			left = 0
		case errors.Is(err, net.ErrClosed), errors.Is(err, os.ErrClosed):
			return
		case errors.Is(err, handover.ErrNoDescriptor):
			s.pause(descriptorPause)
			fallthrough
		default:
			if !told { // once: whoever fills the queue must not fill the log
				s.logger.Warn("a connection of a sibling was not taken", "error", err)
			}
			told = true
		}
		// What comes later has not waited. Who drains would take back, and keep from the
		// others, all that it is about to give them.
		if left > 0 && sib.queue.Empty() {
			left = 0
		}
	}
}

// Whose turn it is to take the next connection out of the queue.
const (
	notMine = iota // another's, and it was taken
	mine
	nobodys // whoever should take it stands still: to be served is more than to be even
	granted // this worker's, of those that were nobody's
)

// turn waits until it is clear, for no longer than the patience of this worker:
// how often it lets others go first is for the caller to bound.
func (s *server) turn(grant bool) int {
	patience := s.patience()
	switch {
	case s.siblings.orphaned(): // it is for the next supervisor's workers
		s.pause(drainPatience)
		return notMine
	case patience == 0:
		return mine
	case grant:
		return granted
	}
	before := s.siblings.me.Peers(s.siblings.kind).Received
	if !s.pause(patience) || s.siblings.queue.Empty() || s.siblings.orphaned() ||
		s.siblings.me.Peers(s.siblings.kind).Received != before {
		return notMine
	}
	s.siblings.alone.set(time.Now().Add(passAgain))
	return nobodys
}

func (s *server) patience() time.Duration {
	switch {
	case s.siblings.stopping():
		return 0
	case s.draining.Load():
		return drainPatience
	case s.siblings.over(takeFactor, takeSlack):
		return takePatience
	}
	return 0
}

// pause is false when the server has ended meanwhile.
func (s *server) pause(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-s.base.Done():
		return false
	}
}

// take receives one connection and lets it in. back says that nobody else took it in
// the patience of a worker that drains.
func (s *server) take(back bool) error {
	sib := s.siblings
	sib.receive.Lock()
	if sib.closed {
		sib.receive.Unlock()
		return net.ErrClosed
	}
	sib.arriving.Add(1)
	record, fd, err := sib.queue.Receive()
	sib.receive.Unlock()
	if err == nil {
		err = s.adopt(record, fd, back)
	}
	if err != nil {
		sib.arriving.Add(-1)
		return err
	}
	sib.me.Received()
	return nil
}

// adopt serves a connection that a sibling has accepted as if it had been
// accepted here, except that it keeps its past.
func (s *server) adopt(r handover.Record, fd int, back bool) error {
	if r.Requests > 0 && fleet.Kind(r.Kind) != s.siblings.kind {
		rawClose(fd)
		return errors.New("it is not of the kind that this worker serves, and was closed")
	}
	if s.crowd.Connections >= 0 && s.conns.len() >= s.crowd.Connections+telling {
		rawClose(fd) // its client is idle, and may come again; without a descriptor nobody could
		s.said.crowded.say(s.logger, slog.LevelWarn, "idle connections of siblings beyond the bound are closed", "bound", s.crowd.Connections,
			"hint", "worker.Limits.Connections, or more workers")
		return errCrowded
	}
	liftMinHops(fd) // it may have been accepted after the stop had begun
	accepted, err := s.connection(fd)
	if err != nil {
		return err
	}
	if back && !s.siblings.orphaned() {
		s.takenBack() // or it would go round and round. One that came as the drain began goes on to a sibling
	}
	d := s.doors[0]
	for _, other := range s.doors {
		if other.name() == r.Door {
			d = other
		}
	}
	c := s.admit(accepted, d)
	c.adopted = true
	c.requests.Store(r.Requests)
	c.since.set(time.Now().Add(-r.Idle))
	if r.Remote != "" {
		c.remote, _ = handover.ParseAddr(r.Remote) // checked when it was decoded
		c.proxied = false
	}
	if r.Requests > 0 {
		c.proxied = false // what comes next is a request, whatever this worker expects of new ones
		c.spoke1.Store(true)
		c.guard = http1.New(&s.guards.encrypted) // the same limits, and no HTTP/2 any more
		if s.lot != nil && s.tls == nil {
			s.adoptParked(c)
			return nil
		}
		c.keep = s.idleTimeout(r.Idle)
	}
	return s.enter(c)
}

var errCrowded = errors.New("it is one too many")

// idleTimeout is how long a connection that has been idle for so long already
// may be in all. A second more at least: the client may be about to send.
func (s *server) idleTimeout(idle time.Duration) time.Duration {
	bound := s.http.IdleTimeout
	if bound == 0 {
		bound = s.http.ReadTimeout
	}
	if bound <= 0 {
		bound = forEver
	}
	return max(idle+time.Second, bound)
}

// forEver is an idle timeout where there is none.
const forEver = 365 * 24 * time.Hour

// Requests is how many requests have been answered before this one on its
// connection, by this worker or by one that has handed the connection over. ctx
// is a request's context or one made from it; outside of a worker, and in
// HTTP/2, it is 0.
func Requests(ctx context.Context) uint64 {
	if c, ok := ctx.Value(connKey{}).(*conn); ok {
		return c.requests.Load()
	}
	return 0
}

type connKey struct{}
