package main

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/tandem-go/tandem/internal/strict"
)

// kind is one way in which clients use a service.
type kind string

const (
	short     kind = "short"     // a connection for each request
	kept      kind = "kept"      // POST on connections kept alive, thinking in between; half of the clients blind
	streaming kind = "stream"    // an answer that takes most of a second
	upload    kind = "upload"    // a body that takes half a second
	webSocks  kind = "websocket" // messages that must come back
	http2     kind = "h2"        // several requests at once on one connection
)

var kinds = []kind{short, kept, streaming, upload, webSocks, http2}

// slack is what an answer may take beyond the time that its kind needs by itself;
// a slower one is late.
const slack = time.Second

// giveUp bounds one request.
const giveUp = 20 * time.Second

// tally is the account of one kind.
type tally struct {
	mu      sync.Mutex
	sent    int
	late    int
	doubled int
	told    int // ended by the protocol's own word that the server goes: GOAWAY, close 1012
	refused int
	first   time.Time // refusal; zero: there was none
	wrong   []string
	losses  []loss
}

// loss is a request without its answer.
type loss struct {
	client, how string
	at          time.Time
}

func (t *tally) count(f func(*tally)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f(t)
}

func (t *tally) lose(client, how string) {
	t.count(func(t *tally) { t.losses = append(t.losses, loss{client, how, time.Now()}) })
}

// refuse counts a connection that did not come about.
func (t *tally) refuse() {
	t.count(func(t *tally) {
		t.refused++
		if t.first.IsZero() {
			t.first = time.Now()
		}
	})
}

// timed counts an answer, and whether it was late.
func (t *tally) timed(took time.Duration) {
	t.count(func(t *tally) {
		t.sent++
		if took > slack {
			t.late++
		}
	})
}

// clients are all that use the service during one turn.
type clients struct {
	strict map[kind]*strict.Running
	others map[kind]*tally
	kept   *strict.Report // once those have ended
	stop   context.CancelFunc
	ended  sync.WaitGroup
}

// begin sends clients of every kind. They stop when stopped, at the latest after
// limit.
func begin(ctx context.Context, addr string, limit time.Duration) *clients {
	sending, stop := context.WithTimeout(ctx, limit)
	c := &clients{stop: stop, strict: map[kind]*strict.Running{}, others: map[kind]*tally{}}
	load := func(k kind, needs time.Duration, groups ...strict.Group) {
		c.strict[k] = strict.Start(ctx, strict.Load{
			Addr: addr, Duration: limit, Timeout: giveUp, LateAfter: needs + slack, Groups: groups,
		})
	}
	load(short, 0, strict.Group{
		Mode: strict.Short, Clients: 3, Target: "/echo/", ThinkMin: 5 * time.Millisecond, ThinkMax: 15 * time.Millisecond, Check: strict.EchoJSON,
	})
	talker := strict.Group{
		Mode: strict.Kept, Clients: 12, Target: "/echo/", Body: 256, ThinkMin: 5 * time.Millisecond, ThinkMax: 300 * time.Millisecond, Check: strict.EchoJSON,
	}
	blind := talker
	blind.Blind, blind.ThinkMax = true, 1500*time.Millisecond
	load(kept, 0, talker, blind)
	load(streaming, streamChunks*streamEvery, strict.Group{
		Mode: strict.Short, Clients: 4, Target: "/stream/", ThinkMax: 50 * time.Millisecond, Check: wholeStream,
	})
	const pace = 500 * time.Millisecond
	load(upload, pace, strict.Group{
		Mode: strict.Upload, Clients: 4, Target: "/echo/", Body: 64 << 10, Pace: pace, ThinkMax: 50 * time.Millisecond, Check: strict.EchoJSON,
	})
	other := func(k kind, n int, run func(ctx, sending context.Context, addr, name string, t *tally)) {
		t := new(tally)
		c.others[k] = t
		for i := range n {
			c.ended.Go(func() { run(ctx, sending, addr, fmt.Sprintf("%s%d", k, i), t) })
		}
	}
	other(webSocks, 6, talkWebSocket)
	other(http2, 3, talkHTTP2)
	return c
}

// wholeStream accepts all chunks of this very request, in order.
func wholeStream(a strict.Answer) error {
	var want strings.Builder
	for i := range streamChunks {
		fmt.Fprintf(&want, "%s %d\n", a.ID, i)
	}
	if string(a.Body) != want.String() {
		return fmt.Errorf("the stream is not that of %s: %d of %d bytes", a.ID, len(a.Body), want.Len())
	}
	return nil
}

// flow waits until a few more requests of each strict kind were answered well.
func (c *clients) flow(ctx context.Context) error {
	for k, r := range c.strict {
		if err := r.Answered(ctx, 3); err != nil {
			return fmt.Errorf("%s: %w", k, err)
		}
	}
	return nil
}

// endKept ends the clients with kept connections. At a stop of the service their
// connections are closed when they are idle: there is nobody left to go on.
func (c *clients) endKept() {
	rep := c.strict[kept].Stop()
	c.kept = &rep
}

// end stops the sending, waits for what is in flight and returns the account.
func (c *clients) end() (map[kind]*tally, error) {
	c.stop()
	all := c.others
	for k, r := range c.strict {
		rep := r.Stop()
		if k == kept && c.kept != nil {
			rep = *c.kept
		}
		t := &tally{
			sent: rep.Sent() - rep.Counts[strict.Refused] - rep.Counts[strict.Fault],
			late: rep.Counts[strict.Late], doubled: rep.Counts[strict.Doubled], refused: rep.Counts[strict.Refused], first: rep.FirstRefused,
		}
		for _, e := range rep.Events {
			switch e.Outcome {
			case strict.Lost:
				t.losses = append(t.losses, loss{e.Local, e.String(), e.Time})
			case strict.Wrong, strict.Doubled:
				t.wrong = append(t.wrong, e.String())
			case strict.Fault:
				return nil, fmt.Errorf("the client itself failed: %s", e)
			}
		}
		all[k] = t
	}
	c.ended.Wait()
	return all, nil
}
