package worker_test

import (
	"errors"
	"io"
	"net/http"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-go/tandem/test/h2raw"
	"github.com/tandem-go/tandem/worker"
)

// The bounds are settings, each by itself.
func TestThePaceOfABodyIsASetting(t *testing.T) {
	for _, c := range []struct {
		name   string
		limits worker.Limits
		pause  time.Duration // between ten bytes
		after  time.Duration // the body is given up; 0: it comes
	}{
		{"a stall", worker.Limits{Stall: 5 * time.Second}, 6 * time.Second, 5 * time.Second},
		{"a rate", worker.Limits{Stall: 5 * time.Second, Rate: 2}, 1100 * time.Millisecond, 8500 * time.Millisecond},
		{"a rate that is kept", worker.Limits{Stall: 5 * time.Second, Rate: 2}, 500 * time.Millisecond, 0},
		{"no rate", worker.Limits{Stall: 5 * time.Second, Rate: -1}, 4 * time.Second, 0},
		{"no bound", worker.Limits{Stall: -1, Rate: 100}, time.Hour, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				read := make(chan error, 1)
				b := inBubble(t, false, func(_ http.ResponseWriter, r *http.Request) {
					_, err := io.ReadAll(r.Body)
					read <- err
				}, worker.Limit(c.limits))
				conn := b.dial()
				b.drip(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n", "x", c.pause)
				err := <-read
				after := time.Since(b.begun)
				switch {
				case c.after == 0 && err != nil:
					t.Errorf("given up after %v: %v", after, err)
				case c.after > 0 && (!errors.Is(err, os.ErrDeadlineExceeded) || after != c.after):
					t.Errorf("after %v, want %v: %v", after, c.after, err)
				}
				_ = conn.Close()
				b.drips.Wait()
			})
		})
	}
}

// On a stream of HTTP/2 a body has the same pace, until it is answered.
func TestABodyOfHTTP2HasThePaceOfOneOfHTTP1(t *testing.T) {
	for _, c := range []struct {
		name, path string
		size       int
		every      time.Duration
		after      time.Duration // it is given up; 0: it comes
	}{
		{"a byte a second", "/", 1, time.Second, 60600 * time.Millisecond},
		{"2 KB and a pause of 20 seconds", "/", 2 << 10, 20 * time.Second, 0},
		{"words that are answered one by one", "/converse", 1, 30 * time.Second, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				read := make(chan error, 1)
				b := inBubble(t, false, func(w http.ResponseWriter, r *http.Request) {
					if r.URL.Path == "/converse" {
						_ = http.NewResponseController(w).Flush()
					}
					_, err := io.Copy(io.Discard, r.Body)
					read <- err
				})
				conn := b.dial()
				two := h2raw.New(conn)
				if _, err := two.Begin(); err != nil {
					t.Fatal(err)
				}
				begun := time.Now()
				b.drips.Go(func() {
					for {
						f, err := two.Next()
						if err != nil {
							return
						}
						if f.Type == h2raw.Ping && f.Flags&h2raw.Ack == 0 {
							f.Flags = h2raw.Ack
							_ = two.Send(f)
						}
					}
				})
				send(t, two, h2raw.Request(1, "POST", c.path, 0))
				err := func() error {
					for left := 99; left >= 0; left-- {
						f := h2raw.Frame{Type: h2raw.Data, Stream: 1, Payload: make([]byte, c.size)}
						if left == 0 {
							f.Flags = h2raw.EndStream
						}
						send(t, two, f)
						select {
						case err := <-read:
							return err
						case <-time.After(c.every):
						}
					}
					return <-read
				}()
				if after := time.Since(begun); c.after > 0 && (!errors.Is(err, os.ErrDeadlineExceeded) || after != c.after) {
					t.Errorf("after %v, want %v: %v", after, c.after, err)
				} else if c.after == 0 && err != nil {
					t.Errorf("given up after %v: %v", after, err)
				}
				_ = conn.Close()
				b.drips.Wait()
			})
		})
	}
}
