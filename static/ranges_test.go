package static_test

import (
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"

	"github.com/tandem-go/tandem/static"
)

func TestRangesByClause(t *testing.T) {
	many := strings.Repeat("0-0,2-2,", 8)
	tests := []struct {
		clause, ranges string
		status         int
		body, is       string // the part, and its Content-Range
	}{
		{"14.1.2 first and last", "bytes=2-4", 206, "234", "bytes 2-4/10"},
		{"14.1.2 to the end", "bytes=7-", 206, "789", "bytes 7-9/10"},
		{"14.1.2 the last ones", "bytes=-3", 206, "789", "bytes 7-9/10"},
		{"14.1.2 more than there are", "bytes=-30", 206, "0123456789", "bytes 0-9/10"},
		{"14.1.2 beyond the end", "bytes=8-99", 206, "89", "bytes 8-9/10"},
		{"14.1.2 a number beyond all", "bytes=8-99999999999999999999", 206, "89", "bytes 8-9/10"},
		{"14.1.2 from beyond the end", "bytes=10-", 416, "", "bytes */10"},
		{"14.1.2 from beyond all", "bytes=99999999999999999999-", 416, "", "bytes */10"},
		{"14.1.2 the last none", "bytes=-0", 416, "", "bytes */10"},
		{"14.1.2 some are not there", "bytes=20-30,1-1", 206, "1", "bytes 1-1/10"},
		{"14.1.2 none is there", "bytes=20-30,40-", 416, "", "bytes */10"},
		{"14.1.1 the unit in capitals", "BYTES=0-0", 206, "0", "bytes 0-0/10"},
		{"14.2 another unit is passed over", "items=0-1", 200, "0123456789", ""},
		{"14.2 not a range", "bytes", 200, "0123456789", ""},
		{"14.2 last before first", "bytes=4-2", 200, "0123456789", ""},
		{"14.2 a sign", "bytes=+1-2", 200, "0123456789", ""},
		{"14.2 blanks inside", "bytes=1 -2", 200, "0123456789", ""},
		{"14.2 no number", "bytes=a-b", 200, "0123456789", ""},
		{"14.2 nothing", "bytes=", 200, "0123456789", ""},
		{"14.2 one dash", "bytes=-", 200, "0123456789", ""},
		{"14.2 more than 16", "bytes=" + many + "4-4", 200, "0123456789", ""},
		{"15.3.7.2 parts that overlap are one", "bytes=0-3,2-5", 206, "012345", "bytes 0-5/10"},
		{"15.3.7.2 16 of which two are different", "bytes=" + many, 206, "0|2", "bytes 0-0/10|bytes 2-2/10"},
		{"15.3.7.2 two parts in the order asked for", "bytes=8-,0-1", 206, "89|01", "bytes 8-9/10|bytes 0-1/10"},
		{"5.6.1 empty elements", "bytes=,0-0 ,, 2-2", 206, "0|2", "bytes 0-0/10|bytes 2-2/10"},
	}
	both(t, static.Options{}, func(t *testing.T, app http.Handler) {
		for _, test := range tests {
			resp := do(app, "GET", "/static/plain.txt", "Range", test.ranges)
			got, is := parts(t, resp)
			if test.status == 416 {
				got = ""
			}
			if resp.StatusCode != test.status || got != test.body || is != test.is {
				t.Errorf("%s: %d %q %q, want %d %q %q", test.clause, resp.StatusCode, got, is, test.status, test.body, test.is)
			}
			if want := resp.Header.Get("Content-Length"); want != "" && resp.StatusCode == 206 && !strings.Contains(test.body, "|") && want != fmt.Sprint(len(got)) {
				t.Errorf("%s: Content-Length %s of %d", test.clause, want, len(got))
			}
			if resp := do(app, "HEAD", "/static/plain.txt", "Range", test.ranges); resp.StatusCode != 200 || resp.Header.Get("Content-Length") != "10" {
				t.Errorf("%s: HEAD: %d", test.clause, resp.StatusCode) // 14.2
			}
		}
		if resp := do(app, "GET", "/static/empty.txt", "Range", "bytes=0-"); resp.StatusCode != 200 {
			t.Errorf("a range of an empty file: %d", resp.StatusCode)
		}
		if resp := do(app, "GET", "/static/plain.txt", "Range", "bytes=0-0", "Range", "bytes=1-1"); resp.StatusCode != 200 {
			t.Errorf("two Range headers: %d", resp.StatusCode)
		}
	})
}

// parts are the bodies and their Content-Range, of one part or of several.
func parts(t *testing.T, resp *http.Response) (bodies, ranges string) {
	t.Helper()
	kind, params, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	if kind != "multipart/byteranges" {
		return body(t, resp), resp.Header.Get("Content-Range")
	}
	var all, are []string
	for r := multipart.NewReader(resp.Body, params["boundary"]); ; {
		p, err := r.NextPart()
		if err == io.EOF {
			return strings.Join(all, "|"), strings.Join(are, "|")
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(p)
		if err != nil || p.Header.Get("Content-Type") != "text/plain; charset=utf-8" {
			t.Errorf("part %v, %v", p.Header, err)
		}
		all, are = append(all, string(b)), append(are, p.Header.Get("Content-Range"))
	}
}
