package http1_test

import (
	"strings"
	"testing"

	"github.com/tandem-go/tandem/internal/http1"
)

const (
	get     = "GET / HTTP/1.1\nHost: a\n"
	chunked = "POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n\n"
)

// refused are requests that do not pass, by the reason.
var refused = []struct {
	reason string
	inputs []string
}{
	{"a TLS handshake on a port that does not speak TLS", []string{"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", get + "\n\x16\x03\x01"}},
	{"a CR without LF", []string{"␍GET / HTTP/1.1\nHost: a\n\n", "\n␍\n", chunked + "0\n\n␍" + get + "\n"}},
	{"a line that ends in LF without CR", []string{
		"␊GET / HTTP/1.1\n", "GET / HTTP/1.1␊Host: a\n\n", "GET / HTTP/1.1\nHost: a␊\n", get + "␊", get + "X: y␊\n", "GET␊/␊HTTP/1.1\n\n",
		chunked + "5␊hello\n0\n\n", chunked + "5;a=b␊hello\n0\n\n", chunked + "5␊;\nhello\n0\n\n", chunked + "0\n␊", chunked + "0\nX: y␊\n",
	}},
	{"too many empty lines before a request", []string{"\n\n\nGET / HTTP/1.1\nHost: a\n\n", get + "\n\n\n\n"}},

	{"malformed request line", []string{
		"GET\n", "GET /\n", "GET HTTP/1.1\n\n", "GET  / HTTP/1.1\nHost: a\n\n", "GET  HTTP/1.1\n\n", "CONNECT  HTTP/1.0\n\n", "PROXY\n",
	}},
	{"malformed method", []string{
		" GET / HTTP/1.1\n", "\tGET / HTTP/1.1\n", "\x00", "\x89\x89", "\xc3\xa9 / HTTP/1.1\n", "(", "G(T / HTTP/1.1\nHost: a\n\n",
		"GET\t/ HTTP/1.1\nHost: a\n\n", "GET: / HTTP/1.1\n", "GET\x00 / HTTP/1.1\n", "GET\x7f / HTTP/1.1\n", strings.Repeat("A", 20_000),
	}},
	{"malformed HTTP version", []string{
		"GET / HTTP/1\nHost: a\n\n", "GET / HTTP/01.01\n\n", "GET / HTTP/ 1.1\n\n", "GET / HTTP/1.1 \n\n", "GET / http/1.1\n\n", "GET / HTTP/1.10\n\n",
		"GET / HTTP/11\n\n", "GET / FTP/1.1\n\n", "GET /pa th HTTP/1.1\nHost: a\n\n", "GET / \n\n", "GET / HTTP/1.1␍Host: a\n\n",
		"GET / HTTP/1.1\x00\n\n", "GET / HTTP/1x1\n\n", "GET / HTTP/-1.1\n\n", "PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\n",
	}},
	{"only HTTP/1.0 and HTTP/1.1 are spoken here", []string{
		"GET / HTTP/0.9\n\n", "GET / HTTP/1.2\n\n", "GET / HTTP/2.0\n\n", "GET / HTTP/9.9\n\n", "PRI * HTTP/2.0\n\nSM\n\n",
	}},
	{"an octet in the request target that must be percent-encoded", []string{
		"GET /caf\xc3\xa9 HTTP/1.1\nHost: a\n\n", "GET /\xc0\xaf HTTP/1.1\n\n", "GET /\x00 HTTP/1.1\n\n", "GET /\x7f HTTP/1.1\n\n", "GET /a\tb HTTP/1.1\n\n",
		"GET /?q=\xff HTTP/1.1\n\n", "GET http://a/\x80 HTTP/1.1\n\n", "GET /␍ HTTP/1.1\n\n",
	}},
	{"a fragment in the request target", []string{"GET /a#b HTTP/1.1\nHost: a\n\n", "GET /?a#b HTTP/1.1\n\n", "GET http://a#b HTTP/1.1\n\n", "GET http://a/#b HTTP/1.1\n\n"}},
	{"a malformed percent-encoding in the path", []string{"GET /% HTTP/1.1\n\n", "GET /%f HTTP/1.1\n\n", "GET /%zz HTTP/1.1\n\n", "GET /%1g?%11 HTTP/1.1\n\n", "GET http://a/%2 HTTP/1.1\n\n"}},
	{"the target * is for OPTIONS alone", []string{"GET * HTTP/1.1\nHost: a\n\n", "options * HTTP/1.1\nHost: a\n\n"}},
	{"a request target that is no path and no http or https URI", []string{
		"GET a/b HTTP/1.1\nHost: a\n\n", "GET a:443 HTTP/1.1\nHost: a:443\n\n", "GET s://]ufd/: HTTP/1.1\n\n", "GET ftp://a/ HTTP/1.1\n\n", "GET http:/a HTTP/1.1\n\n",
		"GET ?a HTTP/1.1\n\n", "OPTIONS ** HTTP/1.1\n\n", "GET javascript:alert(1) HTTP/1.1\n\n", "GET http: HTTP/1.1\n\n", "GET \x80 HTTP/1.1\n\n",
	}},
	{"malformed authority in the request target", []string{
		"GET http:// HTTP/1.1\n\n", "GET http:///a HTTP/1.1\n\n", "GET http://:80/ HTTP/1.1\n\n", "GET https://?a HTTP/1.1\n\n", "GET http://u@a/ HTTP/1.1\n\n",
		"GET http://u:p@a:1/ HTTP/1.1\n\n", "GET http://a:b/ HTTP/1.1\n\n", "GET http://[::1/ HTTP/1.1\n\n", "GET http://[::1]x/ HTTP/1.1\n\n",
		"GET http://[::1%25eth0]/ HTTP/1.1\n\n", "GET http://[v1.a]/ HTTP/1.1\n\n", "GET http://[1.2.3.4]/ HTTP/1.1\n\n", "GET http://a\\b/ HTTP/1.1\n\n", "GET http://\xff/ HTTP/1.1\n\n",
	}},
	{"the target of CONNECT must be host and port", []string{
		"CONNECT / HTTP/1.1\n\n", "CONNECT a HTTP/1.1\n\n", "CONNECT a: HTTP/1.1\n\n", "CONNECT :443 HTTP/1.1\n\n", "CONNECT a:0 HTTP/1.1\n\n", "CONNECT a:65536 HTTP/1.1\n\n",
		"CONNECT http://a:443 HTTP/1.1\n\n", "CONNECT a:443/ HTTP/1.1\n\n", "CONNECT u@a:443 HTTP/1.1\n\n", "CONNECT a:99999999999999999999999999 HTTP/1.1\n\n", "CONNECT * HTTP/1.1\n\n",
	}},

	{"a folded field line, or a blank before a field name", []string{get + "X: a\n b\n\n", get + "X: a\n\tb\n\n", "GET / HTTP/1.1\n \nHost: a\n\n", "GET / HTTP/1.1\n Host: a\n\n", chunked + "0\nX: a\n b\n\n"}},
	{"a field line without a colon", []string{get + "X\n\n", get + "X y\n\n", get + "\x00\n\n", get + "é\n\n", chunked + "0\nX\n\n"}},
	{"a blank before the colon of a field line", []string{get + "X : y\n\n", get + "X\t: y\n\n", get + "Content-Length : 3\n\n", get + "Transfer-Encoding : chunked\n\n", chunked + "0\nX : y\n\n"}},
	{"malformed field name", []string{
		get + ": a\n\n", get + "A B: a\n\n", get + "A[b: c\n\n", get + "X-T\xc3\xabst: a\n\n", get + "A\x00: b\n\n", get + "\x0bA: b\n\n", get + "A\tB: 1\n\n",
		get + "Content-Length\xff: 3\n\n", get + "\"A\": b\n\n", get + "␍A: b\n\n", chunked + "0\n(: a\n\n",
	}},
	{"a control character in a field value", []string{
		get + "A: b␍c\n\n", get + "A: b\x00c\n\n", get + "A: \x07\n\n", get + "A: b\x7fc\n\n", get + "A: b\x0bc\n\n", get + "A: b␍\n\n", get + "Transfer-Encoding: \x0cchunked\n\n",
		get + "Transfer-Encoding: chunked\x00\n\n", get + "A: 0123456789\x1f\n\n", get + "A: 01234567890123456\x7f\n\n", get + "A:\x01\n\n", chunked + "0\nA: \x00\n\n",
	}},
	{"no Host", []string{"GET / HTTP/1.1\n\n", "GET http://a/ HTTP/1.1\n\n", "CONNECT a:1 HTTP/1.1\n\n", "OPTIONS * HTTP/1.1\nHosts: a\n\n"}},
	{"more than one Host", []string{get + "Host: a\n\n", get + "hOST: b\n\n", "GET / HTTP/1.0\nHost: a\nHost: b\n\n"}},
	{"empty Host", []string{"GET / HTTP/1.1\nHost:\n\n", "GET / HTTP/1.1\nHost: \t \n\n", "GET / HTTP/1.0\nHost:\n\n"}},
	{"malformed Host", []string{
		"GET / HTTP/1.1\nHost: a b\n\n", "GET / HTTP/1.1\nHost: a, b\n\n", "GET / HTTP/1.1\nHost: u@a\n\n", "GET / HTTP/1.1\nHost: a/b\n\n", "GET / HTTP/1.1\nHost: a:b\n\n",
		"GET / HTTP/1.1\nHost: a:80:80\n\n", "GET / HTTP/1.1\nHost: :80\n\n", "GET / HTTP/1.1\nHost: [::1\n\n", "GET / HTTP/1.1\nHost: []\n\n", "GET / HTTP/1.1\nHost: [::g]\n\n",
		"GET / HTTP/1.1\nHost: [::1]a\n\n", "GET / HTTP/1.1\nHost: [::1%eth0]\n\n", "GET / HTTP/1.1\nHost: \xc3\xa9\n\n", "GET / HTTP/1.1\nHost: a%2\n\n", "GET / HTTP/1.1\nHost: http://a\n\n",
		"GET / HTTP/1.1\nHost: a?b\n\n", "GET / HTTP/1.1\nHost: a#b\n\n", "GET / HTTP/1.1\nHost: \"a\"\n\n", "GET / HTTP/1.1\nHost: a:-1\n\n", "GET / HTTP/1.1\nHost: <a>\n\n", "GET / HTTP/1.1\nHost: a:1 2\n\n",
	}},

	{"malformed Content-Length", []string{
		get + "Content-Length:\n\n", get + "Content-Length: abc\n\n", get + "Content-Length: +5\n\n", get + "Content-Length: -1\n\n", get + "Content-Length: -0\n\n", get + "Content-Length: 0x5\n\n",
		get + "Content-Length: 1_0\n\n", get + "Content-Length: 1 0\n\n", get + "Content-Length: 5, 5\n\n", get + "Content-Length: 5,\n\n", get + "Content-Length: 5.0\n\n", get + "Content-Length: \xa05\n\n",
		get + "Content-Length: 9223372036854775808\n\n", get + "Content-Length: 99999999999999999999\n\n", get + "Content-Length: \"5\"\n\n", "GET / HTTP/1.0\nContent-Length: 5;\n\n",
	}},
	{"more than one Content-Length", []string{get + "Content-Length: 5\nContent-Length: 5\n\n", get + "Content-Length: 5\ncontent-length: 6\n\n", get + "Content-Length: 5\nContent-Length: x\n\n"}},
	{"Content-Length with Transfer-Encoding", []string{
		get + "Content-Length: 5\nTransfer-Encoding: chunked\n\n", get + "TRANSFER-ENCODING: Chunked\nContent-Length: 0\n\n0\n\n", get + "Transfer-Encoding:\tchunked \nContent-Length: 5\n\nhello",
	}},
	{"Transfer-Encoding in HTTP/1.0", []string{"POST / HTTP/1.0\nTransfer-Encoding: chunked\n\n0\n\n", "POST / HTTP/1.0\nTransfer-Encoding: identity\n\n"}},
	{"Transfer-Encoding must be chunked, once", []string{
		get + "Transfer-Encoding:\n\n", get + "Transfer-Encoding: chunked, chunked\n\n", get + "Transfer-Encoding: chunked, gzip\n\n", get + "Transfer-Encoding: , chunked\n\n",
		get + "Transfer-Encoding: chunked,\n\n", get + "Transfer-Encoding: chunked\nTransfer-Encoding: chunked\n\n", get + "Transfer-Encoding: chunked\nTransfer-Encoding: identity\n\n",
		get + "Transfer-Encoding: gzip, chunked\n\n",
	}},
	{"a transfer coding other than chunked", []string{
		get + "Transfer-Encoding: gzip\n\n", get + "Transfer-Encoding: identity\n\n", get + "Transfer-Encoding: xchunked\n\n", get + "Transfer-Encoding: chunked;a=b\n\n", get + "Transfer-Encoding: chun ked\n\n",
		get + "Transfer-Encoding: gzip\nTransfer-Encoding: chunked\n\n", get + "Transfer-Encoding: \"chunked\"\n\n", get + "Transfer-Encoding: chunked\xe2\x84\xaa\n\n",
	}},
	{"an expectation other than 100-continue", []string{get + "Expect: 200-ok\n\n", get + "Expect: 100-continue, 200-ok\n\n", get + "Expect: 100-continued\n\n", "GET / HTTP/1.0\nExpect: x\n\n"}},

	{"malformed chunk size", []string{
		chunked + "\nhello\n0\n\n", chunked + "5 \nhello\n0\n\n", chunked + "5\t\nhello\n0\n\n", chunked + " 5\nhello\n0\n\n", chunked + "+5\nhello\n0\n\n", chunked + "-5\nhello\n0\n\n", chunked + "0x5\nhello\n0\n\n",
		chunked + "1_0\n", chunked + "5 ;a\nhello\n0\n\n", chunked + ";a\nhello\n", chunked + "g\n", chunked + "5\x00\n", chunked + "5␍\nhello\n0\n\n", chunked + "5␍hello\n0\n\n", chunked + "5\nhello\n0 \n\n", chunked + "5,5\n", chunked + "5.\n",
	}},
	{"a chunk size that is too large", []string{
		chunked + "8000000000000000\n", chunked + "FFFFFFFFFFFFFFFF\n", chunked + "FFFFFFFFFFFFFFFF0\n", chunked + "00000000000000005\nhello\n", chunked + "00000000000000000\n\n",
	}},
	{"malformed chunk extension", []string{
		chunked + "5;\nhello\n0\n\n", chunked + "5; \nhello\n0\n\n", chunked + "5;;a\nhello\n0\n\n", chunked + "5;a;\nhello\n0\n\n", chunked + "5;a=\nhello\n0\n\n", chunked + "5;=b\nhello\n0\n\n", chunked + "5;a b\nhello\n0\n\n",
		chunked + "5;a[=x\nhello\n0\n\n", chunked + "5;\x00ext\nhello\n0\n\n", chunked + "5;a␍X\nhello\n0\n\n", chunked + "5;a=\"b\nhello\n0\n\n", chunked + "5;a=\"b\\\nhello\n0\n\n", chunked + "5;a=\"b\"c\nhello\n0\n\n",
		chunked + "5;a=\"b\x00\"\nhello\n0\n\n", chunked + "5;a=\"\\\x00\"\nhello\n0\n\n", chunked + "5;a=\"\x7f\"\nhello\n0\n\n", chunked + "5;a=b \nhello\n0\n\n", chunked + "5;a=\xff\nhello\n0\n\n", chunked + "0;\n\n", chunked + "5;a=\"b␍\"\nhello\n0\n\n",
	}},
	{"a chunk without CRLF after its data", []string{
		chunked + "5\nhello0\n\n", chunked + "5\nhello!!\n0\n\n", chunked + "5\nhello␊0\n\n", chunked + "5\nhello␍0\n\n", chunked + "5\nhello␍␍", chunked + "5\nhello\x00", chunked + "1\nhello\n0\n\n",
	}},
	{"a field that must not be in a trailer", []string{
		chunked + "0\nContent-Length: 5\n\n", chunked + "0\nTRANSFER-encoding: chunked\n\n", chunked + "0\nHost: a\n\n", chunked + "0\nX: y\nTrailer: z\n\n", chunked + "0\nConnection: close\n\n", chunked + "0\nUpgrade: a\n\n",
		chunked + "0\nTE: trailers\n\n", chunked + "0\nExpect: 100-continue\n\n",
	}},
}

func TestWhatIsRefusedNeverPasses(t *testing.T) {
	for _, c := range refused {
		t.Run(c.reason, func(t *testing.T) {
			for _, in := range c.inputs {
				b := wire(in)
				o := feed(t, nil, b)
				if o.reason() != c.reason {
					t.Errorf("%q: refused %q", b, o.reason())
					continue
				}
				if o.refused.InBody {
					t.Errorf("%q: the head and the fault came at once, and the head is said to have passed", b)
				}
				if o.passed != "" && o.passed != string(wire(get+"\n")) && o.passed != string(wire(chunked+"0\n\n")) {
					t.Errorf("%q: passed %q", b, o.passed)
				}
				if want := strings.Count(o.passed, "HTTP/"); o.guard.Pending() != want {
					t.Errorf("%q: %d requests are pending, %d passed", b, o.guard.Pending(), want)
				}
				if o.guard.AtRest() || o.guard.Held() != 0 {
					t.Errorf("%q: at rest, or holding %d octets", b, o.guard.Held())
				}
			}
		})
	}
}

func TestEveryReasonHasACase(t *testing.T) {
	tested := map[string]bool{
		// These have tests of their own, for limits and for what is kept aside.
		"a broken HTTP/2 preface": true, "too much sent before the upgrade was answered": true,
		"the request line is too long": true, "a header line is too long": true, "the header is too long": true, "the header has too many lines": true,
		"a trailer line is too long": true, "the trailer is too long": true, "the trailer has too many lines": true,
		"the line before a chunk is too long": true, "the chunk extensions are too long": true, "the body is too large": true,
	}
	for _, c := range refused {
		tested[c.reason] = true
	}
	for _, r := range http1.Reasons() {
		if !tested[r.Reason] {
			t.Errorf("%q has no case", r.Reason)
		}
		delete(tested, r.Reason)
	}
	for reason := range tested {
		t.Errorf("%q is no reason", reason)
	}
}

func TestAFaultInABodyWhoseHeadHasPassedIsToldAsSuch(t *testing.T) {
	for _, c := range refused {
		for _, in := range c.inputs {
			body, ok := strings.CutPrefix(in, chunked)
			if !ok || strings.HasPrefix(body, "0\n\n") {
				continue // or the fault comes after the body
			}
			o := feed(t, nil, wire(chunked), wire(body))
			if o.reason() != c.reason || !o.refused.InBody || o.guard.Pending() != 1 {
				t.Errorf("%q: refused %q, in the body: %v, %d pending", in, o.reason(), o.refused != nil && o.refused.InBody, o.guard.Pending())
			}
			rest, sent := strings.TrimPrefix(o.passed, string(wire(chunked))), string(wire(body))
			if len(rest) >= len(sent) || !strings.HasPrefix(sent, rest) {
				t.Errorf("%q: passed %q", in, o.passed)
			}
		}
	}
}

func TestARefusalSaysItsStatusAndReason(t *testing.T) {
	o := feed(t, nil, wire("GET / HTTP/3.0\n\n"))
	if got, want := o.refused.Error(), "http: request refused (505): only HTTP/1.0 and HTTP/1.1 are spoken here"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
