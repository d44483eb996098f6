package http1_test

import (
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/tandem-go/tandem/internal/http1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// wire is what a case is on the wire: a line end stands for CRLF, ␊ for a bare LF
// and ␍ for a bare CR.
func wire(s string) []byte {
	return []byte(strings.NewReplacer("\n", "\r\n", "␊", "\n", "␍", "\r").Replace(s))
}

// outcome is what became of an input.
type outcome struct {
	passed  string // on to net/http
	refused *http1.Refusal
	guard   *http1.Guard
}

// reason is the refusal's; "" if all passed.
func (o outcome) reason() string {
	if o.refused == nil {
		return ""
	}
	return o.refused.Reason
}

// feed gives a guard the parts of an input one after another. What was kept aside
// is taken as soon as it can be.
func feed(t testing.TB, limits *http1.Limits, parts ...[]byte) outcome {
	t.Helper()
	g := http1.New(limits)
	o := outcome{guard: &g}
	var passed []byte
	scan := func(b []byte) {
		pass, refused := g.Scan(b)
		if pass < 0 || pass > len(b) {
			t.Fatalf("%d of %d octets passed", pass, len(b))
		}
		if o.refused != nil && (pass != 0 || refused != o.refused) {
			t.Fatalf("after %v: %d octets passed, %v", o.refused, pass, refused)
		}
		passed = append(passed, b[:pass]...)
		o.refused = refused
	}
	take := make([]byte, 7)
	for _, part := range parts {
		scan([]byte(string(part))) // it is edited in place
		for n := g.Take(take); n > 0; n = g.Take(take) {
			scan(take[:n])
		}
	}
	o.passed = string(passed)
	return o
}

// octets are b's, each a part.
func octets(b []byte) [][]byte {
	var parts [][]byte
	for i := range b {
		parts = append(parts, b[i:i+1])
	}
	return parts
}

// withoutBlanks is an input without the empty lines before its requests, of which
// the cases have some only at their beginning.
func withoutBlanks(b []byte) string { return strings.TrimLeft(string(b), "\r\n") }
