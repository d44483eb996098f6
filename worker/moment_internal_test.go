package worker

import (
	"strings"
	"testing"
	"time"
)

// TestAMomentDoesNotLeap: it has the monotonic reading of what was set, which time.Time
// shows, and goes by.
func TestAMomentDoesNotLeap(t *testing.T) {
	var m moment
	now := time.Now()
	if got := m.get(); !got.Equal(processBegan) || got.After(now) {
		t.Errorf("of nothing: %v", got)
	}
	m.set(now.Add(time.Second))
	if got := m.get(); got.Sub(now) != time.Second || !strings.Contains(got.String(), " m=") {
		t.Errorf("a second after %v: %v", now, got)
	}
}

func TestExpiry(t *testing.T) {
	var e expiry
	if _, bounded := e.get(); bounded {
		t.Error("there is one from the beginning")
	}
	want := time.Now().Add(time.Hour)
	e.set(want)
	for _, read := range []func() (time.Time, bool){e.get, e.take} {
		if got, bounded := read(); !bounded || !got.Equal(want) {
			t.Errorf("%v, %v: want %v", got, bounded, want)
		}
	}
	if _, bounded := e.take(); bounded {
		t.Error("it is there after it was taken")
	}
}
