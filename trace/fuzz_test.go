package trace_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/tandem-go/tandem/trace"
)

// The recommendation's grammar, written once more.
var (
	parent = regexp.MustCompile(`^(?:00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})|(?:0[1-9a-f]|[1-9a-e][0-9a-f]|f[0-9a-e])-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-(?s:.*))?)$`)
	member = regexp.MustCompile(`^[a-z0-9][a-z0-9_\-*/@]{0,255}=[ -+\--<>-~]{0,255}[!-+\--<>-~]$`)
)

func FuzzTraceparent(f *testing.F) {
	for _, s := range []string{"", "00-" + theirs + "-01", "cc-" + theirs + "-01-x", "ff-" + theirs + "-01", "00-" + theirs + "-0A", "00-" + theirs + "-01.", "01-" + theirs + "-01\n-"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c, err := trace.ParseTraceparent(s)
		m := parent.FindStringSubmatch(s)
		valid := m != nil && strings.Trim(m[1]+m[4], "0") != "" && strings.Trim(m[2]+m[5], "0") != ""
		if (err == nil) != valid || c.Valid() != valid {
			t.Fatalf("%q: %+v, %v", s, c, err)
		}
		if !valid {
			return
		}
		if c.TraceID.String() != m[1]+m[4] || c.SpanID.String() != m[2]+m[5] {
			t.Fatalf("%q became %+v", s, c)
		}
		if again, err := trace.ParseTraceparent(c.Traceparent()); err != nil || again != c {
			t.Fatalf("%q became %q, and that %+v, %v", s, c.Traceparent(), again, err)
		}
	})
}

func FuzzTracestate(f *testing.F) {
	for _, s := range []string{"", "a=1,b=2", "a=1,a=2", " a= 1 ,\t,b=2", "A=1", "a==", "@a=1", "a@b=x y", strings.Repeat("a=1,", 40), "a=" + strings.Repeat("x", 256)} {
		f.Add(s, "z=9")
	}
	f.Fuzz(func(t *testing.T, one, two string) {
		got, err := trace.ParseTracestate(one, two)
		var want []string
		valid, n := true, 0
		for m := range strings.SplitSeq(one+","+two, ",") {
			if m = strings.Trim(m, " \t"); m == "" {
				continue
			}
			valid = valid && member.MatchString(m)
			want = append(want, m)
			n++
		}
		valid = valid && n <= 32
		switch {
		case (err == nil) != valid, !valid && got != "", len(got) > 512:
			t.Fatalf("%q, %q: %q, %v", one, two, got, err)
		case !valid:
			return
		}
		// Each that is there came, in that order, and none is there twice.
		seen := map[string]bool{}
		for m := range strings.SplitSeq(got, ",") {
			if got == "" {
				break
			}
			key, _, _ := strings.Cut(m, "=")
			for len(want) > 0 && want[0] != m {
				want = want[1:]
			}
			if len(want) == 0 || seen[key] {
				t.Fatalf("%q, %q: %q has %q", one, two, got, m)
			}
			seen[key] = true
		}
		if again, err := trace.ParseTracestate(got); err != nil || again != got {
			t.Fatalf("%q became %q, %v", got, again, err)
		}
	})
}
