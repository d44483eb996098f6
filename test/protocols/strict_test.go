package protocols

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/tandem-go/tandem/test/h2raw"
	"github.com/tandem-go/tandem/test/served"
)

// reset stands for the status of what net/http itself resets.
const reset = 0

// row is a request and what becomes of it.
type row struct {
	fields  []string // in place of those of a good one with the same name, and behind these; "-" takes one away
	body    string
	status  int
	because string // in the answer
}

// block is the header of the request.
func (r row) block() []byte {
	all := []string{":method", "GET", ":scheme", "http", ":authority", "localhost", ":path", "/seen"}
	for pair := range slices.Chunk(r.fields, 2) {
		at := slices.Index(all, pair[0])
		switch {
		case at < 0 || pair[0][0] != ':':
			all = append(all, pair...)
		case pair[1] == "-":
			all = slices.Delete(all, at, at+2)
		default:
			all[at+1] = pair[1]
		}
	}
	return h2raw.Fields(all...)
}

// strict are requests that HTTP/1 refuses, and their neighbours that it takes.
func strict() map[string]row {
	many := func(n int) (fields []string) {
		for i := range n {
			fields = append(fields, "x-"+strconv.Itoa(i), "a")
		}
		return fields
	}
	const differs, octet, malformed = "a Host that differs from :authority", "must be percent-encoded", "malformed authority"
	return map[string]row{
		"a good one":                 {status: 200},
		"path, raw octets":           {fields: []string{":path", "/seen?\xc3\xa4"}, status: 400, because: octet},
		"path, percent-encoded":      {fields: []string{":path", "/seen?%c3%a4"}, status: 200},
		"path, broken encoding":      {fields: []string{":path", "/%zz"}, status: reset},
		"path, fragment":             {fields: []string{":path", "/seen#a"}, status: 400, because: "a fragment"},
		"path, fragment encoded":     {fields: []string{":path", "/seen?%23a"}, status: 200},
		"path, blank":                {fields: []string{":path", "/seen?a b"}, status: 400, because: octet},
		"path, browsers' octets":     {fields: []string{":path", "/seen?a|\"b"}, status: 200},
		"path, a URI":                {fields: []string{":path", "http://evil/seen"}, status: 400, because: "does not begin with a slash"},
		"path, relative":             {fields: []string{":path", "seen"}, status: reset},
		"path, none":                 {fields: []string{":path", "-"}, status: reset},
		"path, asterisk":             {fields: []string{":path", "*"}, status: 400, because: "OPTIONS alone"},
		"path, asterisk and OPTIONS": {fields: []string{":path", "*", ":method", "OPTIONS"}, status: 200},
		"path, OPTIONS":              {fields: []string{":method", "OPTIONS"}, status: 200},
		"path, double slash":         {fields: []string{":path", "//seen"}, status: http.StatusTemporaryRedirect},

		"authority, none":         {fields: []string{":authority", "-"}, status: 200},
		"authority, empty":        {fields: []string{":authority", ""}, status: 200},
		"authority, slash":        {fields: []string{":authority", "x/y"}, status: 400, because: malformed},
		"authority, blank":        {fields: []string{":authority", "a b"}, status: 400, because: malformed},
		"authority, raw octets":   {fields: []string{":authority", "\xc3\xa4"}, status: 400, because: malformed},
		"authority, no host":      {fields: []string{":authority", ":80"}, status: 400, because: malformed},
		"authority, user":         {fields: []string{":authority", "u@localhost"}, status: reset},
		"authority, port":         {fields: []string{":authority", "localhost:8443"}, status: 200},
		"authority, IPv6":         {fields: []string{":authority", "[::1]"}, status: 200},
		"authority, IPv6, port":   {fields: []string{":authority", "[::1]:8443"}, status: 200},
		"authority, IPv6, broken": {fields: []string{":authority", "[::1"}, status: 400, because: malformed},
		"authority, encoded":      {fields: []string{":authority", "a%20b"}, status: 200},

		"Host alone":            {fields: []string{":authority", "-", "host", "localhost"}, status: 200},
		"Host, malformed":       {fields: []string{":authority", "-", "host", "a b"}, status: 400, because: "malformed Host"},
		"Host, empty":           {fields: []string{"host", ""}, status: 400, because: "empty Host"},
		"Host twice":            {fields: []string{":authority", "-", "host", "a", "host", "b"}, status: 400, because: "more than one Host"},
		"Host, another":         {fields: []string{"host", "evil"}, status: 400, because: differs},
		"Host, another port":    {fields: []string{"host", "localhost:8443"}, status: 400, because: differs},
		"Host, the same":        {fields: []string{"host", "localhost"}, status: 200},
		"Host, in capitals":     {fields: []string{"host", "LocalHost"}, status: 200},
		"Host, https's port":    {fields: []string{"host", "localhost:443"}, status: 200},
		"Host, and a broken":    {fields: []string{"host", "localhost", ":authority", "x/y"}, status: 400, because: malformed},
		"Host, which is broken": {fields: []string{"host", "x/y"}, status: 400, because: "malformed Host"},

		"length, two":       {fields: []string{":method", "POST", "content-length", "3", "content-length", "4"}, body: "abc", status: 400, because: "more than one Content-Length"},
		"length, the same":  {fields: []string{":method", "POST", "content-length", "3", "content-length", "3"}, body: "abc", status: 400, because: "more than one Content-Length"},
		"length, no number": {fields: []string{":method", "POST", "content-length", "+0"}, status: 400, because: "malformed Content-Length"},
		"length, empty":     {fields: []string{":method", "POST", "content-length", ""}, status: 400, because: "malformed Content-Length"},
		"length, no body":   {fields: []string{":method", "POST", "content-length", "3"}, status: 400, because: "not that of the body"},
		"length":            {fields: []string{":method", "POST", "content-length", "3"}, body: "abc", status: 200},
		"length, zero":      {fields: []string{":method", "POST", "content-length", "0"}, status: 200},
		"length, not said":  {fields: []string{":method", "POST"}, body: "abc", status: 200},

		"method, no token":     {fields: []string{":method", "G T"}, status: 400, because: "malformed method"},
		"method, of one's own": {fields: []string{":method", "BREW"}, status: 200},
		"expect":               {fields: []string{"expect", "foo"}, status: 417, because: "other than 100-continue"},
		"expect 100-continue":  {fields: []string{":method", "POST", "expect", "100-continue", "content-length", "3"}, body: "abc", status: 100},

		"CONNECT with a path":     {fields: []string{":method", "CONNECT", ":authority", "localhost:443"}, status: reset},
		"CONNECT, no port":        {fields: []string{":method", "CONNECT", ":path", "-", ":scheme", "-"}, status: 400, because: "the target of CONNECT"},
		"CONNECT, host and port":  {fields: []string{":method", "CONNECT", ":path", "-", ":scheme", "-", ":authority", "localhost:443"}, status: 404},
		"a target of 16 KiB":      {fields: []string{":path", "/seen?" + strings.Repeat("a", 16<<10-len("GET /seen? HTTP/1.1"))}, status: 200},
		"a target and an octet":   {fields: []string{":path", "/seen?" + strings.Repeat("a", 16<<10-len("GET /seen? HTTP/1.1")+1)}, status: 414, because: "the request line is too long"},
		"a target of 17,000":      {fields: []string{":path", "/seen?" + strings.Repeat("a", 17_000)}, status: 414, because: "the request line is too long"},
		"a field of 16 KiB":       {fields: []string{"x", strings.Repeat("a", 16<<10-len("x: "))}, status: 200},
		"a field and an octet":    {fields: []string{"x", strings.Repeat("a", 16<<10-len("x: ")+1)}, status: 431, because: "a header line is too long"},
		"a field of 17,000":       {fields: []string{"x", strings.Repeat("a", 17_000)}, status: 431, because: "a header line is too long"},
		"a header beyond 64 KiB":  {fields: []string{"a", strings.Repeat("a", 16_000), "b", strings.Repeat("a", 16_000), "c", strings.Repeat("a", 16_000), "d", strings.Repeat("a", 16_000), "e", strings.Repeat("a", 2_000)}, status: 431, because: "the header is too long"},
		"128 fields with Host":    {fields: many(127), status: 200},
		"129 fields with Host":    {fields: many(128), status: 431, because: "the header has too many lines"},
		"300 fields":              {fields: many(300), status: 431, because: "the header has too many lines"},
		"a cookie in many crumbs": {fields: slices.Repeat([]string{"cookie", "a=b"}, 300), status: 200},
	}
}

// What a connection of HTTP/1 refuses a stream of HTTP/2 refuses, in the same words. The
// connection goes on.
func TestHTTP2IsAsStrictAsHTTP1(t *testing.T) {
	for _, mode := range []served.Mode{served.Clear, served.TLS} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			s := served.Start(t, mode)
			c := speak(t, s, h2raw.HeaderTableSize, 0)
			stream := uint32(1)
			for name, r := range strict() {
				if err := r.hold(c, stream); err != nil {
					t.Errorf("%s: %v", name, err)
				}
				stream += 2
			}
			if err := (row{status: 200}).hold(c, stream); err != nil {
				t.Errorf("the connection after all of them: %v", err)
			}
		})
	}
}

// hold sends the request and holds the answer to what it is to be.
func (r row) hold(c *h2raw.Conn, stream uint32) error {
	flags := byte(h2raw.EndStream)
	if r.body != "" {
		flags = 0
	}
	frames := h2raw.Header(stream, flags, r.block())
	if r.body != "" {
		frames = append(frames, h2raw.Frame{Type: h2raw.Data, Flags: h2raw.EndStream, Stream: stream, Payload: []byte(r.body)})
	}
	if err := c.Send(frames...); err != nil {
		return err
	}
	body := ""
	for begun := false; ; {
		f, err := c.Next()
		switch {
		case err != nil:
			return err
		case f.Type == h2raw.GoAway:
			return fmt.Errorf("the connection ends with %d, %q", f.Code(), f.Payload[8:])
		case f.Stream != stream:
			continue
		case f.Type == h2raw.RSTStream && r.status == reset && f.Code() == h2raw.ProtocolError:
			return nil
		case f.Type == h2raw.RSTStream:
			return fmt.Errorf("reset with %d", f.Code())
		case f.Type == h2raw.Headers && !begun:
			if got := f.Status(); got != r.status {
				return fmt.Errorf("answered %d, want %d", got, r.status)
			}
			begun = true
		case f.Type == h2raw.Data:
			body += string(f.Payload)
		}
		if f.Flags&h2raw.EndStream == 0 || f.Type != h2raw.Headers && f.Type != h2raw.Data {
			continue
		}
		text := ""
		if r.because != "" {
			text = fmt.Sprintf("%d %s: ", r.status, http.StatusText(r.status))
		}
		if !strings.HasPrefix(body, text) || !strings.Contains(body, r.because) {
			return fmt.Errorf("answered %q, want %q and %q", body, text, r.because)
		}
		return nil
	}
}
