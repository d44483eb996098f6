package worker

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tandem-go/tandem/internal/http1"
)

const (
	// refusalWrite is how long the answer to a refused request may take to go out.
	refusalWrite = 5 * time.Second
	// What the client of a refused request sends meanwhile is read and thrown away, so that
	// the kernel does not take the answer back with a reset: for so long, and so much of it.
	refusalLinger = 500 * time.Millisecond
	refusalRead   = 256 << 10
)

// guards are the limits of the guards of connections in clear and over TLS.
type guards struct{ clear, encrypted http1.Limits }

// judge has the guard look at b[:n], and says how much of it is net/http's.
func (c *conn) judge(b []byte) int {
	pass, refused := c.guard.Scan(b)
	if !c.spoke1.Load() && c.guard.Pending() > 0 {
		c.spoke1.Store(true)
	}
	if refused != nil && c.refused.CompareAndSwap(nil, refused) {
		c.server.sayRefused(c.RemoteAddr().String(), refused)
	}
	return pass
}

// sayRefused logs a refusal.
func (s *server) sayRefused(client string, refused *http1.Refusal) {
	attrs := []any{"client", client, "status", refused.Status, "because", refused.Reason}
	if refused.Clause != "" { // a limit has none
		attrs = append(attrs, "clause", refused.Clause)
	}
	s.said.refused.say(s.logger, slog.LevelInfo, "refused", attrs...)
}

// answerTo is what the client of a refused request reads.
func answerTo(refused *http1.Refusal) (status, body string) {
	status = fmt.Sprintf("%d %s", refused.Status, http.StatusText(refused.Status))
	return status, status + ": " + refused.Reason + "\n"
}

// untilGone waits like a read, for the client's end or for a deadline, and reads nothing.
func untilGone(raw syscall.RawConn) error {
	end := io.EOF
	if err := raw.Read(func(fd uintptr) bool {
		at := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}} // what is unread does not hide it
		_, err := unix.Poll(at, 0)
		return err == nil && at[0].Revents != 0
	}); err != nil {
		end = err
	}
	return end
}

// refuse is every read of a connection on which something was refused. The requests
// before it are answered first; then it is, below net/http, which is told that the
// connection has ended. What is wrong with a body is an error of its reader.
func (c *conn) refuse(refused *http1.Refusal, src io.Reader) (int, error) {
	switch pending := c.guard.Pending(); {
	case refused.InBody && pending == 1 && refused.Limit > 0:
		return 0, fmt.Errorf("%w: %w", refused, &http.MaxBytesError{Limit: refused.Limit})
	case refused.InBody && pending == 1:
		return 0, refused
	case pending > 0:
		// net/http only wants to know whether the client is still there.
		for b := make([]byte, 512); ; {
			if _, err := src.Read(b); err != nil {
				return 0, err
			}
		}
	case !refused.InBody && !c.told:
		c.told = true
		c.tell(refused)
	}
	return 0, io.EOF
}

// tell answers the refused request.
func (c *conn) tell(refused *http1.Refusal) {
	c.server.board.Begin("-", "", "").End(refused.Status)
	status, body := answerTo(refused)
	_ = c.Conn.SetDeadline(time.Now().Add(refusalWrite))
	_, err := fmt.Fprintf(c.outer, "HTTP/1.1 %s\r\nDate: %s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s",
		status, time.Now().UTC().Format(http.TimeFormat), len(body), body)
	if end, ok := c.outer.(interface{ CloseWrite() error }); ok && err == nil && end.CloseWrite() == nil {
		_ = c.Conn.SetReadDeadline(time.Now().Add(refusalLinger))
		_, _ = io.CopyN(io.Discard, c.Conn, refusalRead)
	}
}

// discardArrived throws away what the client of a refused body has sent by now: with
// that unread, the kernel would take the answer back with a reset.
func (c *conn) discardArrived() {
	raw, err := c.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) { // which no deadline bounds: nothing here waits
		var b [4 << 10]byte
		for left := refusalRead; left > 0; {
			n, err := unix.Read(int(fd), b[:])
			if err != nil || n <= 0 {
				return
			}
			left -= n
		}
	})
}

// refuse answers a request of HTTP/2. Its connection goes on; net/http ends the stream, also
// where a body still comes.
func (s *server) refuse(w http.ResponseWriter, r *http.Request, refused *http1.Refusal) {
	slot := s.board.Begin("-", "", "")
	s.sayRefused(r.RemoteAddr, refused)
	_, body := answerTo(refused)
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	if s.draining.Load() {
		w.Header().Set("Connection", "close") // net/http makes a GOAWAY of it
	}
	if two, ok := w.(http2Writer); ok && s.pace.stall > 0 { // the client may give it no window
		_ = two.SetWriteDeadline(time.Now().Add(s.pace.stall))
	}
	w.WriteHeader(refused.Status)
	_, _ = io.WriteString(w, body)
	slot.End(refused.Status)
	s.moved()
}
