package view_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/tandem-go/tandem/view"
)

// inBothProfiles runs a test as a server of mixed workers and as one of sync
// workers would: what is true of an application must be so in both.
func inBothProfiles(t *testing.T, test func(t *testing.T, profile ...view.Option)) {
	t.Run("mixed", func(t *testing.T) { test(t) })
	t.Run("sync", func(t *testing.T) { test(t, view.SyncOnly()) })
}

// start serves an App on a socket.
func (s *site) start() *httptest.Server {
	s.t.Helper()
	srv := httptest.NewServer(s.App)
	s.t.Cleanup(srv.Close)
	return srv
}

// client is a connection on which a test decides about every byte.
type client struct {
	net.Conn
	t *testing.T
	r *bufio.Reader
}

func connect(t *testing.T, srv *httptest.Server) *client {
	t.Helper()
	conn, err := net.Dial("tcp", srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &client{conn, t, bufio.NewReader(conn)}
}

// send sends a request's head with the given further lines, and its body.
func (c *client) send(method, target, lines, body string) {
	c.t.Helper()
	if _, err := fmt.Fprintf(c, "%s %s HTTP/1.1\r\nHost: x\r\n%s\r\n%s", method, target, lines, body); err != nil {
		c.t.Fatal(err)
	}
}

// answer reads a whole answer.
func (c *client) answer() (*http.Response, string) {
	c.t.Helper()
	resp, err := http.ReadResponse(c.r, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return resp, string(body)
}

// signal is closed once, by whoever comes first to where it is told.
func signal() (tell func(), told chan struct{}) {
	told = make(chan struct{})
	return func() { close(told) }, told
}
