package logpipe

import (
	"log/slog"
	"strings"
	"time"
)

const (
	tailRecords = 200
	tailBytes   = 256 << 10
	// tailRecord bounds one record, so that a long one does not push out all
	// others. Its beginning is kept: that is where a panic says why.
	tailRecord = 64 << 10
	cutMark    = " [cut]"
	// tailSlack is what no longer counts and is still there, so that it need not
	// be moved each time.
	tailSlack = 64 << 10
)

// tail keeps the last records of a worker: at most 200, and 256 KiB. With what
// no longer counts it holds less than half a MiB.
type tail struct {
	buf     []byte
	entries []entry
	used    int // bytes of the records that count
	old     int // records before those that count
}

// entry is a record of which the text ends at end in the buffer. What follows
// the first split bytes is the JSON form of the supervisor's own records.
type entry struct {
	end, split int
	at         time.Time
	level      slog.Level
	stream     Stream
	part       int
	partial    bool
	panicked   bool
}

func (t *tail) add(l Line) {
	e := entry{at: l.Time, level: l.Level, stream: l.Stream, part: l.Part, partial: l.Partial, panicked: l.Panic}
	if n := len(l.Text); n+len(l.json) > tailRecord {
		t.buf = append(append(t.buf, l.Text[:min(n, tailRecord-len(cutMark))]...), cutMark...)
		l.json = nil
	} else {
		t.buf = append(t.buf, l.Text...)
	}
	begin := t.begin(len(t.entries))
	e.split = len(t.buf) - begin
	t.buf = append(t.buf, l.json...)
	e.end = len(t.buf)
	t.used += e.end - begin
	t.entries = append(t.entries, e)
	for t.used > tailBytes || len(t.entries)-t.old > tailRecords {
		t.used -= t.entries[t.old].end - t.begin(t.old)
		t.old++
	}
	// What no longer counts is moved over now and then, not each time.
	if t.old >= tailRecords || t.begin(t.old) > tailSlack {
		gone := t.begin(t.old)
		t.buf = t.buf[:copy(t.buf, t.buf[gone:])]
		t.entries = t.entries[:copy(t.entries, t.entries[t.old:])]
		for i := range t.entries {
			t.entries[i].end -= gone
		}
		t.old = 0
	}
}

func (t *tail) begin(i int) int {
	if i == 0 {
		return 0
	}
	return t.entries[i-1].end
}

func (t *tail) records() []string {
	rs := make([]string, 0, len(t.entries)-t.old)
	for i := t.old; i < len(t.entries); i++ {
		b := t.begin(i)
		rs = append(rs, strings.ToValidUTF8(string(t.buf[b:b+t.entries[i].split]), "\ufffd"))
	}
	return rs
}

// lines gives the last records, as many as fit in size bytes.
func (t *tail) lines(src Source, size int) []Line {
	first := len(t.entries)
	for first > t.old && len(t.buf)-t.begin(first-1) <= size {
		first--
	}
	begin := t.begin(first)
	text := append([]byte(nil), t.buf[begin:]...)
	ls := make([]Line, 0, len(t.entries)-first)
	for i := first; i < len(t.entries); i++ {
		e, b := t.entries[i], t.begin(i)-begin
		l := Line{
			Source: src, Stream: e.stream, Time: e.at, Level: e.level,
			Text: text[b : b+e.split : b+e.split], Part: e.part, Partial: e.partial, Panic: e.panicked,
		}
		if end := e.end - begin; b+e.split < end {
			l.json = text[b+e.split : end : end]
		}
		ls = append(ls, l)
	}
	return ls
}
