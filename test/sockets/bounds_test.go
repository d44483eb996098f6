package sockets

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tandem-go/tandem/internal/websocket"
	"github.com/tandem-go/tandem/internal/websocket/wire"
	"github.com/tandem-go/tandem/test/served"
)

// room is what the worker's process may grow by, in bytes, in a test whose client has sent
// some megabytes: the race detector's part included.
const room = 64 * mib

// grows fails the test if the worker has grown by more than room while f ran.
func grows(t *testing.T, s *served.Server, f func()) {
	t.Helper()
	before := s.Resident(t)
	f()
	if by := s.Resident(t) - before; by > room {
		t.Errorf("the worker has grown by %d MiB", by/mib)
	}
}

// alive fails the test unless another client is served.
func alive(t *testing.T, s *served.Server) {
	t.Helper()
	d := dialogue{path: "/ws/plain", sent: [][]byte{wire.Frame(fin|text, "still there?"), bye}, want: []string{`fin text "still there?"`, bidden}}
	if err := d.hold(s); err != nil {
		t.Errorf("another client: %v", err)
	}
}

func begin(t *testing.T, s *served.Server, path string) *peer {
	t.Helper()
	c, _, err := open(s, path, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// Answers that a client does not read hold it back, and not the worker's memory: it sends
// until it cannot, which is when both sockets' buffers are full.
func TestPingsAreAnsweredNoFasterThanTheAnswersAreRead(t *testing.T) {
	s := served.Start(t, served.Clear)
	for what, frame := range map[string][]byte{
		"pings": wire.Frame(fin|ping8, strings.Repeat("p", 125)), "messages": wire.Frame(fin|binary, strings.Repeat("m", 1000)),
	} {
		c := begin(t, s, "/ws/plain")
		grows(t, s, func() {
			flood := bytes.Repeat(frame, 100)
			sent := 0
			for {
				// As long as it gets on it has no end of its own but the test's.
				_ = c.SetWriteDeadline(time.Now().Add(2 * time.Second))
				n, err := c.Write(flood)
				if sent += n; errors.Is(err, os.ErrDeadlineExceeded) {
					break
				}
				if err != nil || sent > 256*mib {
					t.Fatalf("%s: %d MiB were taken of a client that reads nothing, %v", what, sent/mib, err)
				}
			}
			alive(t, s)
		})
		go func() { // what was kept back comes as soon as it is read
			_ = c.SetWriteDeadline(time.Time{})
			_, _ = c.Write(nil)
		}()
		for range 1000 {
			if f, err := c.next(); err != nil || len(f.Payload) < 125 {
				t.Fatalf("%s: %s, %v", what, f, err)
			}
		}
		_ = c.Close()
	}
}

// A message of many fragments takes the memory of its content, and one of endless empty
// ones none.
func TestFragmentsTakeNoMemoryOfTheirOwn(t *testing.T) {
	s := served.Start(t, served.Clear)
	message := strings.Repeat("*", mib)
	tiny := inFragments(binary, message, 1)
	empty := bytes.Repeat(wire.Frame(cont, ""), 1<<16)
	for what, sent := range map[string][]byte{"of a byte": bytes.Join(tiny, nil), "empty": bytes.Join([][]byte{wire.Frame(binary, message), bytes.Repeat(empty, 8), wire.Frame(fin|cont, "")}, nil)} {
		grows(t, s, func() {
			d := dialogue{path: "/ws/plain", sent: [][]byte{sent, bye}, want: []string{echoed(fin|binary, message), bidden}}
			if err := d.hold(s); err != nil {
				t.Errorf("fragments that are %s: %v", what, err)
			}
		})
	}
}

// A client that goes on after it was refused is listened to for a while, so that it can see
// why, and no longer.
func TestWhoDoesNotGoIsLeft(t *testing.T) {
	s := served.Start(t, served.Clear)
	for what, first := range map[string][]byte{"refused": wire.Frame(fin|cont, ""), "closed": bye} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			c := begin(t, s, "/ws/plain")
			begun := time.Now()
			c.send([][]byte{first}, 0)
			if got, err := c.all(); err != nil || len(got) != 1 {
				t.Fatalf("%q, %v", got, err)
			}
			for sent := 0; ; sent++ {
				if _, err := c.Write(wire.Frame(fin|ping8, "and yet")); err != nil {
					break
				}
				if time.Since(begun) > 10*websocket.CloseTimeout {
					t.Fatalf("after %v and %d frames it is still listened to", time.Since(begun), sent)
				}
			}
			if _, err := io.ReadAll(c.r); err == nil {
				t.Log("ended without a reset")
			}
		})
	}
}
