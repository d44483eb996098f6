package orm

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// errNoPlace says that nobody has left a gate within the bound.
var errNoPlace = errors.New("no place became free in time")

// gate lets so many in at once, in the order in which they came. database/sql lets
// any of those who wait have a connection that is given back.
type gate struct {
	mu     sync.Mutex
	limit  int
	inside int
	queue  []chan struct{} // closed for who is let in

	waits  int64
	waited time.Duration
}

func newGate(limit int) *gate { return &gate{limit: limit} }

// enter waits until it is let in: at most for bound, unless that is 0. Whoever is
// let in has to leave.
func (g *gate) enter(ctx context.Context, bound time.Duration) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	g.mu.Lock()
	if g.inside < g.limit && len(g.queue) == 0 {
		g.inside++
		g.mu.Unlock()
		return nil
	}
	in := make(chan struct{})
	g.queue = append(g.queue, in)
	g.waits++
	g.mu.Unlock()

	began := time.Now()
	var late <-chan time.Time
	if bound > 0 {
		timer := time.NewTimer(bound)
		defer timer.Stop()
		late = timer.C
	}
	err := func() error {
		select {
		case <-in:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-late:
			return errNoPlace
		}
	}()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waited += time.Since(began)
	if err != nil {
		select {
		case <-in: // let in at the same moment: the next one's turn
			g.left()
		default:
			g.queue = slices.DeleteFunc(g.queue, func(other chan struct{}) bool { return other == in })
		}
	}
	return err
}

// leave makes room for the next one.
func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.left()
}

func (g *gate) left() {
	g.inside--
	g.admit()
}

func (g *gate) admit() {
	for g.inside < g.limit && len(g.queue) > 0 {
		g.inside++
		close(g.queue[0])
		g.queue = slices.Delete(g.queue, 0, 1)
	}
}

// resize changes how many are let in. Nobody is sent away.
func (g *gate) resize(limit int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.limit = limit
	g.admit()
}

// seen is how it stands, and how often and for how long in all somebody has waited.
func (g *gate) seen() (limit, inside, waiting int, waits int64, waited time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.limit, g.inside, len(g.queue), g.waits, g.waited
}
