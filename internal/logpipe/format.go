package logpipe

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	textTime = "2006-01-02T15:04:05.000Z07:00"
	jsonTime = "2006-01-02T15:04:05.000000Z"
	// bar stands between the columns of the text format and the line.
	bar = " | "
	hex = "0123456789abcdef"
)

// formatter writes the records of one stream of one worker. What is the same
// for all of them, and for all of one read, is made once.
type formatter struct {
	format Format // not Auto
	source string // the columns, members or fields that name the worker
	stream string

	head   []byte // text: all before the line; json: the members before msg
	member []byte // json: our member in an object, open
	indent []byte // text: what stands before a line that continues a record

	scratch []byte // journal
}

func newFormatter(f Format, src Source, s Stream) *formatter {
	if f == Text {
		name := "out"
		if s == Stderr {
			name = "err"
		}
		return &formatter{format: Text, source: fmt.Sprintf("  %-6s %7d  %-3s  %s",
			"w"+strconv.FormatUint(src.Worker, 10), src.PID, "g"+strconv.Itoa(src.Generation), name) + bar}
	}
	if f == Journal {
		return &formatter{format: Journal, source: journalFields(src, s)}
	}
	return &formatter{
		format: JSON, stream: s.String(),
		source: fmt.Sprintf(`,"worker":%d,"pid":%d,"generation":%d`, src.Worker, src.PID, src.Generation),
	}
}

// at sets the time of the records that follow.
func (f *formatter) at(now time.Time) {
	if f.format == Text {
		f.head = append(now.AppendFormat(f.head[:0], textTime), f.source...)
		f.indent = f.indent[:0]
		for range len(f.head) - len(bar) {
			f.indent = append(f.indent, ' ')
		}
		f.indent = append(f.indent, bar...)
		return
	}
	if f.format == Journal {
		return // it has a clock of its own
	}
	f.head = f.members(append(f.head[:0], '{'), now)
	f.member = f.members(append(f.member[:0], `"tandem":{`...), now)
}

func (f *formatter) members(dst []byte, now time.Time) []byte {
	dst = now.UTC().AppendFormat(append(dst, `"time":"`...), jsonTime)
	dst = append(append(dst, `","stream":"`...), f.stream...)
	return append(append(dst, '"'), f.source...)
}

// append appends one record, newline included.
func (f *formatter) append(dst []byte, l line, crashed bool) []byte {
	if f.format == Text {
		return f.appendText(dst, l)
	}
	if f.format == Journal {
		return f.journal(dst, l, crashed)
	}
	if !crashed && l.part == 0 {
		if o, ok := parseObject(l.text); ok {
			dst = appendObject(dst, o.text)
			dst = dst[:len(dst)-1]
			if !o.empty {
				dst = append(dst, ',')
			}
			dst = append(dst, f.member...)
			if l.partial {
				dst = append(dst, `,"partial":true`...)
			}
			return append(dst, "}}\n"...)
		}
	}
	dst = append(dst, f.head...)
	if crashed {
		dst = append(dst, `,"kind":"panic"`...)
	}
	if l.partial {
		dst = append(dst, `,"partial":true`...)
	}
	if l.part > 0 {
		dst = strconv.AppendInt(append(dst, `,"part":`...), int64(l.part), 10)
	}
	dst = appendJSON(append(dst, `,"msg":"`...), l.text)
	return append(dst, "\"}\n"...)
}

func (f *formatter) appendText(dst []byte, l line) []byte {
	dst = append(dst, f.head...)
	if l.part > 0 {
		dst = append(strconv.AppendInt(append(dst, "[part "...), int64(l.part), 10), "] "...)
	}
	dst = appendText(dst, l.text, f.indent)
	if l.partial {
		dst = append(dst, " [no newline]"...)
	}
	return append(dst, '\n')
}

// plain are the bytes that both formats print as they are.
var plain = func() (t [256]bool) {
	for c := ' '; c < 0x7f; c++ {
		t[c] = c != '"' && c != '\\'
	}
	return t
}()

// unsafeRune tells the characters that a terminal or a reader of lines may take
// for a command or a line's end.
func unsafeRune(r rune) bool {
	return r < ' ' || 0x7f <= r && r < 0xa0 || r == '\u2028' || r == '\u2029'
}

// appendJSON appends s as the inside of a JSON string.
func appendJSON(dst, s []byte) []byte {
	run := 0
	for i := 0; i < len(s); {
		c := s[i]
		if plain[c] {
			i++
			continue
		}
		r, n := rune(c), 1
		if c >= utf8.RuneSelf {
			if r, n = utf8.DecodeRune(s[i:]); !unsafeRune(r) && (r != utf8.RuneError || n > 1) {
				i += n
				continue
			}
		}
		dst = append(dst, s[run:i]...)
		switch r {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = appendU(dst, r)
		}
		i += n
		run = i
	}
	return append(dst, s[run:]...)
}

// appendObject appends a JSON object that parseObject has accepted, with what
// is not UTF-8 replaced and unsafe characters escaped: it means the same.
func appendObject(dst, s []byte) []byte {
	run := 0
	for i := 0; i < len(s); {
		c := s[i]
		if ' ' <= c && c < 0x7f {
			i++
			continue
		}
		r, n := utf8.DecodeRune(s[i:])
		if !unsafeRune(r) && (r != utf8.RuneError || n > 1) {
			i += n
			continue
		}
		dst = append(dst, s[run:i]...)
		if c < ' ' {
			dst = append(dst, ' ') // between tokens: in strings there is none
		} else {
			dst = appendU(dst, r)
		}
		i += n
		run = i
	}
	return append(dst, s[run:]...)
}

// appendU appends the JSON escape of a character below U+10000.
func appendU(dst []byte, r rune) []byte {
	return append(dst, '\\', 'u', hex[r>>12&15], hex[r>>8&15], hex[r>>4&15], hex[r&15])
}

// appendText appends s for people; after a newline comes indent. With no indent
// a newline is escaped as all that is unsafe.
func appendText(dst, s, indent []byte) []byte {
	run := 0
	for i := 0; i < len(s); {
		c := s[i]
		if plain[c] || c == '"' || c == '\\' || c == '\t' {
			i++
			continue
		}
		r, n := utf8.DecodeRune(s[i:])
		if !unsafeRune(r) && (r != utf8.RuneError || n > 1) {
			i += n
			continue
		}
		dst = append(dst, s[run:i]...)
		if c == '\n' && indent != nil {
			dst = append(append(dst, '\n'), indent...)
		} else {
			for _, c := range s[i : i+n] {
				dst = append(dst, '\\', 'x', hex[c>>4], hex[c&15])
			}
		}
		i += n
		run = i
	}
	return append(dst, s[run:]...)
}

// ownColumns are the columns of the supervisor's own records in text.
func ownColumns(level string) string {
	return "  supervisor" + strings.Repeat(" ", max(1, 14-len(level))) + level + bar
}
