package worker

import (
	"math"
	"testing"
)

func TestThePercentKeepsTheFloor(t *testing.T) {
	for _, tc := range []struct {
		live  uint64
		limit int64
		want  int
	}{
		{0, math.MaxInt64, 1000},
		{1 << 20, math.MaxInt64, 1000},
		{4 << 20, math.MaxInt64, 400},
		{16 << 20, math.MaxInt64, 100},
		{1 << 30, math.MaxInt64, 100},
		{4 << 20, 32 << 20, 200}, // a quarter of the limit is eight megabytes
		{4 << 20, 1 << 20, 100},
	} {
		if got := percentFor(tc.live, tc.limit); got != tc.want {
			t.Errorf("%d alive under %d: %d, want %d", tc.live, tc.limit, got, tc.want)
		}
	}
}
