package strict_test

import (
	"testing"
	"time"

	"github.com/tandem-go/tandem/internal/strict"
)

func TestHistogram(t *testing.T) {
	var h strict.Histogram
	for i := range 1000 {
		h.Add(time.Duration(i+1) * time.Millisecond)
	}
	for q, want := range map[float64]time.Duration{.5: 500 * time.Millisecond, .99: 990 * time.Millisecond, .999: 999 * time.Millisecond} {
		if got := h.Quantile(q); got < want || float64(got) > float64(want)*1.04 {
			t.Errorf("quantile %v: %s, want %s", q, got, want)
		}
	}
	if h.Max() != time.Second || h.Count() != 1000 {
		t.Errorf("max %s of %d", h.Max(), h.Count())
	}
	var o strict.Histogram
	o.Add(2 * time.Second)
	o.Add(-1)
	o.Merge(h)
	if o.Count() != 1002 || o.Max() != 2*time.Second || o.Quantile(1) != 2*time.Second {
		t.Errorf("merged: %s", &o)
	}
	if got := new(strict.Histogram).Quantile(.5); got != 0 {
		t.Errorf("empty: %s", got)
	}
}
