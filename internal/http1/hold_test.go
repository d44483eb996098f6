package http1_test

import (
	"bytes"
	"strings"
	"testing"
	"unsafe"

	"github.com/tandem-go/tandem/internal/http1"
)

const (
	upgrade = "GET /ws HTTP/1.1\nHost: a\nConnection: keep-alive, Upgrade\nUpgrade: websocket\n\n"
	frames  = "\x81\x85\x00\x00\x00\x00hello\n\x16\x03"
)

// takeAll is what a guard gives out and lets pass of what it kept aside, n octets
// at a time.
func takeAll(t *testing.T, g *http1.Guard, n int) (string, *http1.Refusal) {
	t.Helper()
	var out string
	for b := make([]byte, n); ; {
		m := g.Take(b)
		if m == 0 {
			return out, nil
		}
		pass, refused := g.Scan(b[:m])
		if out += string(b[:pass]); refused != nil {
			return out, refused
		}
	}
}

func TestWhatFollowsAnUpgradeWaitsForItsAnswer(t *testing.T) {
	for name, head := range map[string]string{
		"upgrade": upgrade,
		"connect": "CONNECT a:443 HTTP/1.1\nHost: a:443\n\n",
		"body":    "POST / HTTP/1.1\nHost: a\nConnection: upgrade\nUpgrade: x\nContent-Length: 2\n\nok",
		"chunked": "POST / HTTP/1.1\nHost: a\nUpgrade: x\nConnection: UPGRADE\nTransfer-Encoding: chunked\n\n2\nok\n0\n\n",
	} {
		for _, n := range []int{1, 5, 4096} {
			for _, split := range []bool{false, true} {
				first, second := wire(head), wire(frames)
				parts := [][]byte{append(bytes.Clone(first), second...)}
				if split {
					parts = [][]byte{first, second[:3], second[3:]}
				}
				o := feed(t, nil, parts...)
				if o.refused != nil || o.passed != string(first) || o.guard.Held() != len(second) || o.guard.AtRest() {
					t.Fatalf("%s: %v, held %d, passed %q", name, o.refused, o.guard.Held(), o.passed)
				}
				o.guard.Release()
				if got, refused := takeAll(t, o.guard, n); got != string(second) || refused != nil {
					t.Errorf("%s: %q, %v", name, got, refused)
				}
				if more := []byte("\x00\n"); !passesAll(o.guard, more) || o.guard.Held() != 0 || o.guard.AtRest() {
					t.Errorf("%s: hijacked, and still guarded", name)
				}
			}
		}
	}
}

func passesAll(g *http1.Guard, b []byte) bool {
	pass, refused := g.Scan(b)
	return pass == len(b) && refused == nil
}

func TestWhatFollowsAnUpgradeThatIsTurnedDownIsJudged(t *testing.T) {
	next := string(wire("\n" + get + "\n" + upgrade + get + "\n"))
	for n := 1; n < len(next); n++ {
		o := feed(t, nil, wire(upgrade), []byte(next))
		o.guard.Answered()
		got, refused := takeAll(t, o.guard, n)
		if want := string(wire(get + "\n" + upgrade)); got != want || refused != nil {
			t.Fatalf("%d at a time: %q, %v", n, got, refused)
		}
		// The second upgrade is answered after the request before it.
		if o.guard.Answered(); o.guard.Take(make([]byte, 1)) != 0 || o.guard.Pending() != 1 {
			t.Fatalf("%d at a time: given out too early", n)
		}
		o.guard.Answered()
		if got, refused = takeAll(t, o.guard, n); got != string(wire(get+"\n")) || refused != nil || !o.guard.AtRest() {
			t.Fatalf("%d at a time: then %q, %v, at rest %v", n, got, refused, o.guard.AtRest())
		}
	}
}

func TestBadOctetsAfterAnUpgradeThatIsTurnedDownAreRefused(t *testing.T) {
	o := feed(t, nil, wire(upgrade+frames))
	o.guard.Answered()
	if got, refused := takeAll(t, o.guard, 4096); got != "" || refused == nil || refused.Reason != "malformed method" {
		t.Errorf("%q, %v", got, refused)
	}
}

func TestOnlySoMuchIsKeptAside(t *testing.T) {
	room := 4096
	for _, parts := range [][]int{{room}, {1, room - 1}, {room / 2, room / 2}} {
		o := feed(t, nil, wire(upgrade))
		for _, n := range parts {
			if pass, refused := o.guard.Scan(make([]byte, n)); pass != 0 || refused != nil {
				t.Fatalf("%v: %d passed, %v", parts, pass, refused)
			}
		}
		pass, refused := o.guard.Scan([]byte{0})
		if pass != 0 || refused == nil || refused.Reason != "too much sent before the upgrade was answered" || refused.InBody || o.guard.Held() != 0 || o.guard.Pending() != 1 {
			t.Errorf("%v: %d passed, %+v", parts, pass, refused)
		}
	}
	o := feed(t, nil, append(wire(upgrade), make([]byte, room+1)...))
	if o.passed != string(wire(upgrade)) || o.reason() != "too much sent before the upgrade was answered" {
		t.Errorf("in one read: %v, passed %q", o.refused, o.passed)
	}
}

func TestAnUpgradeBehindOthersWaitsForAllOfThem(t *testing.T) {
	o := feed(t, nil, wire(get+"\n"+upgrade+get+"\n"))
	if o.guard.Pending() != 2 {
		t.Fatal(o.guard.Pending())
	}
	if o.guard.Answered(); o.guard.Take(make([]byte, 9)) != 0 {
		t.Error("the answer to the first was taken for that to the upgrade")
	}
	if o.guard.Answered(); o.guard.Take(make([]byte, 9)) != 9 {
		t.Error("nothing to take after the answer to the upgrade")
	}
}

func TestAnUpgradeThatIsAnsweredBeforeItsBodyHasComeHoldsNothing(t *testing.T) {
	head := "POST / HTTP/1.1\nHost: a\nConnection: upgrade\nUpgrade: x\nContent-Length: 2\n\n"
	o := feed(t, nil, wire(head))
	o.guard.Answered()
	if in := wire("ok" + get + "\n"); !passesAll(o.guard, in) || !o.guard.AtRest() {
		t.Errorf("%d octets held, at rest %v", o.guard.Held(), o.guard.AtRest())
	}
}

func TestAPlainRequestMayBeHijacked(t *testing.T) {
	o := feed(t, nil, wire(get+"\n"), []byte("G"))
	o.guard.Release()
	if o.guard.Held() != 0 || o.guard.Take(make([]byte, 9)) != 0 || !passesAll(o.guard, []byte("\x00\x16")) {
		t.Error("what had passed comes again, or the guard goes on")
	}
}

const preface = "PRI * HTTP/2.0\n\nSM\n\n"

func TestThePrefaceOfHTTP2EndsTheGuarding(t *testing.T) {
	limits := complete(t, http1.Limits{H2C: true})
	rest := "\x00\x00\x00\x04\x00\x00\x00\x00\x00"
	b := append(wire(preface), rest...)
	for i := range len(b) {
		o := feed(t, limits, b[:i], b[i:])
		if o.refused != nil || o.passed != string(b) || o.guard.AtRest() || o.guard.Held() != 0 {
			t.Errorf("split at %d: %v, passed %q", i, o.refused, o.passed)
		}
	}
	if o := feed(t, limits, octets(b)...); o.refused != nil || o.passed != string(b) {
		t.Errorf("octet by octet: %v, passed %q", o.refused, o.passed)
	}
}

func TestABrokenPrefaceNeverMakesARequest(t *testing.T) {
	limits := complete(t, http1.Limits{H2C: true})
	for _, in := range []string{"PRI * HTTP/2.0\nHost: a\n\n", "PRI * HTTP/2.0\n\nGET / HTTP/1.1\n\n", "PRI * HTTP/2.0\n\nSM\n\x00\n", "PRI * HTTP/2.0\n\nSM␊\n"} {
		b := wire(in)
		for i := range len(b) {
			o := feed(t, limits, b[:i], b[i:])
			if o.reason() != "a broken HTTP/2 preface" || strings.Contains(o.passed, "\n\r") {
				t.Errorf("%q split at %d: %v, passed %q", in, i, o.refused, o.passed)
			}
		}
	}
	for _, in := range []string{get + "\n" + preface, "PRI * HTTP/2.1\n\nSM\n\n", "pri * HTTP/2.0\n\nSM\n\n"} {
		if o := feed(t, limits, wire(in)); o.refused == nil || o.refused.Status != 505 {
			t.Errorf("%q: %v", in, o.refused)
		}
	}
}

func TestAGuardIsSmall(t *testing.T) {
	if size := unsafe.Sizeof(http1.Guard{}); size > 64 {
		t.Errorf("%d octets for each connection", size)
	}
}
