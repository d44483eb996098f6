package worker

import (
	"sync/atomic"
	"time"
)

// moment is a time that several goroutines set and read. It does not leap with the clock
// on the wall, as one of Unix nanoseconds does. The zero value is when the process began.
type moment struct{ since atomic.Int64 } // processBegan, in ns

func (m *moment) set(t time.Time) { m.since.Store(int64(t.Sub(processBegan))) }

func (m *moment) get() time.Time { return processBegan.Add(time.Duration(m.since.Load())) }

// expiry is a moment that there may be none of, which is its zero value.
type expiry struct{ at moment }

func (e *expiry) set(t time.Time) { e.at.set(t) }

// get is false where there is none.
func (e *expiry) get() (time.Time, bool) { return e.at.get(), e.at.since.Load() != 0 }

// take is get, and there is none afterwards.
func (e *expiry) take() (time.Time, bool) {
	at := e.at.since.Swap(0)
	return processBegan.Add(time.Duration(at)), at != 0
}
