package worker

import (
	"net"
	"testing"
	"time"
)

// deadlines is a connection that notes what it is told.
type deadlines struct {
	net.Conn
	read time.Time
}

func (d *deadlines) SetReadDeadline(t time.Time) error { d.read = t; return nil }

// Who says nothing has the time of a header from its beginning; to be parked gives
// nobody more. To net/http it is new, which bounds it anew.
func TestTheTimeOfAHeaderIsNotBegunAnew(t *testing.T) {
	s := &server{idleMeansSilent: true}
	inner := &deadlines{}
	c := &conn{Conn: inner, server: s}
	now := time.Now().Round(0)
	accepted := now.Add(10 * time.Second)
	if err := c.SetReadDeadline(accepted); err != nil {
		t.Fatal(err)
	}
	c.leave()
	c.state.Store(busy) // it comes back
	for _, test := range []struct{ set, want time.Time }{
		{now.Add(15 * time.Second), accepted},
		{now.Add(85 * time.Second), now.Add(85 * time.Second)}, // later, of the idle connection
		{time.Time{}, time.Time{}},
	} {
		if err := c.SetReadDeadline(test.set); err != nil || !inner.read.Equal(test.want) {
			t.Errorf("bounded by %v, want %v; %v", inner.read, test.want, err)
		}
	}
}
