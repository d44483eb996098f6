package supervise

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tandem-go/tandem/internal/channel"
	"github.com/tandem-go/tandem/internal/control"
)

// Each key seals for a day and opens for two more, however late the timer is.
func TestKeysOfTicketsRotate(t *testing.T) {
	begin := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	var keys tickets
	seen := map[string]int{} // a key to its number
	numbers := func() (all []int) {
		for _, key := range keys.keys {
			if len(key) != 32 || bytes.Equal(key, make([]byte, 32)) {
				t.Fatalf("a key is %x", key)
			}
			if _, ok := seen[string(key)]; !ok {
				seen[string(key)] = len(seen) + 1
			}
			all = append(all, seen[string(key)])
		}
		return all
	}
	if keys.due(begin) != 0 {
		t.Error("the first key is not due at once")
	}
	for _, step := range []struct {
		at      time.Duration
		changed bool
		want    []int // newest first
		due     time.Duration
	}{
		{0, true, []int{1}, 24 * time.Hour},
		{time.Hour, false, []int{1}, 23 * time.Hour},
		{24*time.Hour - 1, false, []int{1}, 1},
		{24 * time.Hour, true, []int{2, 1}, 24 * time.Hour},
		{48 * time.Hour, true, []int{3, 2, 1}, 24 * time.Hour},
		{71 * time.Hour, false, []int{3, 2, 1}, time.Hour},
		{72 * time.Hour, true, []int{4, 3, 2}, 24 * time.Hour},
		{97 * time.Hour, true, []int{5, 4, 3}, 24 * time.Hour}, // an hour late
		{150 * time.Hour, true, []int{6, 5}, 24 * time.Hour},   // after a sleep of the machine
		{900 * time.Hour, true, []int{7}, 24 * time.Hour},
	} {
		now := begin.Add(step.at)
		old, serial := keys.keys, keys.serial
		if changed := keys.rotate(now); changed != step.changed || (keys.serial != serial) != changed {
			t.Errorf("after %v: changed %v, serial from %d to %d", step.at, changed, serial, keys.serial)
		}
		if got := numbers(); !reflect.DeepEqual(got, step.want) || keys.due(now) != step.due {
			t.Errorf("after %v: keys %v, due in %v; want %v, %v", step.at, got, keys.due(now), step.want, step.due)
		}
		for _, key := range old {
			kept := false
			for _, now := range keys.keys {
				kept = kept || &now[0] == &key[0]
			}
			if !kept && !bytes.Equal(key, make([]byte, 32)) {
				t.Errorf("after %v: a key that was dropped is still %x", step.at, key[:4])
			}
		}
	}
}

// An upgrade takes them over with their ages; one from a supervisor without any begins anew.
func TestKeysOfTicketsGoOverInAnUpgrade(t *testing.T) {
	now := time.Now()
	var keys tickets
	keys.rotate(now.Add(-25 * time.Hour))
	keys.rotate(now.Add(-time.Hour))
	text, err := json.Marshal(saved{Tickets: keys.save(now)})
	if err != nil {
		t.Fatal(err)
	}
	var st saved
	if err := json.Unmarshal(text, &st); err != nil {
		t.Fatal(err)
	}
	got := st.Tickets.tickets(now)
	if !reflect.DeepEqual(got.keys, keys.keys) || got.serial != 2 || got.due(now) != 23*time.Hour || now.Sub(got.made[1]) != 25*time.Hour {
		t.Errorf("took over %d keys, serial %d, due in %v", len(got.keys), got.serial, got.due(now))
	}
	for _, none := range []*savedTickets{nil, {Keys: keys.keys}} {
		if got := none.tickets(now); got.serial != 0 || got.keys != nil || got.due(now) != 0 {
			t.Errorf("from %+v: %+v", none, got)
		}
	}
}

// ticketing is a worker that prints the beginnings of the keys that it is told,
// and then speaks.
func ticketing() {
	conn, err := channel.Inherited()
	if err != nil {
		panic(err)
	}
	go func() {
		for {
			m, fds, err := conn.Receive()
			if err != nil {
				return
			}
			channel.Discard(fds)
			if m.Type == channel.Hello || m.Type == channel.Tickets {
				var line strings.Builder
				for _, key := range m.TicketKeys {
					fmt.Fprintf(&line, " %x", key[:4])
				}
				fmt.Printf("%s with keys%s.\n", m.Type, line.String())
			}
			if m.Type == channel.Hello {
				if err := conn.Send(channel.Greeting()); err != nil {
					panic(err)
				}
			}
		}
	}()
}

// aged makes a day pass for the keys.
type aged struct{}

func (aged) handle(s *Supervisor) {
	for i := range s.tickets.made {
		s.tickets.made[i] = s.tickets.made[i].Add(-ticketsEvery)
	}
	s.rotateTickets()
}

// Workers of every generation have the same keys from the hello on, and are told
// of a new one. Nothing that the supervisor says has a key in it.
func TestAllWorkersHaveTheSameKeysOfTickets(t *testing.T) {
	r := build(t, "tickets", "--workers", "2")
	first := fmt.Sprintf("%x", r.tickets.keys[0][:4])
	go func() { r.result <- r.Run(t.Context()) }()
	t.Cleanup(func() { <-r.done })
	r.until(t, "workers that speak", speaking(2, 1))
	r.said(t, "hello with keys "+first+".", 2)
	if _, err := r.Reload(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	r.until(t, "workers that speak", speaking(2, 2))
	r.said(t, "hello with keys "+first+".", 4)
	r.send(aged{})
	r.said(t, " "+first+".", 6) // behind a newer one
	text := r.output.String()
	_, after, _ := strings.Cut(text, "tickets with keys ")
	second := after[:8]
	r.said(t, "tickets with keys "+second+" "+first+".", 2)
	if err := r.Scale(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	r.until(t, "workers that speak", speaking(3, 2))
	r.said(t, "hello with keys "+second+" "+first+".", 1)
	r.Signal(syscall.SIGTERM)
	<-r.result
	if len(r.tickets.keys) != 0 {
		t.Error("keys are left when all is over")
	}
	for line := range strings.Lines(r.everything()) {
		if strings.Contains(line, first) && !strings.Contains(line, "with keys") {
			t.Error("the supervisor logged a key: ", line)
		}
	}
}

// A worker that speaks only after a rotation is told then.
func TestAWorkerThatSpeaksLateIsToldTheKeys(t *testing.T) {
	r := build(t, "tickets", "--workers", "1")
	s := r.Supervisor
	go func() { r.result <- r.Run(t.Context()) }()
	t.Cleanup(func() { <-r.done })
	r.until(t, "the worker", speaking(1, 1))
	s.send(behind{})
	if err := r.Scale(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	r.until(t, "the keys", func(control.Status) bool { return strings.Contains(r.output.String(), "tickets with keys ") })
	r.Signal(syscall.SIGTERM)
	<-r.result
}

// behind has all workers not know the keys of now.
type behind struct{}

func (behind) handle(s *Supervisor) {
	for _, w := range s.workers {
		w.tickets = 0
	}
}
