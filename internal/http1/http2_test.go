package http1_test

import (
	"crypto/tls"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/tandem-go/tandem/internal/http1"
)

// two is a request as net/http makes it of HTTP/2.
type two struct {
	method, path string // "" is GET, and /
	authority    string // "-" is none; "" is a
	fields       http.Header
	length       int64 // of the body, as net/http has it
	tls          bool
}

func (q two) request() *http.Request {
	r := &http.Request{Method: q.method, RequestURI: q.path, Host: q.authority, Header: q.fields, ContentLength: q.length, ProtoMajor: 2}
	if r.Method == "" {
		r.Method = "GET"
	}
	if r.RequestURI == "" {
		r.RequestURI = "/"
	}
	switch {
	case r.Host == "":
		r.Host = "a"
	case r.Host == "-":
		r.Host = r.Header.Get("Host")
	}
	if r.Header == nil {
		r.Header = http.Header{}
	}
	if q.tls {
		r.TLS = &tls.ConnectionState{}
	}
	return r
}

// wire is the same in HTTP/1.
func (q two) wire() []byte {
	r := q.request()
	b := r.Method + " " + r.RequestURI + " HTTP/1.1\n"
	if r.Header["Host"] == nil && r.Host != "" {
		b += "Host: " + r.Host + "\n"
	}
	for name, values := range r.Header {
		for _, value := range values {
			b += name + ": " + value + "\n"
		}
	}
	return wire(b + "\n" + strings.Repeat("x", int(max(0, q.length))))
}

func with(pairs ...string) http.Header {
	h := http.Header{}
	for i := 0; i < len(pairs); i += 2 {
		h[pairs[i]] = append(h[pairs[i]], pairs[i+1])
	}
	return h
}

// many is n fields.
func many(n int) http.Header {
	h := http.Header{}
	for i := range n {
		h["X-"+strconv.Itoa(i)] = []string{"a"}
	}
	return h
}

// padded are three fields of 93 octets and n more, with their line ends.
func padded(n int) http.Header {
	y := strings.Repeat("y", 26)
	return with("X", y, "Y", y, "Z", strings.Repeat("z", 26+n))
}

// What HTTP/1 refuses is refused in HTTP/2, for the same reason; what passes there passes here.
func TestHTTP2HasTheRulesOfHTTP1(t *testing.T) {
	small := complete(t, http1.Limits{RequestLine: 50, HeaderLine: 30, HeaderBytes: 9 + 93, Headers: 5, Body: 10})
	for reason, all := range map[string][]two{
		"": {
			{},
			{path: "/a%20b?c=%zz|\"d"},
			{path: "//a/b"},
			{path: "/" + strings.Repeat("a", 36)},
			{method: "a.b", path: "/?"},
			{method: "OPTIONS", path: "*"},
			{method: "OPTIONS"},
			{authority: "a:80"},
			{authority: "a:"},
			{authority: "[::1]"},
			{authority: "[::1]:8443"},
			{authority: "A_b.c%20"},
			{authority: "-", fields: with("Host", "a:1")},
			{method: "CONNECT", path: "a:443", authority: "a:443"},
			{method: "CONNECT", path: "[::1]:1", authority: "[::1]:1"},
			{fields: with("Expect", "")},
			{fields: with("Expect", "100-Continue")},
			{method: "POST", fields: with("Content-Length", "0")},
			{method: "POST", fields: with("Content-Length", "010"), length: 10},
			{fields: many(4)},
			{fields: with("X", strings.Repeat("y", 27))},
			{fields: padded(0)},
		},
		"malformed method": {{method: "G\xc3"}, {method: "G(T"}},
		"an octet in the request target that must be percent-encoded": {{path: "/\xc3\xa4"}, {path: "/?\x7f"}, {path: "/a\tb"}},
		"a fragment in the request target":                            {{path: "/#"}, {path: "/?a#b"}},
		"a malformed percent-encoding in the path":                    {{path: "/%zz"}},
		"the target * is for OPTIONS alone":                           {{path: "*"}, {method: "POST", path: "*"}},
		"the target of CONNECT must be host and port": {
			{method: "CONNECT", path: "a", authority: "a"},
			{method: "CONNECT", path: "a:0", authority: "a:0"},
			{method: "CONNECT"},
		},

		"more than one Host": {{authority: "-", fields: with("Host", "a", "Host", "b")}, {fields: with("Host", "a", "Host", "a")}},
		"empty Host":         {{authority: "-", fields: with("Host", "")}, {fields: with("Host", "")}},
		"malformed Host":     {{authority: "-", fields: with("Host", "a b")}, {authority: "-", fields: with("Host", ":80")}, {fields: with("Host", "u@a")}, {fields: with("Host", "a/b")}},

		"more than one Content-Length": {{fields: with("Content-Length", "3", "Content-Length", "4"), length: 3}, {fields: with("Content-Length", "3", "Content-Length", "3"), length: 3}},
		"malformed Content-Length": {
			{fields: with("Content-Length", "+3")},
			{fields: with("Content-Length", "")},
			{fields: with("Content-Length", "3, 3")},
			{fields: with("Content-Length", "a")},
			{fields: with("Content-Length", "-1")},
			{fields: with("Content-Length", "0x3")},
		},
		"an expectation other than 100-continue": {{fields: with("Expect", "foo")}, {fields: with("Expect", "100-continue", "Expect", "foo")}},

		"the request line is too long":  {{path: "/" + strings.Repeat("a", 37)}, {method: "OPTIONS", path: "/" + strings.Repeat("a", 33)}},
		"a header line is too long":     {{fields: with("X", strings.Repeat("y", 28))}},
		"the header is too long":        {{fields: padded(1)}},
		"the header has too many lines": {{fields: many(5)}, {fields: with("X", "", "X", "", "X", "", "X", "", "X", "")}},
		"the body is too large":         {{method: "POST", fields: with("Content-Length", "11"), length: 11}},
	} {
		for _, q := range all {
			got := outcome{refused: small.Judge(q.request())}
			in1 := feed(t, small, q.wire())
			if got.reason() != reason || in1.reason() != reason {
				t.Errorf("%+v: refused as %q, in HTTP/1 as %q, want %q", q, got.reason(), in1.reason(), reason)
			}
			if got.refused != nil && *got.refused != *in1.refused {
				t.Errorf("%+v: %+v, in HTTP/1 %+v", q, got.refused, in1.refused)
			}
		}
	}
}

// What HTTP/1 has no place for, or reads as something else.
func TestHTTP2HasRulesOfItsOwn(t *testing.T) {
	limits := http1.DefaultLimits()
	for reason, all := range map[string][]two{
		"": {
			{fields: with("Host", "a")},
			{authority: "Example.com", fields: with("Host", "example.COM")},
			{authority: "a:80", fields: with("Host", "a")},
			{authority: "a", fields: with("Host", "a:443")},
			{authority: "a:", fields: with("Host", "a")},
			{authority: "-"},
			{authority: "a:443", fields: with("Host", "a"), tls: true},
			{authority: "[::A]:1", fields: with("Host", "[::a]:1")},
			{method: "POST", length: -1},
			{method: "CONNECT", path: "/chat", fields: with(":protocol", "websocket")},
		},
		"malformed method":         {{method: "G T"}},
		"malformed Content-Length": {{fields: with("Content-Length", "9223372036854775808")}},
		"an octet in the request target that must be percent-encoded": {{path: "/a b"}},
		"a :path that does not begin with a slash": {
			{path: "http://a/"}, {path: "HTTPS://a/b"}, {path: "a/b"}, {path: "a:443"}, {path: "**", method: "OPTIONS"}, {path: "?"},
		},
		"malformed authority in the request target": {
			{authority: "x/y"},
			{authority: "a b"},
			{authority: "\xc3\xa4"},
			{authority: ":80"},
			{authority: "a:b"},
			{authority: "[::1"},
			{authority: "[::1]a"},
			{authority: "[::1%eth0]"},
			{authority: "a%zz"},
			{authority: "x/y", fields: with("Host", "a")},
		},
		"malformed Host": {{fields: with("Host", "u@b")}, {fields: with("Host", ":80")}},
		"a Host that differs from :authority": {
			{fields: with("Host", "b")},
			{fields: with("Host", "a:8080")},
			{authority: "a:80", fields: with("Host", "a:443")},
			{authority: "a:80", fields: with("Host", "a"), tls: true},
			{authority: "a:1", fields: with("Host", "a:2")},
		},
		"a Content-Length that is not that of the body": {{method: "POST", fields: with("Content-Length", "3")}},
	} {
		for _, q := range all {
			got := limits.Judge(q.request())
			if (outcome{refused: got}).reason() != reason {
				t.Errorf("%+v: %v, want %q", q, got, reason)
			}
			if got != nil && (got.Status != 400 || got.Clause == "" || got.InBody) {
				t.Errorf("%+v: %+v", q, got)
			}
		}
	}
}

func TestARefusalOfHTTP2IsItsOwn(t *testing.T) {
	limits, r := http1.DefaultLimits(), two{authority: "x/y"}.request()
	limits.Judge(r).Reason = "another"
	if got := limits.Judge(r); got.Reason != "malformed authority in the request target" {
		t.Errorf("one who was given a refusal has changed it for others: %v", got)
	}
}

// browser2 is the browser's request, as it comes by HTTP/2.
func browser2() *http.Request {
	q := two{path: "/api/v1/items/?page=2&size=50", authority: "example.com", fields: http.Header{}}
	_, rest, _ := strings.Cut(browser, "\nHost: example.com\n")
	for line := range strings.Lines(strings.TrimSpace(rest)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		if name != "Connection" {
			q.fields.Add(name, value)
		}
	}
	return q.request()
}

func TestARequestOfHTTP2ThatIsInOrderCostsNoMemory(t *testing.T) {
	limits, r := http1.DefaultLimits(), browser2()
	r.Header.Set("Host", "example.com:443")
	if n := testing.AllocsPerRun(100, func() {
		if refused := limits.Judge(r); refused != nil {
			t.Error(refused)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
