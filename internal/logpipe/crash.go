package logpipe

import "bytes"

// crash gathers the lines of a Go panic, fatal error or goroutine dump.
type crash struct {
	text  []byte // the lines so far, joined with newlines
	lines int
	part  int // parts already given
	state crashState
}

type crashState uint8

const (
	noCrash crashState = iota
	// stackTrace: goroutines printed by a process that lives on.
	stackTrace
	// lastWords: it says that it is dying; no goroutine seen yet.
	lastWords
	// dying: it is. Whatever still comes is part of it.
	dying
)

var (
	dyingPrefixes = [][]byte{
		[]byte("panic: "), []byte("fatal error: "), []byte("SIGABRT: abort"), []byte("SIGQUIT: quit"),
		[]byte("SIGSEGV: segmentation violation"), []byte("SIGBUS: bus error"), []byte("SIGFPE: floating-point exception"),
		[]byte("SIGILL: illegal instruction"), []byte("SIGTRAP: trace trap"), []byte("SIGSYS: bad system call"),
	}
	tracePrefixes = [][]byte{
		[]byte("\t"), []byte("[signal "), []byte("[recovered"), []byte("[originating from "), []byte("created by "), []byte("PC="),
		[]byte("panic during "), []byte("runtime: "), []byte("runtime stack:"), []byte("..."),
	}
)

// begins tells with what state a crash begins at l, if it does.
func begins(l []byte) crashState {
	if len(l) < len("panic: ") {
		return noCrash
	}
	switch l[0] {
	case 'p', 'f', 'S':
		if hasAnyPrefix(l, dyingPrefixes) {
			return lastWords
		}
	case 'g':
		if isGoroutine(l) {
			return stackTrace
		}
	}
	return noCrash
}

// isGoroutine knows "goroutine 7 [running]:" and, in dumps of the runtime's own,
// "goroutine 7 gp=0x… m=0 mp=0x… [idle]:".
func isGoroutine(l []byte) bool {
	rest, ok := bytes.CutPrefix(l, []byte("goroutine "))
	if !ok {
		return false
	}
	digits := 0
	for digits < len(rest) && '0' <= rest[digits] && rest[digits] <= '9' {
		digits++
	}
	rest = rest[digits:]
	return digits > 0 && (bytes.HasPrefix(rest, []byte(" [")) || bytes.HasPrefix(rest, []byte(" gp=")))
}

// takes tells whether l belongs to the crash being gathered.
func (c *crash) takes(l []byte) bool {
	switch {
	case c.state == noCrash:
		c.state = begins(l)
		return c.state != noCrash
	case c.state == dying:
		return true
	case isGoroutine(l):
		if c.state == lastWords {
			c.state = dying
		}
		return true
	case begins(l) == lastWords:
		c.state = lastWords
		return true
	case len(l) == 0, hasAnyPrefix(l, tracePrefixes):
		return true
	}
	if c.state != stackTrace || l[len(l)-1] != ')' {
		return false
	}
	// A call: "net/http.(*conn).serve(0xc000126000, {0x7d8f40, 0xc000112330})".
	open := bytes.IndexByte(l, '(')
	return open > 0 && bytes.IndexByte(l[:open], ' ') < 0
}

func hasAnyPrefix(l []byte, prefixes [][]byte) bool {
	for _, p := range prefixes {
		if bytes.HasPrefix(l, p) {
			return true
		}
	}
	return false
}

// add appends a line. If that would make the text too long for one record, it
// gives back first what was gathered so far, as a part.
func (c *crash) add(l []byte) (full line, ok bool) {
	if c.lines > 0 && len(c.text)+1+len(l) > maxLine {
		c.part++
		full, ok = line{text: c.text, part: c.part, partial: true}, true
		c.text, c.lines = nil, 0
	}
	if c.lines > 0 {
		c.text = append(c.text, '\n')
	}
	c.text = append(c.text, l...)
	c.lines++
	return full, ok
}

// end gives what was gathered, and begins anew.
func (c *crash) end(partial bool) line {
	l := line{text: c.text, partial: partial}
	if c.part > 0 {
		l.part = c.part + 1
	}
	*c = crash{}
	return l
}
