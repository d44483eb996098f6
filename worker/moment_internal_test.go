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
