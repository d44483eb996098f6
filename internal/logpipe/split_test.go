package logpipe

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

// split cuts s with reads of the sizes that next gives.
func split(s string, limit int, next func() int) []string {
	sp := splitter{limit: limit}
	var got []string
	add := func(l line) { got = append(got, fmt.Sprintf("%q %d %v", l.text, l.part, l.partial)) }
	for len(s) > 0 {
		space := sp.space()
		n := copy(space[:max(1, min(next(), len(space)))], s)
		s = s[n:]
		sp.advance(n)
		for {
			l, ok := sp.next()
			if !ok {
				break
			}
			add(l)
		}
	}
	if l, ok := sp.rest(); ok {
		add(l)
	}
	return got
}

func TestSplit(t *testing.T) {
	for in, want := range map[string][]string{
		"":                                       nil,
		"a\nb\n":                                 {`"a" 0 false`, `"b" 0 false`},
		"a\n\n\nb":                               {`"a" 0 false`, `"" 0 false`, `"" 0 false`, `"b" 0 true`},
		"a\r\nb\r\r\n\r\n":                       {`"a" 0 false`, `"b\r" 0 false`, `"" 0 false`},
		"a\rb\n":                                 {`"a\rb" 0 false`},
		"a\x00b\n\xff\n":                         {`"a\x00b" 0 false`, `"\xff" 0 false`},
		"12345678\n":                             {`"12345678" 0 false`},
		"123456789\nx\n":                         {`"12345678" 1 true`, `"9" 2 false`, `"x" 0 false`},
		"1234567890abcdefg":                      {`"12345678" 1 true`, `"90abcdef" 2 true`, `"g" 3 true`},
		"1234567890abcdef\n":                     {`"12345678" 1 true`, `"90abcdef" 2 false`},
		"1234567é9\n":                            {`"1234567" 1 true`, `"é9" 2 false`},
		"\x80\x80\x80\x80\x80\x80\x80\x80\x80\n": {`"\x80\x80\x80\x80\x80\x80\x80\x80" 1 true`, `"\x80" 2 false`},
	} {
		for _, size := range []int{1, 3, 1000} {
			if got := split(in, 8, func() int { return size }); !reflect.DeepEqual(got, want) {
				t.Errorf("%q in reads of %d:\n got %v\nwant %v", in, size, got, want)
			}
		}
	}
}

// A line of the real limit, and one beyond it, in a stream of others.
func TestSplitLong(t *testing.T) {
	long := strings.Repeat("é", maxLine/2)
	in := "a\n" + long + "\nb\n" + long + long + "c\nd\n"
	got := split(in, maxLine, func() int { return 1000 + rand.IntN(100_000) })
	want := []string{
		`"a" 0 false`, fmt.Sprintf("%q 0 false", long), `"b" 0 false`,
		fmt.Sprintf("%q 1 true", long), fmt.Sprintf("%q 2 true", long), `"c" 3 false`, `"d" 0 false`,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %d lines of lengths %v", len(got), lengths(got))
	}
}

func lengths(ss []string) (ns []int) {
	for _, s := range ss {
		ns = append(ns, len(s))
	}
	return ns
}

// Whatever the reads, the lines are the same; and together they are the stream.
func FuzzSplit(f *testing.F) {
	f.Add([]byte("a\nbb\r\n\nccc"), uint64(1))
	f.Add([]byte("0123456789abcdef\n0123456789abcdefg\r\n\xff\x80\xe2\x82\xac€€€€€€€€"), uint64(2))
	f.Fuzz(func(t *testing.T, b []byte, seed uint64) {
		const limit = 16
		rnd := rand.New(rand.NewPCG(seed, 0))
		whole := split(string(b), limit, func() int { return 1 << 20 })
		torn := split(string(b), limit, func() int { return 1 + rnd.IntN(9) })
		if !reflect.DeepEqual(whole, torn) {
			t.Fatalf("%q: in one read %v, in several %v", b, whole, torn)
		}
		sp := splitter{limit: limit, buf: bytes.Clone(b), end: len(b)}
		var again []byte
		for {
			l, ok := sp.next()
			if !ok {
				break
			}
			again = append(again, l.text...)
			if !l.partial {
				again = append(again, '\n')
			} else if utf8.Valid(b) && !utf8.Valid(l.text) {
				t.Fatalf("%q: a character is cut at the end of %q", b, l.text)
			}
			if len(l.text) > limit || l.partial != (len(l.text) > limit-4 && again[len(again)-1] != '\n') {
				t.Fatalf("%q: line %+v", b, l)
			}
		}
		l, _ := sp.rest()
		again = append(again, l.text...)
		if want := bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n")); !bytes.Equal(bytes.ReplaceAll(again, []byte("\r\n"), []byte("\n")), want) &&
			!bytes.Contains(b, []byte("\r\r\n")) {
			t.Fatalf("%q: the lines are %q together", b, again)
		}
	})
}
