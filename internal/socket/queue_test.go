package socket

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Nobody accepts: what connects waits in the queue, and is counted there.
func TestQueue(t *testing.T) {
	for _, where := range []string{"127.0.0.1:0", "[::1]:0", "unix:" + filepath.Join(t.TempDir(), "q.sock"), "unix:@tandem-queue-test"} {
		a, err := Parse(where)
		if err != nil {
			t.Fatal(err)
		}
		l, err := Bind(a)
		if errors.Is(err, unix.EADDRNOTAVAIL) || errors.Is(err, unix.EAFNOSUPPORT) {
			continue // no IPv6 here
		}
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		for waiting := range 4 {
			var length, limit int
			var err error
			// connect may return a moment before the last segment of its handshake
			// has put it into the queue.
			for end := time.Now().Add(10 * time.Second); ; runtime.Gosched() {
				length, limit, err = l.Queue()
				if err != nil || length >= waiting || time.Now().After(end) {
					break
				}
			}
			if a.Network == "unix" && (errors.Is(err, unix.EPROTONOSUPPORT) || errors.Is(err, unix.EAFNOSUPPORT) || errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EPERM)) {
				t.Logf("this machine does not tell: %v", err)
				break
			}
			if err != nil || length != waiting || limit < 128 {
				t.Errorf("%s with %d waiting: %d of %d, %v", where, waiting, length, limit, err)
			}
			c, err := net.Dial(l.Addr().Network, l.Addr().Address)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if _, _, err := l.Queue(); !errors.Is(err, os.ErrClosed) {
			t.Errorf("%s after Close: %v", where, err)
		}
	}
}

func TestParseQueueOfBrokenAnswers(t *testing.T) {
	for _, b := range []string{"", "short", strings.Repeat("\x00", 32), strings.Repeat("\xff", 64), strings.Repeat("\x00", 32) + "\x02\x00\x04\x00"} {
		if _, _, err := parseQueue([]byte(b)); err == nil {
			t.Errorf("%q was understood", b)
		}
	}
}
