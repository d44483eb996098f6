package oncpu

import (
	"bytes"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// measurable says whether the system tells what a thread has used.
var measurable = func() bool {
	var t unix.Timespec
	return unix.ClockGettime(clockOf(unix.Gettid()), &t) == nil
}()

func thread() int { return unix.Gettid() }

// clockOf is the CPU clock of a thread of this process, which any of its threads
// may read: the kernel's CPUCLOCK_SCHED and CPUCLOCK_PERTHREAD.
func clockOf(tid int) int32 { return int32(^uint32(tid)<<3 | 6) }

func used(clock int32) time.Duration {
	var t unix.Timespec
	if unix.ClockGettime(clock, &t) != nil {
		return 0
	}
	return time.Duration(t.Nano())
}

// delayed is how long a thread has waited for a CPU although it could have run.
// 0 where the kernel does not count it.
func delayed(tid int) time.Duration {
	b, err := os.ReadFile("/proc/self/task/" + strconv.Itoa(tid) + "/schedstat")
	if err != nil {
		return 0
	}
	fields := bytes.Fields(b)
	if len(fields) < 2 {
		return 0
	}
	n, err := strconv.ParseInt(string(fields[1]), 10, 64)
	if err != nil {
		return 0
	}
	return time.Duration(n)
}

// switched is how often the calling thread has given its CPU away by itself.
func switched() int64 {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_THREAD, &u) != nil {
		return 0
	}
	return u.Nvcsw
}
