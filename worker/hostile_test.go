package worker_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-go/tandem/worker"
)

// clearAndTLS runs f twice, each time in a bubble.
func clearAndTLS(t *testing.T, f func(t *testing.T, encrypted bool)) {
	t.Helper()
	for name, encrypted := range map[string]bool{"clear": false, "TLS": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { f(t, encrypted) })
		})
	}
}

// What a client that does not get on with its request is left on the defaults: when its
// connection ends, and what it is told.
func TestTheTimesOfHostileClients(t *testing.T) {
	const post = "POST / HTTP/1.1\r\nHost: x\r\n"
	for _, hostile := range []struct {
		name   string
		first  string
		piece  string // sent again and again
		every  time.Duration
		after  time.Duration // the connection ends
		tls    time.Duration // the same over TLS, where small records weigh something; 0: no other
		status string        // that is answered before; "": nothing is
	}{
		{name: "nothing is sent", after: 10 * time.Second},
		{name: "a header stops", first: post + "X-A: b", after: 10 * time.Second},
		{name: "a header a byte at a time", first: post + "X-A: ", piece: "b", every: time.Second, after: 10 * time.Second},
		{name: "header lines without an end", first: post, piece: "X-A: b\r\n", every: time.Second, after: 10 * time.Second},
		{name: "a request line without an end", first: "GET /", piece: "a", every: time.Second, after: 10 * time.Second, status: "400"},
		{name: "a request line without an end, fast", first: "GET /" + strings.Repeat("a", 17<<10), after: 500 * time.Millisecond, tls: time.Nanosecond, status: "414"},
		{name: "a body stops", first: post + "Content-Length: 10\r\n\r\nhalf", after: time.Minute, status: "408"},
		{name: "a body does not begin", first: post + "Content-Length: 10\r\n\r\n", after: time.Minute, status: "408"},
		{name: "100-continue is not followed", first: post + "Content-Length: 10\r\nExpect: 100-continue\r\n\r\n", after: time.Minute, status: "100 408"},
		{name: "a byte of a body a second", first: post + "Content-Length: 100000\r\n\r\n", piece: "x", every: time.Second, after: 60600 * time.Millisecond, tls: 77710 * time.Millisecond, status: "408"},
		{name: "a byte of a body in 59 seconds", first: post + "Content-Length: 100000\r\n\r\n", piece: "x", every: 59 * time.Second, after: 60010 * time.Millisecond, tls: 60230 * time.Millisecond, status: "408"},
		{name: "98 bytes of a body a second", first: post + "Content-Length: 1000000\r\n\r\n", piece: strings.Repeat("x", 4900), every: 50 * time.Second, after: 550500 * time.Millisecond, tls: 749520 * time.Millisecond, status: "408"},
		{name: "a chunk of a byte a second", first: post + "Transfer-Encoding: chunked\r\n\r\n", piece: "1\r\nx\r\n", every: time.Second, after: 63780 * time.Millisecond, tls: 82960 * time.Millisecond, status: "408"},
		{name: "the body of a GET stops", first: "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf", after: time.Minute, status: "408"},
		{name: "a body that nobody reads stops", first: "POST /ignore HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf", after: time.Minute, status: "200"},
		{name: "a body that nobody reads, a byte a second", first: "POST /ignore HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n", piece: "x", every: time.Second, after: 60600 * time.Millisecond, tls: 77710 * time.Millisecond, status: "200"},
		{name: "nothing after an answer", first: "GET / HTTP/1.1\r\nHost: x\r\n\r\n", after: 75 * time.Second, status: "200"},
		{name: "an upgrade that is not taken", first: "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", after: 75 * time.Second, status: "200"},
		{name: "the next request stops", first: "GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HT", after: 10 * time.Second, status: "200 400"},
	} {
		t.Run(hostile.name, func(t *testing.T) {
			clearAndTLS(t, func(t *testing.T, encrypted bool) {
				b := inBubble(t, encrypted, func(w http.ResponseWriter, r *http.Request) {
					if r.URL.Path == "/ignore" {
						return
					}
					if _, err := io.ReadAll(r.Body); errors.Is(err, os.ErrDeadlineExceeded) {
						w.WriteHeader(http.StatusRequestTimeout)
					}
				})
				c := b.dial()
				b.drip(c, hostile.first, hostile.piece, hostile.every)
				all, after := b.ended(c)
				want := hostile.after
				if encrypted && hostile.tls > 0 {
					want = hostile.tls
				}
				if off := after - want; off < -5*time.Millisecond || off > 5*time.Millisecond {
					t.Errorf("the connection ended after %v, want %v", after, want)
				}
				var statuses []string
				for _, line := range strings.Split(all, "\r\n") {
					if strings.HasPrefix(line, "HTTP/1.1 ") {
						statuses = append(statuses, strings.Fields(line)[1])
					}
				}
				if got := strings.Join(statuses, " "); got != hostile.status {
					t.Errorf("answered %q, want %q", got, hostile.status)
				}
			})
		})
	}
}

// A handshake has the time of a header, and a PROXY header its own.
func TestTheTimesOfWhatComesBeforeARequest(t *testing.T) {
	for name, first := range map[string]string{"nothing": "", "a record's beginning": "\x16\x03\x01"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := inBubble(t, true, http.NotFound)
				c := b.raw()
				b.drip(c, first, "", 0)
				if all, after := b.ended(c); after != 10*time.Second || all != "" {
					t.Errorf("%q after %v", all, after)
				}
			})
		})
	}
	t.Run("a PROXY header", func(t *testing.T) {
		clearAndTLS(t, func(t *testing.T, encrypted bool) {
			b := inBubble(t, encrypted, http.NotFound, worker.ProxyProtocol())
			c := b.raw()
			b.drip(c, "PROXY TCP4 ", "1", time.Second)
			if all, after := b.ended(c); after != 10*time.Second || all != "" {
				t.Errorf("%q after %v", all, after)
			}
		})
	})
}

// What must not be cut on the same defaults, however long it takes.
func TestHonestClientsThatAreSlowAreServed(t *testing.T) {
	const (
		kilobytes = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 368640\r\n\r\n"
		get       = " HTTP/1.1\r\nHost: x\r\n\r\n"
	)
	for _, honest := range []struct {
		name  string
		first string
		piece string
		every time.Duration
		after time.Duration // the answer is complete
		body  string
	}{
		{name: "2 KB and a pause of 20 seconds, for an hour", first: kilobytes, piece: strings.Repeat("x", 2<<10), every: 20 * time.Second, after: time.Hour, body: "368640"},
		{name: "101 bytes a second, for an hour", first: kilobytes, piece: strings.Repeat("x", 1024), every: 10 * time.Second, after: time.Hour, body: "368640"},
		{name: "pauses of 50 seconds that are made up for", first: kilobytes, piece: strings.Repeat("x", 5<<10), every: 50 * time.Second, after: time.Hour, body: "368640"},
		{name: "a long poll", first: "GET /poll" + get, after: 5 * time.Minute, body: "news"},
		{name: "an event stream with nothing to say", first: "GET /events" + get, after: 20 * time.Minute, body: "data: 1\n\ndata: 2\n\n"},
		{name: "a connection that its handler took", first: "GET /hijack" + get, after: time.Hour, body: "bye"},
		{name: "a handler of an hour behind a body", first: "POST /slow HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody", after: time.Hour, body: "body"},
		{name: "words that are answered one by one", first: "POST /converse HTTP/1.1\r\nHost: x\r\nContent-Length: 120\r\n\r\n", piece: "x", every: 30 * time.Second, after: time.Hour, body: strings.Repeat("x", 120)},
	} {
		t.Run(honest.name, func(t *testing.T) {
			clearAndTLS(t, func(t *testing.T, encrypted bool) {
				b := inBubble(t, encrypted, slowly)
				c := b.dial()
				b.drip(c, honest.first, honest.piece, honest.every)
				resp, err := http.ReadResponse(c.r, nil)
				if err != nil {
					t.Fatal(err)
				}
				body, err := io.ReadAll(resp.Body)
				after := time.Since(b.begun)
				if resp.StatusCode != http.StatusOK || string(body) != honest.body || err != nil {
					t.Errorf("answered %d %q, %v", resp.StatusCode, body, err)
				}
				if after < honest.after {
					t.Errorf("it took %v, and was to take %v", after, honest.after)
				}
				_ = c.Close()
				b.drips.Wait()
			})
		})
	}
}

// slowly is every way to take one's time.
func slowly(w http.ResponseWriter, r *http.Request) {
	rc := http.NewResponseController(w)
	switch r.URL.Path {
	case "/":
		n, err := io.Copy(io.Discard, r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		fmt.Fprint(w, n)
	case "/poll":
		time.Sleep(5 * time.Minute)
		io.WriteString(w, "news")
	case "/events":
		for _, event := range []string{"data: 1\n\n", "data: 2\n\n"} {
			io.WriteString(w, event)
			if err := rc.Flush(); err != nil {
				panic(err)
			}
			time.Sleep(10 * time.Minute)
		}
	case "/hijack":
		conn, _, err := rc.Hijack()
		if err != nil {
			panic(err)
		}
		defer conn.Close()
		io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n")
		time.Sleep(time.Hour)
		io.WriteString(conn, "bye")
	case "/slow":
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(err)
		}
		time.Sleep(time.Hour)
		w.Write(body)
	case "/converse":
		if err := rc.EnableFullDuplex(); err != nil {
			panic(err)
		}
		for word := []byte{0}; ; {
			if _, err := io.ReadFull(r.Body, word); err != nil {
				return
			}
			w.Write(word)
			if err := rc.Flush(); err != nil {
				panic(err)
			}
		}
	}
}
