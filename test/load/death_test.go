//go:build load

package load

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/tandem-go/tandem/internal/strict"
	"github.com/tandem-go/tandem/test/harness"
)

// TestKilledWorkers kills workers at random. A loss is allowed only where the
// dead worker held the connection, and only then.
func TestKilledWorkers(t *testing.T) {
	const workers, kills = 4, 12
	ctx := within(t)
	s, st := serve(ctx, t, workers, harness.Config{})
	l := traffic(s.Addr)
	clients := 0
	for _, g := range l.Groups {
		clients += g.Clients
	}
	run := begin(ctx, t, l)

	type death struct {
		at   time.Time
		id   string
		held int // most that it can have held
	}
	var deaths []death
	var took []time.Duration
	for range kills {
		victim := st.Workers[rand.IntN(len(st.Workers))]
		if victim.AgeSeconds < 1.2 {
			// The replacement of one that dies in its first second is delayed, by
			// design. The oldest will do.
			victim = slices.MaxFunc(st.Workers, func(a, b harness.Worker) int { return cmp.Compare(a.AgeSeconds, b.AgeSeconds) })
		}
		held := clients
		if victim.Connections != nil {
			// Between the count and the signal each client that connects anew
			// may have been given to it.
			held = min(clients, int(*victim.Connections)+l.Groups[0].Clients)
		}
		d := death{at: time.Now(), id: strconv.FormatUint(victim.ID, 10), held: held}
		if err := harness.Kill(victim.PID, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		deaths = append(deaths, d)
		var err error
		st, err = s.Await(ctx, "the replacement of a killed worker", func(st harness.Status) bool {
			return len(st.Ready()) == workers && !slices.Contains(harness.PIDs(st.Workers), victim.PID)
		})
		if err != nil {
			t.Fatal(err)
		}
		took = append(took, time.Since(d.at))
		flow(ctx, t, run, 150)
		if st, err = s.Await(ctx, "a worker old enough", func(st harness.Status) bool {
			return len(st.Ready()) == workers && len(st.Workers) == workers && slices.ContainsFunc(st.Workers, func(w harness.Worker) bool { return w.AgeSeconds > 1.2 })
		}); err != nil {
			t.Fatal(err)
		}
	}
	rep := run.Stop()
	t.Logf("%s", rep)
	slices.Sort(took)
	t.Logf("replacement ready after a kill (seen by polling): median %s, worst %s", took[len(took)/2], took[len(took)-1])

	lost := make([]int, len(deaths))
	for _, e := range rep.Events {
		// A kept connection knows its worker, and a blind client finds out up to
		// a think time later; of a new connection the last death is to blame.
		i := -1
		for j, d := range deaths {
			if d.at.Before(e.Time) && (e.Nth <= 1 || e.Tag == d.id) {
				i = j
			}
		}
		switch {
		case e.Outcome != strict.Lost:
			t.Errorf("not a loss: %s", e)
		case i < 0 || e.Time.Sub(deaths[i].at) > time.Second:
			t.Errorf("lost without the death of its worker: %s", e)
		default:
			lost[i]++
		}
	}
	for i, d := range deaths {
		if lost[i] > d.held {
			t.Errorf("the death of worker %s cost %d requests, it held at most %d", d.id, lost[i], d.held)
		}
	}
	if n := rep.Counts[strict.Refused]; n > 0 {
		t.Errorf("%d connections refused while other workers served", n)
	}
}

// TestStop ends the service under load: what was accepted is answered, and
// nothing is left.
func TestStop(t *testing.T) {
	for _, how := range []string{"TERM", "stop"} {
		t.Run(how, func(t *testing.T) {
			ctx := within(t)
			s, _ := serve(ctx, t, 4, harness.Config{})
			l := traffic(s.Addr)
			l.EndWhenRefused = true
			l.Groups = append(l.Groups, slow()...)
			run := begin(ctx, t, l)
			flow(ctx, t, run, 400)
			if how == "TERM" {
				signal(t, s, syscall.SIGTERM)
			} else {
				must(ctx, t, s, "stop")
			}
			if code, err := s.Wait(ctx); err != nil || code != 0 {
				t.Errorf("exit %d, %v", code, err)
			}
			answered(t, run.Wait()) // every client ends by its refusal
			if left := s.Strays(); len(left) > 0 {
				t.Errorf("processes left when the supervisor had exited: %v", left)
			}
			if _, err := os.Lstat(s.Control); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("control socket left: %v", err)
			}
			if c, err := net.Dial("tcp", s.Addr); err == nil {
				c.Close()
				t.Errorf("%s still accepts", s.Addr)
			}
		})
	}
}

// TestSupervisorKilled takes the supervisor away: its workers answer what they
// hold and end by themselves.
func TestSupervisorKilled(t *testing.T) {
	const held = 12
	ctx := within(t)
	s, st := serve(ctx, t, 3, harness.Config{})
	run := strict.Start(t.Context(), strict.Load{
		Addr: s.Addr, Requests: held, Duration: limit,
		Groups: []strict.Group{
			{Mode: strict.Short, Clients: held / 2, Target: "/stream/?n=12&ms=100", Check: wholeStream(12)},
			{Mode: strict.Upload, Clients: held / 2, Target: "/echo/", Body: 4 << 10, Pace: 1200 * time.Millisecond, Check: strict.EchoJSON},
		},
	})
	defer run.Wait()
	if _, err := s.Await(ctx, fmt.Sprintf("%d requests in flight", held), func(st harness.Status) bool {
		n := int64(0)
		for _, w := range st.Workers {
			if w.InFlight != nil {
				n += *w.InFlight
			}
		}
		return n == held
	}); err != nil {
		t.Fatal(err)
	}
	killed := time.Now()
	if err := harness.Kill(s.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	gone(ctx, t, s)
	rep := run.Wait()
	t.Logf("workers %v ended %s after their supervisor\n%s", harness.PIDs(st.Workers), time.Since(killed).Round(time.Millisecond), rep)
	if err := rep.Err(); err != nil || rep.Counts[strict.OK] != held {
		t.Errorf("want %d answers: %v", held, err)
	}
	if c, err := net.Dial("tcp", s.Addr); err == nil {
		c.Close()
		t.Errorf("%s still accepts with nobody to serve", s.Addr)
	}
}
