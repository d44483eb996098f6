package worker_test

import (
	"io"
	"syscall"
	"testing"
	"time"
)

// TestHalfARequestBehindAnother: what came in one piece with the request before
// is in net/http's buffer already when the connection counts as idle. The line
// that the old worker has read, and nobody will send again, keeps the connection
// there until its request is answered; then it moves.
func TestHalfARequestBehindAnother(t *testing.T) {
	const whole, head = "POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 3\r\n\r\none", "POST /past HTTP/1.1\r\n"
	const rest = "Host: test\r\nContent-Length: 0\r\n\r\n"
	for name, siblings := range map[string]bool{"with a sibling": true, "alone": false} {
		t.Run(name, func(t *testing.T) {
			k := newKin(t)
			fd, addr := listen(t)
			old := startAmong(t, k, fd, "LINGER=1ms")
			c, others := dial(t, addr), kept(t, addr, 20)
			if _, err := io.WriteString(c, whole+head); err != nil {
				t.Fatal(err)
			}
			c.answered(t)
			if siblings {
				startAmong(t, k, fd)
			}
			old.signal(t, syscall.SIGTERM)
			old.until(t, stopping)
			if siblings {
				for k.of(t, old).Moved < uint64(len(others)) {
					others[0].must(t, "/", "meanwhile")
				}
			} else {
				<-time.After(300 * time.Millisecond) // longer than sweep and linger: what is idle would be closed
			}
			if _, err := io.WriteString(c, rest); err != nil {
				t.Fatal(err)
			}
			if answer, closing := c.answered(t); pid(answer) != old.pid() || closing == siblings {
				t.Errorf("answered %q, closing: %v", answer, closing)
			}
			if siblings {
				if answer, closing := c.must(t, "/", "moved"); closing || pid(answer) == "" {
					t.Errorf("answered %q, closing: %v", answer, closing)
				}
			}
			old.code(t, 0)
		})
	}
}
