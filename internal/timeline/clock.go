package timeline

import (
	"time"

	"golang.org/x/sys/unix"
)

// stamp says when it is, unless that is known.
func (e *Event) stamp() {
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	if e.Clock == 0 {
		e.Clock = monotonic()
	}
}

// Moment is when it was, by the clock that a time of this process has beside the time
// of day: it means something for events of this boot. Zero: not known.
func (e Event) Moment() time.Time {
	if e.Clock == 0 {
		return time.Time{}
	}
	return time.Now().Add(time.Duration(e.Clock-monotonic()) * time.Millisecond)
}

// monotonic goes on in an exec, as the clock of package time does, which it is.
func monotonic() int64 {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		return 0
	}
	return t.Nano() / int64(time.Millisecond)
}
