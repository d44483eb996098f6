package logpipe

import "strings"

const (
	tailRecords = 200
	tailBytes   = 256 << 10
	// tailRecord bounds one record, so that a long one does not push out all
	// others. Its beginning is kept: that is where a panic says why.
	tailRecord = 64 << 10
	cutMark    = " [cut]"
)

// tail keeps the last records of a worker.
type tail struct {
	buf  []byte
	ends []int // of each record in buf
	used int   // bytes of the records that count
	old  int   // records before those that count
}

func (t *tail) add(text []byte) {
	if len(text) > tailRecord {
		t.buf = append(append(t.buf, text[:tailRecord-len(cutMark)]...), cutMark...)
		t.used += tailRecord
	} else {
		t.buf = append(t.buf, text...)
		t.used += len(text)
	}
	t.ends = append(t.ends, len(t.buf))
	for t.used > tailBytes || len(t.ends)-t.old > tailRecords {
		t.used -= t.ends[t.old] - t.begin(t.old)
		t.old++
	}
	// What no longer counts is moved over now and then, not each time.
	if t.old >= tailRecords || t.begin(t.old) > tailBytes {
		gone := t.begin(t.old)
		t.buf = t.buf[:copy(t.buf, t.buf[gone:])]
		t.ends = t.ends[:copy(t.ends, t.ends[t.old:])]
		for i := range t.ends {
			t.ends[i] -= gone
		}
		t.old = 0
	}
}

func (t *tail) begin(i int) int {
	if i == 0 {
		return 0
	}
	return t.ends[i-1]
}

func (t *tail) records() []string {
	rs := make([]string, 0, len(t.ends)-t.old)
	for i := t.old; i < len(t.ends); i++ {
		rs = append(rs, strings.ToValidUTF8(string(t.buf[t.begin(i):t.ends[i]]), "\ufffd"))
	}
	return rs
}
