package logpipe

import "bytes"

const (
	// maxLine is the longest line, without its newline, that is one record.
	maxLine = 1 << 20
	// readSize is the least that one read asks for. A 64 KiB pipe is emptied at
	// once, and the buffer of a quiet worker stays small.
	readSize = 64 << 10
)

// splitter cuts a stream into lines. What it gives depends on the bytes alone,
// never on how reads happened to chop them.
type splitter struct {
	limit      int // the longest line that is not split
	buf        []byte
	start, end int // what is not yet given
	seen       int // start of what was not yet searched for a newline
	part       int // parts already given of the line at start
}

// line is a line without its newline. Its text is valid until the splitter's
// next call of space.
type line struct {
	text    []byte
	part    int  // from 1; 0: the line is not split
	partial bool // no newline: it goes on, or the stream ended
}

// space is where to read to, never empty; advance says how much was read.
func (s *splitter) space() []byte {
	if s.start == s.end {
		s.start, s.end, s.seen = 0, 0, 0
		if len(s.buf) > 2*readSize {
			s.buf = nil // there was a long line, which is rare
		}
	}
	if len(s.buf)-s.end < readSize {
		buf := s.buf
		if need := s.end - s.start + readSize; need > len(buf) {
			buf = make([]byte, min(max(need, 2*len(buf)), s.limit+2*readSize))
		}
		copy(buf, s.buf[s.start:s.end])
		s.buf, s.seen, s.end, s.start = buf, s.seen-s.start, s.end-s.start, 0
	}
	return s.buf[s.end:]
}

func (s *splitter) advance(n int) { s.end += n }

// next gives the next line, if there is a whole one or a part.
func (s *splitter) next() (line, bool) {
	data := s.buf[s.start:s.end]
	i := bytes.IndexByte(s.buf[s.seen:s.end], '\n')
	if i >= 0 {
		i += s.seen - s.start
	}
	switch {
	case i >= 0 && i <= s.limit:
		s.start += i + 1
		s.seen = s.start
		l := line{text: bytes.TrimSuffix(data[:i], []byte{'\r'})}
		if s.part > 0 {
			l.part = s.part + 1
			s.part = 0
		}
		return l, true
	case len(data) > s.limit:
		cut := runeStart(data, s.limit)
		s.start += cut
		if s.seen = s.end; i >= 0 {
			s.seen = s.start // that newline is to be found again
		}
		s.part++
		return line{text: data[:cut], part: s.part, partial: true}, true
	}
	s.seen = s.end
	return line{}, false
}

// rest gives what is left at the end of the stream.
func (s *splitter) rest() (line, bool) {
	l := line{text: s.buf[s.start:s.end], partial: true}
	if s.part > 0 {
		l.part = s.part + 1
	}
	s.start, s.seen, s.part = s.end, s.end, 0
	return l, len(l.text) > 0
}

// runeStart is the largest index up to i, but not by more than a character less,
// that does not cut a UTF-8 character of b in two.
func runeStart(b []byte, i int) int {
	for j := i; j > i-4 && j > 0; j-- {
		if b[j]&0xc0 != 0x80 {
			return j
		}
	}
	return i
}
