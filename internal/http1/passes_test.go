package http1_test

import (
	"strings"
	"testing"
)

// passing are whole requests.
var passing = []string{
	get + "\n",
	"GET / HTTP/1.0\n\n",
	"GET / HTTP/1.0\nHost: a\nUpgrade: websocket\nConnection: upgrade\n\n",
	"\n" + get + "\n",
	"\n\n" + get + "\n",
	"get / HTTP/1.1\nHost: a\n\n", // RFC 9110 9.1: a token, case-sensitive
	"!#$%&'*+-.^_`|~09azAZ / HTTP/1.1\nHost: a\n\n",
	"PRI / HTTP/1.1\nHost: a\n\n",

	// RFC 9112 3.2.1 to 3.2.4
	"GET /a/b;c=d,e/%41%ff/:@!$&'()*+,;=-._~?q=1&r[]={}|^`\"<>\\?%zz% HTTP/1.1\nHost: a\n\n",
	"GET //a///b HTTP/1.1\nHost: a\n\n",
	"GET /" + strings.Repeat("a", 8000) + " HTTP/1.1\nHost: a\n\n",
	"GET http://a HTTP/1.1\nHost: b\n\n",
	"GET HTTP://a:80/b?c HTTP/1.1\nHost: a:80\n\n",
	"GET https://[2001:db8::1]:443?q HTTP/1.1\nHost: [2001:db8::1]:443\n\n",
	"GET http://a:/ HTTP/1.1\nHost: a:\n\n",
	"OPTIONS * HTTP/1.1\nHost: a\n\n",
	"OPTIONS / HTTP/1.1\nHost: a\n\n",

	// RFC 3986 3.2.2
	"GET / HTTP/1.1\nHost: example.com:8080\n\n",
	"GET / HTTP/1.1\nHost: 127.0.0.1\n\n",
	"GET / HTTP/1.1\nHost: [::ffff:1.2.3.4]\n\n",
	"GET / HTTP/1.1\nHost: 0.0.0.0=5000\n\n",
	"GET / HTTP/1.1\nHost: a_b-c.d~!$&'()*+,;=\n\n",
	"GET / HTTP/1.1\nHost:\t%41%c3%a9 \n\n",

	// RFC 9110 5
	get + "A:\nB: \t x \t \nX.Custom|Pipe: caf\xc3\xa9\nTab: a\tb\n\n",
	get + "Content_Length: -1E23\nTransfer_Encoding: tricked\n\n",
	get + "Connection: close, Upgrade\n\n",
	get + "Upgrade: websocket\n\n",
	get + "Connection: upgrade\nUpgrade:\n\n",
	get + "Expect:\n\n",
	get + "expect: 100-Continue\nContent-Length: 2\n\nok",

	// RFC 9112 6
	get + "Content-Length: 5\n\nhello" + get + "\n",
	get + "CONTENT-LENGTH: 005\n\nhello",
	get + "Content-Length: 00\n\n",
	get + "Content-Length:\t5 \n\nGET /",
	"POST / HTTP/1.0\nContent-Length: 5\n\nhello",
	get + "Transfer-Encoding: Chunked\n\n0\n\n",
	get + "transfer-encoding:\tchunked \n\n0\n\n",

	// RFC 9112 7.1
	chunked + "5\nhello\n0\n\n" + get + "\n",
	chunked + "5\nhello\n6\n world\n000\n\n" + chunked + "A\n0123456789\n0\n\n",
	chunked + "0005\nhello\n0000000000000000\n\n",
	chunked + "5; some; parameters=stuff\nhello\n6;\tblahblah ; blah =\t\"a b\"\n world\n0\n\n",
	chunked + "1;a=\"b;\\\"\\\\c\td\xff\";e\nx\n0;f\n\n",
	chunked + "2\n\n\n0\n\n",
	chunked + "0\nVary: *\nContent-Type: text/plain\nX-Checksum: a:b\n\n",
}

func TestWhatIsWellFormedPassesWhole(t *testing.T) {
	for _, in := range passing {
		b := wire(in)
		for name, o := range map[string]outcome{"at once": feed(t, nil, b), "octet by octet": feed(t, nil, octets(b)...)} {
			if o.refused != nil || o.passed != withoutBlanks(b) || !o.guard.AtRest() {
				t.Errorf("%q %s: %v, at rest: %v, passed %q", b, name, o.refused, o.guard.AtRest(), o.passed)
			}
			if want := strings.Count(in, "HTTP/1."); o.guard.Pending() != want {
				t.Errorf("%q %s: %d requests, want %d", b, name, o.guard.Pending(), want)
			}
		}
	}
}

func TestItIsNotAtRestWithinARequest(t *testing.T) {
	for _, in := range passing {
		b := wire(withoutBlanks([]byte(in)))
		if n := strings.Count(in, "HTTP/1."); n > 1 {
			continue
		}
		for i := 1; i < len(b); i++ {
			if feed(t, nil, b[:i]).guard.AtRest() {
				t.Errorf("at rest after %q of %q", b[:i], b)
			}
		}
	}
}

func TestEachRequestMayHaveEmptyLinesBeforeIt(t *testing.T) {
	in := wire("\n\n" + get + "\n\n\n" + get + "\n\n" + get + "\n\n\n")
	for _, parts := range [][][]byte{{in}, octets(in)} {
		if o := feed(t, nil, parts...); o.refused != nil || o.passed != strings.Repeat(string(wire(get+"\n")), 3) || !o.guard.AtRest() {
			t.Errorf("%v, passed %q", o.refused, o.passed)
		}
	}
}

func TestPartsOfEmptyLinesAreNotRest(t *testing.T) {
	for in, rest := range map[string]bool{"": true, "\r": false, "\r\n": true, "\r\n\r": false, "\r\n\r\n": true} {
		if o := feed(t, nil, []byte(in)); o.guard.AtRest() != rest || o.passed != "" {
			t.Errorf("%q: at rest %v, passed %q", in, o.guard.AtRest(), o.passed)
		}
	}
}

func TestResetMakesItAsNew(t *testing.T) {
	o := feed(t, nil, wire("GET / HTTP/9.9\n\n"))
	o.guard.Reset()
	b := wire(get + "\n")
	if pass, r := o.guard.Scan(b); r != nil || pass != len(b) || !o.guard.AtRest() {
		t.Errorf("%d passed, %v", pass, r)
	}
}
