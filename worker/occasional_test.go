package worker_test

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/tandem-go/tandem/test/h2raw"
	"github.com/tandem-go/tandem/worker"
)

// What clients bring about is a line a second, however often they do it, and no
// time is lost from the count; a panic is always a line.
func TestAFloodIsALineInTheLog(t *testing.T) {
	const clients = 100
	for _, flood := range []struct {
		name  string
		tls   bool
		opts  []worker.Option
		sent  string
		line  string
		lines int
	}{
		{"handshakes that fail", true, nil, "\x16\x03\x01\x00\x01\x01", "a TLS handshake failed", 2},
		{"clear text where TLS is spoken", true, nil, "GET / HTTP/1.1\r\n\r\n", "a TLS handshake failed", 2},
		{"PROXY headers that are none", false, []worker.Option{worker.ProxyProtocol()}, "GET / HTTP/1.1\r\n\r\n", "must begin with a PROXY header", 2},
		{"requests that are refused", false, nil, "GET / HTTP/1.1\r\n\r\n", "msg=refused", 2},
		{"faults of net/http's own kind", false, nil, "GET /twice HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "superfluous", 2},
		{"HTTP/2 that does not go on", false, nil, h2raw.Preface, "waiting for SETTINGS", 2},
		{"headers that stop", false, nil, "GET / HTTP/1.1\r\nHost: x\r\nX-A: ", "a client was given up", 2},
		{"bodies that stop", false, nil, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf", "a client was given up", 2},
		{"panics", false, nil, "GET /panic HTTP/1.1\r\nHost: x\r\n\r\n", "panic serving", clients},
	} {
		t.Run(flood.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				b := inBubble(t, flood.tls, func(w http.ResponseWriter, r *http.Request) {
					switch r.URL.Path {
					case "/twice":
						w.WriteHeader(http.StatusOK)
						w.WriteHeader(http.StatusOK)
					case "/panic":
						panic("out of order")
					}
				}, append(flood.opts, worker.Logger(slog.New(slog.NewTextHandler(&log, nil))))...)
				for range clients {
					c := b.raw()
					b.drip(c, flood.sent, "", 0)
					b.drips.Go(func() {
						_, _ = io.Copy(io.Discard, c.r)
						_ = c.Close()
					})
				}
				b.drips.Wait()
				b.end()
				lines, times := 0, 0
				for line := range strings.Lines(log.String()) {
					if !strings.Contains(line, flood.line) {
						t.Errorf("and: %s", line)
						continue
					}
					lines++
					more := 1
					if _, n, found := strings.Cut(line, " times="); found {
						if _, err := fmt.Sscan(n, &more); err != nil {
							t.Error(err)
						}
					}
					times += more
				}
				if lines != flood.lines || times != clients {
					t.Errorf("%d lines tell of %d, want %d:\n%s", lines, times, flood.lines, log.String())
				}
			})
		})
	}
}
