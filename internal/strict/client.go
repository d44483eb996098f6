package strict

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// client is one user: a goroutine with at most one connection and at most one
// request in flight.
type client struct {
	load  Load
	group Group
	rec   *recorder
	rng   *rand.Rand
	id    string
	index int
	n     int // requests sent
	slot  int // of those that a rate sets times for, the next one
	conn  *conn
}

// run sends until sending ends. ctx ends what is in flight too.
func (c *client) run(ctx, sending context.Context) {
	defer func() {
		if c.conn != nil {
			c.conn.Close()
		}
	}()
	start := time.Now()
	for {
		intended, ok := c.pause(sending, start)
		if !ok || !c.rec.take() {
			return
		}
		c.n++
		c.slot++
		id := fmt.Sprintf("%s-%dz", c.id, c.n) // no id is the beginning of another
		c.rec.inFlight.Add(1)
		result, answer := c.one(ctx, id, intended)
		c.rec.inFlight.Add(-1)
		if ctx.Err() != nil {
			return // cut short by us: no statement about the server
		}
		c.add(result, answer)
		if result.Outcome != Refused && result.Outcome != Fault {
			continue
		}
		if c.load.EndWhenRefused || !wait(sending, c.load.RefusedPause) {
			return
		}
	}
}

// add counts a result, and tells who observes.
func (c *client) add(r result, answer *Answer) {
	c.rec.add(r)
	if c.load.Observe != nil {
		c.load.Observe(r.Event, answer)
	}
}

// pause waits for the moment of the next request and returns the time that its
// latency counts from; zero means from the sending. The wait watches the
// connection: a server may close one that is idle, and that is no loss.
func (c *client) pause(sending context.Context, start time.Time) (time.Time, bool) {
	var until, intended time.Time
	switch {
	case c.group.Rate > 0:
		c.skip(start)
		intended = c.due(start, c.slot)
		until = intended
	case c.n == 0 && c.group.ThinkMax > 0:
		// Clients that all begin at once would think in step.
		until = start.Add(rand.N(c.group.ThinkMax))
	default:
		until = time.Now().Add(c.think())
	}
	if d := time.Until(until); d > 0 {
		if c.conn != nil && !c.group.Blind {
			c.watch(sending, until)
		}
		// The connection may have gone early; the pause is still due.
		if !wait(sending, time.Until(until)) {
			return intended, false
		}
	}
	if c.conn != nil && !c.group.Blind && !c.conn.idle() {
		c.drop()
	}
	return intended, sending.Err() == nil
}

// due is the moment of a slot of a group with a rate.
func (c *client) due(start time.Time, slot int) time.Time {
	k := float64(slot*c.group.Clients + c.index)
	return start.Add(time.Duration(k / c.group.Rate * float64(time.Second)))
}

// skip leaves out the slots whose moments have passed, but for the last ones that the
// backlog allows; at the end of the sending, all of them. What comes due later is nobody's.
func (c *client) skip(start time.Time) {
	if c.load.Backlog <= 0 {
		return
	}
	now, backlog := time.Now(), c.load.Backlog
	if until := c.rec.sendingUntil(now); until.Before(now) {
		now, backlog = until, 0
	}
	for !c.due(start, c.slot+backlog).After(now) {
		c.slot++
		c.rec.unsent.Add(1)
	}
}

func (c *client) think() time.Duration {
	if c.group.ThinkMax <= c.group.ThinkMin {
		return c.group.ThinkMin
	}
	return c.group.ThinkMin + time.Duration(c.rng.Int64N(int64(c.group.ThinkMax-c.group.ThinkMin)))
}

// watch reads on the idle connection until the time has come.
func (c *client) watch(sending context.Context, until time.Time) {
	quick := context.AfterFunc(sending, c.conn.wake)
	defer quick()
	if !c.conn.quiet(until) {
		c.drop()
	}
}

// drop lets go of a connection that the server ended while it was idle. What
// came on it without having been asked for is a second answer, unless it says that the
// server has waited for a request for long enough: that is how some close an idle connection
// (RFC 9110, section 15.5.9). Nothing of a request had been sent by then.
func (c *client) drop() {
	if extra := c.conn.unasked(); extra != "" && !c.conn.timedOut() {
		c.add(result{Event: Event{
			Outcome: Doubled, Mode: c.group.Mode, ID: c.conn.lastID, Tag: c.conn.tag, Target: c.group.Target,
			How: "bytes after the answer: " + extra, Nth: c.conn.nth, Time: time.Now(),
		}}, nil)
	} else {
		c.rec.idleClosed.Add(1)
		if c.load.IdleClosed != nil {
			c.load.IdleClosed(Closing{Time: time.Now(), Idle: time.Since(c.conn.lastAt), Nth: c.conn.nth})
		}
	}
	c.conn.Close()
	c.conn = nil
}

// one sends one request and says what became of it, with the answer if one came.
func (c *client) one(ctx context.Context, id string, from time.Time) (result, *Answer) {
	begin := time.Now()
	if from.IsZero() {
		from = begin
	}
	deadline := begin.Add(c.load.Timeout)
	done := func(o Outcome, how string) result {
		r := result{Event: Event{Time: time.Now(), Mode: c.group.Mode, Target: c.group.Target, ID: id, Outcome: o, How: how}}
		r.Took = r.Time.Sub(from)
		if c.conn != nil {
			r.Nth, r.Tag, r.Idle = c.conn.nth, c.conn.tag, c.conn.idled
			r.Local = c.conn.LocalAddr().String()
		}
		if o == OK && c.load.LateAfter > 0 && r.Took > c.load.LateAfter {
			r.Outcome, r.How = Late, fmt.Sprintf("answered after %s", r.Took.Round(time.Millisecond))
		}
		return r
	}
	if c.conn == nil {
		opened, err := c.load.open(ctx, deadline)
		if err != nil {
			o, how := connectFailure(err)
			return done(o, how), nil
		}
		c.conn = opened
		c.rec.connections.Add(1)
	}
	quick := context.AfterFunc(ctx, c.conn.wake)
	defer quick()

	answer, err := c.conn.exchange(c.request(id), deadline)
	var r result
	switch {
	case err != nil:
		r = done(Lost, err.Error())
	case c.group.Accept != nil && !c.group.Accept(answer.Status),
		c.group.Accept == nil && (answer.Status < 200 || answer.Status > 399):
		r = done(Lost, fmt.Sprintf("status %d", answer.Status))
	default:
		if c.group.Tag != nil {
			c.conn.tag = c.group.Tag(answer)
		}
		r = done(OK, "")
		if c.group.Check != nil {
			if wrong := c.group.Check(answer); wrong != nil {
				r = done(Wrong, wrong.Error())
			}
		}
	}
	if err == nil && answer.Close {
		if extra := c.conn.finish(deadline); extra != "" {
			r = done(Doubled, "bytes after the answer: "+extra)
		}
	}
	if err != nil || answer.Close || c.group.Mode != Kept {
		c.conn.Close()
		c.conn = nil
	}
	if err != nil {
		return r, nil
	}
	return r, &answer
}

func (c *client) request(id string) request {
	r := request{
		id: id, method: c.group.Method, target: withID(c.group.Target, id),
		host: c.load.Host, agent: c.load.UserAgent, unframed: c.load.Unframed,
		unread: c.group.Check == nil && c.group.Tag == nil && c.load.Observe != nil,
		close:  c.group.Mode != Kept, kind: "text/plain",
	}
	if c.group.Plain {
		r.target = c.group.Target
	}
	size := c.group.Body
	if c.group.Mode == Upload {
		size, r.pace = max(size, 1<<10), c.group.Pace
	}
	if size > 0 {
		r.body = id + " "
		if n := size - len(r.body); n > 0 {
			r.body += strings.Repeat("x", n)
		}
	}
	if c.group.JSON != nil {
		r.body, r.kind = c.group.JSON(id), "application/json"
	}
	if r.method == "" {
		r.method = "GET"
		if r.body != "" {
			r.method = "POST"
		}
	}
	return r
}

func withID(target, id string) string {
	if strings.Contains(target, "?") {
		return target + "&id=" + id
	}
	return target + "?id=" + id
}

// wait returns false when ctx ends before d has passed.
func wait(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
