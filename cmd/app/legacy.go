package main

import (
	"crypto/sha256"
	"encoding/hex"
	"runtime"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// What an old code base brings along: plain functions that know nothing of contexts, cannot be stopped half-way and keep
// a CPU busy. They stay as they are; the views that need them cross over.

// report is what legacyReport finds out about a user.
type report struct {
	User   int64  `json:"user"`
	Rounds int    `json:"rounds"`
	Digest string `json:"digest"`
}

// legacyReport computes for some tens of milliseconds. Its result depends on the user alone.
func legacyReport(user int64) (report, error) {
	const rounds = 100_000
	sum := sha256.Sum256(strconv.AppendInt(nil, user, 10))
	for range rounds {
		sum = sha256.Sum256(sum[:])
	}
	return report{User: user, Rounds: rounds, Digest: hex.EncodeToString(sum[:])}, nil
}

// burn uses d of CPU time, not of the clock on the wall: beside others it takes longer. It returns what it used.
func burn(d time.Duration) (time.Duration, error) {
	runtime.LockOSThread() // the clock below is the thread's
	defer runtime.UnlockOSThread()
	start, err := threadCPUTime()
	if err != nil {
		return 0, err
	}
	sum := sha256.Sum256([]byte(strconv.Itoa(int(d))))
	for {
		now, err := threadCPUTime()
		if err != nil || now-start >= d {
			return now - start, err
		}
		for range 200 {
			sum = sha256.Sum256(sum[:])
		}
	}
}

func threadCPUTime() (time.Duration, error) {
	var t unix.Timespec
	err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t)
	return time.Duration(t.Nano()), err
}
