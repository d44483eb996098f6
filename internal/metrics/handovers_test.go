package metrics

import (
	"encoding/json"
	"testing"
	"time"
)

// TestHandoversNeverGoDown: not over a worker's end, not over an upgrade, and not
// by what a broken worker writes.
func TestHandoversNeverGoDown(t *testing.T) {
	totals := NewTotals()
	totals.Handed(1, time.Second, Handovers{Accepted: 10, Moved: 4})
	body, err := json.Marshal(totals.State())
	if err != nil {
		t.Fatal(err)
	}
	var state State
	if err := json.Unmarshal(body, &state); err != nil {
		t.Fatal(err)
	}
	totals = Restore(state)
	if !totals.Handed(1, time.Second, Handovers{Accepted: 12, Moved: 5}) {
		t.Error("what is true is not believed")
	}
	totals.Ended(1, "exit", time.Second, newHonest(1).read())
	totals.Handed(2, time.Second, Handovers{Accepted: 3})
	if totals.Handed(2, time.Second, Handovers{Accepted: 1 << 60}) {
		t.Error("a leap is believed")
	}
	totals.Handed(2, time.Second, Handovers{})
	if got, want := totals.State().Handovers, (Handovers{Accepted: 15, Moved: 5}); got != want {
		t.Errorf("the totals are %+v, want %+v", got, want)
	}
	if n := totals.State().Faults; n != 1 {
		t.Errorf("%d workers at fault, want 1", n)
	}
}
