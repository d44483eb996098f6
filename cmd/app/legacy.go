package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
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

// work is something to compute, again and again. A step takes some tens of microseconds.
type work func() error

// works are the kinds of it: one that only computes, and one that also keeps the garbage collector busy.
var works = map[string]func() work{"hash": hashing, "json": encoding}

func hashing() work {
	sum := sha256.Sum256([]byte("tandem"))
	return func() error {
		for range 200 {
			sum = sha256.Sum256(sum[:])
		}
		return nil
	}
}

func encoding() work {
	type row struct {
		ID    int               `json:"id"`
		Title string            `json:"title"`
		Tags  map[string]string `json:"tags"`
	}
	rows := make([]row, 20)
	for i := range rows {
		rows[i] = row{i, "Riding in tandem", map[string]string{"front": "async", "rear": "sync"}}
	}
	return func() error {
		text, err := json.Marshal(rows)
		if err != nil {
			return err
		}
		return json.Unmarshal(text, new([]row))
	}
}

// burn uses d of CPU time, not of the clock on the wall: beside others it takes longer. It returns what it used.
func burn(d time.Duration, step work) (time.Duration, error) {
	runtime.LockOSThread() // the clock below is the thread's
	defer runtime.UnlockOSThread()
	start, err := threadCPUTime()
	if err != nil {
		return 0, err
	}
	for {
		now, err := threadCPUTime()
		if err != nil || now-start >= d {
			return now - start, err
		}
		if err := step(); err != nil {
			return now - start, err
		}
	}
}

func threadCPUTime() (time.Duration, error) {
	var t unix.Timespec
	err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t)
	return time.Duration(t.Nano()), err
}
