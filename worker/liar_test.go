package worker_test

import (
	"math"
	"testing"
	"time"

	"github.com/tandem-go/tandem/internal/fleet"
)

// TestLiarsDoNotStopAccepting: a broken worker writes into the fleet whatever is
// worst for the others: that it has no connection, takes one after the other, and is
// many. All clients are served all the same, if not at once.
func TestLiarsDoNotStopAccepting(t *testing.T) {
	k := newKin(t)
	fd, addr := listen(t)
	p := startAmong(t, k, fd)
	kept(t, addr, 20)
	var liars []*fleet.Member
	for range 50 {
		k.next(t)
		liars = append(liars, k.fleet.Member(k.last))
	}
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		ticker := time.NewTicker(time.Millisecond)
		defer ticker.Stop()
		for {
			for _, m := range liars {
				m.Serve(fleet.Plain)
				m.Received()
			}
			for range math.MaxUint8 {
				liars[0].Closed() // below nothing
			}
			select {
			case <-ticker.C:
			case <-end:
				return
			}
		}
	}()
	defer func() { close(end); <-ended }()
	begin := time.Now()
	for _, c := range kept(t, addr, 40) {
		if answer, _ := c.must(t, "/", "again"); pid(answer) != p.pid() {
			t.Errorf("answered %q", answer)
		}
	}
	if took := time.Since(begin); took > 20*time.Second {
		t.Errorf("40 connections took %v", took)
	}
}
