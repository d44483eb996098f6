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
