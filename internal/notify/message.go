package notify

import (
	"bytes"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

const (
	// maxStatus bounds a status line, in bytes.
	maxStatus = 512
	// maxExtend bounds what one message can ask for: who needs longer asks again.
	maxExtend = time.Hour
)

// Message is one notification. A flag is true when its line was there with the
// value 1.
type Message struct {
	PID       int    // of the sender as the kernel saw it, 0 from Parse
	Ready     bool   // READY=1
	Watchdog  bool   // WATCHDOG=1
	Stopping  bool   // STOPPING=1
	Reloading bool   // RELOADING=1
	Status    string // STATUS=…; empty when not given. Printable, at most 512 bytes

	// Extend is the time in which the sender will be heard of again, beyond the
	// bound on its start or its end: EXTEND_TIMEOUT_USEC=…, at most an hour, 0
	// when not given.
	Extend time.Duration
}

// Parse reads the lines of a notification. It accepts any bytes: lines that it
// does not know are skipped, of two with one name the last wins, and a status is
// cut to what one line of a terminal may show.
func Parse(b []byte) Message {
	var m Message
	for line := range bytes.SplitSeq(b, []byte("\n")) {
		name, value, _ := bytes.Cut(line, []byte("="))
		on := string(value) == "1"
		switch string(name) {
		case "READY":
			m.Ready = on
		case "WATCHDOG":
			m.Watchdog = on
		case "STOPPING":
			m.Stopping = on
		case "RELOADING":
			m.Reloading = on
		case "STATUS":
			m.Status = status(value)
		case "EXTEND_TIMEOUT_USEC":
			usec, _ := strconv.ParseUint(string(value), 10, 64)
			m.Extend = time.Duration(min(usec, uint64(maxExtend/time.Microsecond))) * time.Microsecond
		}
	}
	return m
}

// status makes a worker's own words safe to show: no control characters, no
// invalid UTF-8, bounded.
func status(value []byte) string {
	if len(value) > maxStatus {
		end := maxStatus
		for end > 0 && !utf8.RuneStart(value[end]) {
			end--
		}
		value = value[:end]
	}
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, string(value))
}
