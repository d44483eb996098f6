package strict_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tandem-go/tandem/internal/strict"
)

// TestBacklogIsBounded: after a stall a client makes up for as many requests as it may,
// and says how many it did not send.
func TestBacklogIsBounded(t *testing.T) {
	const rate, slots = 100, 30 // as many come due during the stall, and no more are sent but for these
	for _, backlog := range []int{1, 3} {
		var arrived []time.Time
		addr := fake(t, func(c *net.TCPConn, req *http.Request, _ string, nth int) bool {
			if arrived = append(arrived, time.Now()); nth == 1 {
				time.Sleep(slots * time.Second / rate)
				arrived = arrived[:0] // what comes from now on
			}
			say(c, "200 OK", "", idOf(req))
			return true
		})
		rep := strict.Start(t.Context(), strict.Load{
			Addr: addr, Requests: 1 + backlog + 5, Backlog: backlog, Duration: time.Minute,
			Groups: []strict.Group{{Mode: strict.Kept, Clients: 1, Target: "/", Rate: rate, Check: strict.Contains}},
		}).Wait()
		if err := rep.Err(); err != nil {
			t.Fatal(err)
		}
		// Slots 1 to 29 at least came due in the stall; a slow machine only adds to them.
		if least := slots - 1 - backlog; rep.Unsent < least || !strings.Contains(rep.String(), fmt.Sprintf("%d not sent in time", rep.Unsent)) {
			t.Errorf("backlog %d: want at least %d not sent in time: %s", backlog, least, rep)
		}
		// Five that were not due then follow at their own times, over four slots at least; half of that
		// is no burst either, and leaves room for the first to be noted late.
		if took := arrived[len(arrived)-1].Sub(arrived[0]); took < 2*time.Second/rate {
			t.Errorf("backlog %d: %d requests in %s: a burst", backlog, len(arrived), took)
		}
	}
}

// What was due when the sending ended is not left out of the account, and what came due
// later is not in it.
func TestBacklogAtTheEnd(t *testing.T) {
	const duration, rate = 500 * time.Millisecond, 100
	ended := time.After(duration + 300*time.Millisecond)
	addr := fake(t, func(c *net.TCPConn, req *http.Request, _ string, _ int) bool {
		<-ended // the request under way outlives the sending
		say(c, "200 OK", "", idOf(req))
		return true
	})
	rep := strict.Start(t.Context(), strict.Load{
		Addr: addr, Backlog: 1, Duration: duration,
		Groups: []strict.Group{{Mode: strict.Kept, Clients: 1, Target: "/", Rate: rate}},
	}).Wait()
	if most := int(duration*rate/time.Second) + 1; rep.Counts[strict.OK] != 1 || rep.Unsent < most/5 || rep.Unsent+1 > most {
		t.Errorf("want 1 sent, and at most %d due: %s", most, rep)
	}
}

// A server may say that it has waited for long enough as it closes an idle connection. That
// answers nothing, as long as nothing was asked.
func TestTimeoutOfAnIdleConnection(t *testing.T) {
	const timedOut = "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
	for _, tc := range []struct {
		name    string
		say     string // with the answer, before the connection is closed
		instead bool   // of the second answer
		outcome strict.Outcome
		want    string
	}{
		{"idle", timedOut, false, strict.OK, ""},
		{"idle, HTTP/1.0", "HTTP/1.0 408 Request Time-out\r\n\r\n", false, strict.OK, ""},
		{"another status", "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n", false, strict.Doubled, "HTTP/1.1 500"},
		{"no status at all", "HTTP/1.1 4", false, strict.Doubled, "HTTP/1.1 4"},
		{"of a request that was sent", timedOut, true, strict.Lost, "status 408"},
	} {
		addr := fake(t, func(c *net.TCPConn, req *http.Request, _ string, nth int) bool {
			var b strings.Builder
			if nth == 1 || !tc.instead {
				say(&b, "200 OK", "", idOf(req))
			}
			if nth == 2 || !tc.instead {
				b.WriteString(tc.say)
			}
			_, _ = io.WriteString(c, b.String()) // in one piece, so that the client has it all when it looks
			return nth == 1 && tc.instead
		})
		var closed []strict.Closing
		rep := strict.Start(t.Context(), strict.Load{
			Addr: addr, Requests: 2, Duration: time.Minute, IdleClosed: func(c strict.Closing) { closed = append(closed, c) },
			Groups: []strict.Group{{Mode: strict.Kept, Clients: 1, Target: "/", ThinkMin: 10 * time.Millisecond, Check: strict.Contains}},
		}).Wait()
		if tc.outcome == strict.OK {
			if err := rep.Err(); err != nil || rep.Counts[strict.OK] != 2 || rep.IdleClosed == 0 || len(closed) != rep.IdleClosed {
				t.Errorf("%s: %v: %s", tc.name, err, rep)
			}
			continue
		}
		if rep.Counts[tc.outcome] == 0 || !strings.Contains(rep.Events[0].How, tc.want) || rep.IdleClosed > 0 {
			t.Errorf("%s: want %s: %s", tc.name, tc.outcome, rep)
		}
	}
}
