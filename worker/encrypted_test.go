package worker_test

import (
	"bufio"
	"crypto/tls"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tandem-go/tandem/worker"
)

// withTLS has a certificate that clients must not check.
func withTLS() worker.Option {
	cert := certificate()
	return worker.ConfigureServer(func(s *http.Server) {
		s.TLSConfig = &tls.Config{Certificates: []tls.Certificate{cert}}
	})
}

// dialTLS is a client that has a handshake behind it.
func dialTLS(t *testing.T, addr string) *client {
	t.Helper()
	inner := dial(t, addr)
	c := tls.Client(inner.Conn, &tls.Config{InsecureSkipVerify: true})
	if err := c.HandshakeContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	return &client{Conn: c, r: bufio.NewReader(c)}
}

// What is known of HTTP/1 in clear is known of it over TLS: here, that a body
// stands still.
func TestABodyThatStopsComingOverTLSIsGivenUp(t *testing.T) {
	addr, drain := alone(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.TLS == nil || !r.TLS.HandshakeComplete {
			t.Errorf("the request's TLS is %+v", r.TLS)
		}
		if _, err := io.ReadAll(r.Body); err == nil {
			t.Error("the body has come")
		}
	}), withTLS(), worker.StallTimeout(stall))
	c := dialTLS(t, addr)
	if _, err := io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf"); err != nil {
		t.Fatal(err)
	}
	if status, _, closing, err := c.receive(); status != http.StatusOK || !closing || err != nil {
		t.Errorf("%d, closing %v, %v", status, closing, err)
	}
	if err := drain(); err != nil {
		t.Error(err)
	}
}

// A drain waits neither for who has said nothing nor for who has only shaken hands,
// and ends what is idle without a request lost.
func TestADrainOfTLSWaitsForRequestsAlone(t *testing.T) {
	addr, drain := alone(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "yes") }), withTLS())
	silent, shaken, idle := dial(t, addr), dialTLS(t, addr), dialTLS(t, addr)
	if answer, closing := idle.must(t, "/", ""); closing || answer != "yes" {
		t.Errorf("answered %q, closing %v", answer, closing)
	}
	if err := drain(); err != nil {
		t.Error(err)
	}
	for name, c := range map[string]*client{"silent": silent, "shaken": shaken, "idle": idle} {
		if _, err := c.r.ReadByte(); err != io.EOF {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestClearTextOnADoorOfTLSIsToldSo(t *testing.T) {
	addr, drain := alone(t, http.NotFoundHandler(), withTLS())
	c := dial(t, addr)
	if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if all, err := io.ReadAll(c); err != nil || !strings.HasPrefix(string(all), "HTTP/1.0 400 ") || !strings.Contains(string(all), "HTTPS") {
		t.Errorf("answered %q, %v", all, err)
	}
	if err := drain(); err != nil {
		t.Error(err)
	}
}

// Who begins a handshake and does not go on is given up like a header that does not come.
func TestAHandshakeHasTheTimeOfAHeader(t *testing.T) {
	addr, drain := alone(t, http.NotFoundHandler(), withTLS(), worker.ConfigureServer(func(s *http.Server) {
		s.ReadHeaderTimeout = stall
	}))
	c := dial(t, addr)
	if _, err := c.Write([]byte{0x16, 3, 1}); err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	if _, err := c.r.ReadByte(); err != io.EOF || time.Since(begun) < stall/2 {
		t.Errorf("ended after %v with %v", time.Since(begun), err)
	}
	if err := drain(); err != nil {
		t.Error(err)
	}
}
