package raw

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

func TestAConnectionIsReadAsItsAnswers(t *testing.T) {
	const plain = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
	for _, c := range []struct{ stream, want string }{
		{plain, "200 ok true"},
		{plain + plain, "200 ok true|200 ok true"},
		{"HTTP/1.1 100 Continue\r\n\r\n" + plain, "100  true|200 ok true"},
		{"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n" + plain, "200  true|200 ok true"}, // to a HEAD
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;a=b\r\no\r\n1\r\nk\r\n0\r\nX: y\r\n\r\n" + plain, "200 ok true|200 ok true"},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n", "200 ok false"},
		{"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok", "200 ok false"},
		{"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\nok", "200  false"},
		{"HTTP/1.1 200 OK\r\n\r\nok", "200 ok true"},
		{"HTTP/1.1 204 No Content\r\n\r\n" + plain, "204  true|200 ok true"},
		{"hello\r\n\r\n", "0 hello\r\n\r\n false"},
		{"HTTP/1.1 200", "0 HTTP/1.1 200 false"},
		{"", ""},
	} {
		var got []string
		for _, r := range All([]byte(c.stream)) {
			got = append(got, fmt.Sprintf("%d %s %v", r.Status, r.Body, r.Whole))
		}
		if strings.Join(got, "|") != c.want {
			t.Errorf("%q: %q, want %q", c.stream, strings.Join(got, "|"), c.want)
		}
	}
}

// serve answers one connection by f, and is over with the test.
func serve(t *testing.T, f func(net.Conn)) Target {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		f(conn)
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return Target{Addr: l.Addr().String()}
}

func TestAnExchangeSaysHowTheConnectionWasLeft(t *testing.T) {
	const plain, closing = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"
	untilEnd := func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }
	for name, c := range map[string]struct {
		server func(net.Conn)
		o      Options
		want   string
	}{
		"answered and kept":      {func(c net.Conn) { io.WriteString(c, plain); untilEnd(c) }, Options{Timeout: time.Minute}, "1 open"},
		"refused and closed":     {func(c net.Conn) { io.WriteString(c, closing) }, Options{Timeout: time.Minute}, "1 closed"},
		"closed without a word":  {func(net.Conn) {}, Options{Timeout: time.Minute}, "0 closed"},
		"silent":                 {untilEnd, Options{Timeout: 20 * time.Millisecond}, "0 timeout"},
		"silent until the end":   {func(c net.Conn) { untilEnd(c); io.WriteString(c, closing) }, Options{Timeout: time.Second, HalfClose: true}, "1 closed"},
		"two answers, both told": {func(c net.Conn) { io.WriteString(c, plain+plain); untilEnd(c) }, Options{Timeout: time.Minute, Want: 2}, "2 open"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Exchange(serve(t, c.server), []byte("GET / HTTP/1.1\r\n\r\n"), c.o)
			if err != nil {
				t.Fatal(err)
			}
			if said := fmt.Sprintf("%d %s", len(got.Final()), got.State); said != c.want {
				t.Errorf("%s, want %s", said, c.want)
			}
		})
	}
}
