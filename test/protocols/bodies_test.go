package protocols

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/tandem-go/tandem/test/served"
)

// A fault in a body whose request is with its view already has its own status. net/http
// makes the end of the stream of one in a trailer, as if the client had left.
func TestAFaultBehindTheHeadHasItsStatus(t *testing.T) {
	for _, mode := range []served.Mode{served.Clear, served.TLS, served.Unix} {
		t.Run(string(mode), func(t *testing.T) {
			s := served.Start(t, mode)
			for _, c := range []struct {
				name   string
				parts  []string
				status int
			}{
				{"a trailer's line", []string{"0\r\n", "X: " + strings.Repeat("a", 70_000) + "\r\n\r\n"}, 431},
				{"a trailer's lines", []string{"0\r\n", strings.Repeat("X: a\r\n", 300) + "\r\n"}, 431},
				{"a trailer that is none", []string{"0\r\n", "Host: a\r\n\r\n"}, 400},
				{"a chunk's size", []string{"1\r\na\r\n", "g\r\n" + strings.Repeat("a", 5_000)}, 400},
				{"a chunk's end", []string{"1\r\na\r\n", "1\r\nab" + strings.Repeat("a", 5_000)}, 400},
			} {
				t.Run(c.name, func(t *testing.T) {
					conn := s.Dial(t)
					write(t, conn, "POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n")
					r := bufio.NewReader(conn)
					if line, err := r.ReadString('\n'); err != nil || line != "HTTP/1.1 100 Continue\r\n" {
						t.Fatalf("%q, %v", line, err)
					}
					if _, err := r.ReadString('\n'); err != nil {
						t.Fatal(err)
					}
					for _, part := range c.parts {
						write(t, conn, part)
					}
					resp, err := http.ReadResponse(r, nil)
					if err != nil {
						t.Fatal(err)
					}
					body, err := io.ReadAll(resp.Body)
					if err != nil || resp.StatusCode != c.status || !resp.Close {
						t.Errorf("%s, to be closed: %v: %s, %v", resp.Status, resp.Close, body, err)
					}
					if _, err := r.ReadByte(); err != io.EOF {
						t.Errorf("behind the answer: %v", err)
					}
				})
			}
		})
	}
}

func write(t *testing.T, conn net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
}
