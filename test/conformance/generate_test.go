package conformance

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
)

// generator makes what a client might send on one connection: valid, slightly
// wrong, hostile. The same seed makes the same.
type generator struct{ *rand.Rand }

func newGenerator(seed uint64) generator { return generator{rand.New(rand.NewPCG(seed, 0))} }

// sent is all that a client sends, in the pieces in which it does.
type sent [][]byte

func (s sent) wire() []byte { return bytes.Join(s, nil) }

// connection makes one of up to four requests, behind each other without waiting.
func (g generator) connection() sent {
	var wire []byte
	for range 1 + g.IntN(3)*g.IntN(2) + g.IntN(2)*g.IntN(2) {
		wire = append(wire, g.request()...)
	}
	if g.one(4) {
		for range 1 + g.IntN(3) {
			wire = g.spoil(wire)
		}
	}
	return g.split(wire)
}

// one is true once in n times.
func (g generator) one(n int) bool { return g.IntN(n) == 0 }

// of chooses; what is listed first is the plain thing, and comes most often.
func (g generator) of(plainly int, all ...string) string {
	if !g.one(plainly) {
		return all[0]
	}
	return all[g.IntN(len(all))]
}

// any chooses, each as often.
func (g generator) any(all ...string) string { return all[g.IntN(len(all))] }

var (
	methods      = []string{"GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "M-SEARCH", "get", "A!#$%&'*+-.^_`|~9"}
	plainTargets = []string{
		"/", "/a", "/a/b/", "/a?x=1&y=%20&z", "/a/../b", "//a//b", "/%2e%2e/%2F", "/a;b=c", "/?", "/a%00b", "/~:@!$&'()*+,=",
		"http://example.com/p?q", "http://example.com", "HTTP://example.com:8080/p", "https://[::1]/p",
	}
	// oddTargets are wrong, or at the edge.
	oddTargets = []string{
		"*", "example.com:443", "http:/p", "http:p", "http:///p", "s://]x", "ftp://example.com/", "/a#b", "/\xc3\xa9", "/\xff", "/%zz", "/%", "/?%zz",
		"/a|b", `/a"b`, "/a<b>", "/a{b}", "/a^b", "/a`b", `/a\b`, "/[a]", "a", "?", "http://user@example.com/", "http://exa mple.com/", "/a b", "",
		"http://example.com:x/", "http://example.com:99999/", "/\x00", "/\x7f", "/\t",
	}
	versions    = []string{"HTTP/1.1", "HTTP/1.0"}
	oddVersions = []string{"HTTP/1.2", "HTTP/2.0", "HTTP/0.9", "HTTP/1.10", "HTTP/1", "http/1.1", "HTTP/1.1 ", "HTTP/1.x", "HTTPS/1.1", "", "HTTP/3.0", "HTTP/11"}
	hosts       = []string{"Host: example.com\r\n", "host: example.com:80\r\n", "HOST:\texample.com \r\n", "Host: [::1]:8000\r\n", "Host: 127.0.0.1\r\n"}
	oddHosts    = []string{
		"", "Host:\r\n", "Host: a\r\nHost: a\r\n", "Host: a\r\nHost: b\r\n", "Host: a b\r\n", "Host: a,b\r\n", "Host: user@a\r\n", "Host: a/b\r\n", "Host: [::1\r\n",
		"Host: a:b\r\n", "Host : a\r\n", "Host: a\r\n b\r\n", "Host: \xff\r\n", "Host: a_b\r\n", "Host: a:\r\n", "Host: :80\r\n", "Host: a%41\r\n", "Host: a%zz\r\n",
	}
	fields = []string{
		"Accept: */*\r\n", "Cookie: a=b; c=d\r\n", "X-Empty:\r\n", "x_y: z\r\n", "X-Text: \xc3\xa9\xff\r\n", "X-Tab: a\tb\r\n", "X-A: 1\r\nX-A: 2\r\n", "X-Pad:  \t v \t \r\n",
		"User-Agent: differential\r\n", "Connection: keep-alive\r\n", "Connection: close\r\n", "Connection: close, x\r\n", "Keep-Alive: 1\r\n",
		"Content-Type: text/plain\r\n", "TE: trailers\r\n", "Trailer: X-T\r\n", "X-Forwarded-For: 192.0.2.1\r\n", "!#$%&'*+-.^_`|~: odd\r\n", "Range: bytes=0-1\r\n",
		"If-None-Match: *\r\n", "Authorization: Basic YTpi\r\n", "Proxy-Connection: keep-alive\r\n",
	}
	oddFields = []string{
		"X-Fold: a\r\n b\r\n", "X-Fold: a\r\n\tb\r\n", " X-First: a\r\n", "X-Blank : a\r\n", "X-Tab\t: a\r\n", "no colon\r\n", ": no name\r\n", "X-Nul: a\x00b\r\n",
		"X-Ctl: a\x01b\r\n", "X-Del: a\x7fb\r\n", "X(Y): a\r\n", "X Y: a\r\n", "X\xe9: a\r\n", "X-LF: a\n", "X-CR: a\rb\r\n", "\"X\": a\r\n", "X-Esc: \x1b[0m\r\n",
		"Expect: 200-ok\r\n", "Expect:\r\n", "Expect: 100-continue, x\r\n", "Expect: 100-Continue\r\n", "X-A: a\r\r\n", "\x00: a\r\n",
	}
)

// request makes one.
func (g generator) request() string {
	var b strings.Builder
	b.WriteString(g.of(8, "", "\r\n", "\r\n\r\n", "\r\n\r\n\r\n", "\n", " ", "\r"))
	method, version := g.of(2, methods...), g.of(5, versions...)
	b.WriteString(method)
	b.WriteString(g.of(60, " ", "  ", "\t", ""))
	if g.one(12) {
		b.WriteString(g.any(oddTargets...))
	} else {
		b.WriteString(g.of(2, plainTargets...))
	}
	if g.one(25) {
		version = g.any(oddVersions...)
	}
	b.WriteString(g.of(60, " ", "  ", "\t", "") + version + g.of(40, "\r\n", "\n", "\r", "\r\r\n"))
	if g.one(12) {
		b.WriteString(g.any(oddHosts...))
	} else {
		b.WriteString(g.of(3, hosts...))
	}
	for range g.IntN(4) {
		if g.one(20) {
			b.WriteString(g.any(oddFields...))
		} else {
			b.WriteString(g.any(fields...))
		}
	}
	g.large(&b)
	if method == "POST" || method == "PUT" || g.one(4) {
		g.body(&b)
	} else {
		b.WriteString(g.of(40, "\r\n", "\n"))
	}
	if method == "POST" { // after which old clients sent one line end more
		b.WriteString(g.of(4, "", "\r\n", "\r", "\n"))
	}
	return b.String()
}

// large makes a header that a limit is for, now and then.
func (g generator) large(b *strings.Builder) {
	if !g.one(80) {
		return
	}
	switch g.IntN(3) {
	case 0:
		fmt.Fprintf(b, "X-Long: %s\r\n", strings.Repeat("v", 20<<10))
	case 1:
		b.WriteString(strings.Repeat("X-Many: v\r\n", 200))
	default:
		for i := range 8 {
			fmt.Fprintf(b, "X-%d: %s\r\n", i, strings.Repeat("v", 12<<10))
		}
	}
}

// body ends the head and makes a body, framed by a length or by chunks.
func (g generator) body(b *strings.Builder) {
	b.WriteString(g.of(6, "", "Expect: 100-continue\r\n"))
	content := strings.Repeat("body\r\n0\r\n\r\n", 5)[:g.IntN(50)]
	if g.one(25) {
		content = strings.Repeat("0123456789abcdef", 1<<g.IntN(10))
	}
	length := fmt.Sprintf("Content-Length: %d\r\n", len(content))
	if g.one(2) {
		if g.one(5) {
			length = g.oddLength(len(content))
		}
		if g.one(8) {
			length += "Transfer-Encoding: " + g.any("identity", "gzip", "chunked") + "\r\n"
		}
		b.WriteString(length + "\r\n" + content)
		return
	}
	coding := "Transfer-Encoding: " + g.of(4, "chunked", "Chunked", "\tchunked ") + "\r\n"
	if g.one(10) {
		coding = "Transfer-Encoding: " + g.any("gzip, chunked", "chunked, chunked", "chunked, gzip", "identity", "", "xchunked", `"chunked"`, "chunked;q=1", ",chunked",
			"chunked,", "chunked\r\nTransfer-Encoding: chunked", "chunked\x0b", "chun ked") + "\r\n"
	}
	if g.one(12) {
		coding = g.any(coding+length, length+coding, coding+"Content-Length: 0\r\n")
	}
	b.WriteString(coding + "\r\n")
	g.chunks(b, content)
}

// oddLength is a Content-Length for n octets that is wrong, or at the edge.
func (g generator) oddLength(n int) string {
	value := g.any(fmt.Sprintf("+%d", n), fmt.Sprintf("-%d", n), fmt.Sprintf("0%d", n), fmt.Sprintf("%d, %d", n, n), fmt.Sprintf("0x%d", n), fmt.Sprintf("%d ", n),
		fmt.Sprintf("%d\r\nContent-Length: %d", n, n), fmt.Sprintf("%d\r\nContent-Length: %d", n, n+1), "", "x", fmt.Sprint(n+1), fmt.Sprint(max(0, n-1)),
		"99999999999999999999", "18446744073709551617", "9223372036854775807", fmt.Sprintf("%d;", n), fmt.Sprintf("%d_0", n), fmt.Sprintf("%d\x00", n))
	return "Content-Length: " + value + "\r\n"
}

// chunks makes content a chunked body.
func (g generator) chunks(b *strings.Builder, content string) {
	for len(content) > 0 {
		n := 1 + g.IntN(len(content))
		size := fmt.Sprintf(g.of(3, "%x", "%X", "0%x", "000%x"), n)
		if g.one(20) {
			size = g.any("7fffffffffffffff", "", "-1", "+1", "0x1", "1 ", " 1", "1\t", "g", "ffffffffffffffff", "10000000000000000", "7fffffffffffffff", "00000000000000001", "1_0", "1.", "\xff")
		}
		b.WriteString(size + g.extension() + g.of(60, "\r\n", "\n", "\r", "\r\r\n", ""))
		b.WriteString(content[:n] + g.of(60, "\r\n", "\n", "", "\r", "x\r\n"))
		content = content[n:]
	}
	b.WriteString(g.of(30, "0", "00", "000", "", "0 ") + g.extension() + g.of(60, "\r\n", "\n", ""))
	if g.one(5) {
		b.WriteString(g.any("X-T: t\r\n", "X-T: t\r\nX-U:\r\n", "x_t: \xff\r\n"))
	}
	switch g.IntN(10) {
	case 0:
		b.WriteString(g.any("Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n", "Host: b\r\n", "Trailer: a\r\n", "Connection: close\r\n", "X-T: t\n",
			" fold\r\n", "X-Long: "+strings.Repeat("t", 5<<10)+"\r\n"))
	case 1:
		b.WriteString(g.any("X-T : t\r\n", "no colon\r\n", "X@T: t\r\n", "X-T: \x00\r\n"))
	}
	b.WriteString(g.of(60, "\r\n", "\n", "\r", ""))
}

func (g generator) extension() string {
	if !g.one(6) {
		return ""
	}
	if g.one(4) {
		return g.any(";", ";;", "; ", ";=b", ";a=", ";a=\x00", ";a=\"b", " ;a=b", ";a =b", ";a b", ";a=b c", ";\xff", ";a=\"\x01\"", ";"+strings.Repeat("a", 5<<10))
	}
	return g.any(";a", ";a=b", `;a="b"`, `;a="\""`, ";a;b=c", ";a = b", "; a=b", `;a="`+"\xc3\xa9"+`"`)
}

// spoil changes some octets, as no client does by chance.
func (g generator) spoil(wire []byte) []byte {
	odd := []byte("\x00\t\n\r \"#%,/:;=?@[\\]{|}\x7f\x80\xff0aH")
	at := g.IntN(len(wire))
	switch c := odd[g.IntN(len(odd))]; g.IntN(5) {
	case 0:
		wire[at] = c
	case 1:
		wire = append(wire[:at], wire[at+1:]...)
	case 2:
		wire = append(wire[:at], append([]byte{c}, wire[at:]...)...)
	case 3: // some of it twice
		end := min(len(wire), at+1+g.IntN(40))
		wire = append(wire[:end:end], wire[at:]...)
	default:
		wire = wire[:max(1, at)] // and no more
	}
	if len(wire) == 0 {
		return []byte("\r\n")
	}
	return wire
}

// split cuts it into pieces, anywhere.
func (g generator) split(wire []byte) sent {
	var pieces sent
	for len(wire) > 0 {
		n := len(wire)
		if g.one(2) && n < 4<<10 {
			n = 1 + g.IntN(n)
		}
		pieces = append(pieces, wire[:n])
		wire = wire[n:]
	}
	return pieces
}
