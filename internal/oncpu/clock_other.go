//go:build !linux

package oncpu

import "time"

// Nothing is sampled where threads have no clock that others can read.
const measurable = false

func thread() int               { return 0 }
func clockOf(int) int32         { return 0 }
func used(int32) time.Duration  { return 0 }
func delayed(int) time.Duration { return 0 }
func switched() int64           { return 0 }
