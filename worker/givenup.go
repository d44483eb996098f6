package worker

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"

	"golang.org/x/sys/unix"
)

// Why a client is given up.
const (
	slowHeader = "its header was not whole in time"
	slowBody   = "its body came too slowly, or not at all"
	slowReader = "it took nothing of its answer"
)

// giveUp says so, for the operator: to the client a bound is an end without a reason.
func (s *server) giveUp(why string, attrs ...any) {
	s.said.stalled.say(s.logger, slog.LevelInfo, "a client was given up", append(attrs, "because", why)...)
}

// slow looks at the error that has ended reading or writing, and says once if it is that
// the client was too slow. A header that did not come has no handler that could answer
// it, and is counted here.
func (c *conn) slow(err error) {
	why := ""
	switch {
	case errors.Is(err, unix.ETIMEDOUT): // the kernel's, see admit
		why = slowReader
	case !errors.Is(err, os.ErrDeadlineExceeded):
	case c.guard.InHead():
		why = slowHeader
	case c.gaveUp.Load():
		why = slowBody
	}
	if why == "" || c.tired.Swap(true) {
		return
	}
	if why == slowHeader {
		c.server.board.Begin("-", "", "").End(http.StatusRequestTimeout)
	}
	c.server.giveUp(why, "client", c.RemoteAddr().String())
}

// Write writes, and says if the client had been given up.
func (c *conn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	if err != nil && errors.Is(err, unix.ETIMEDOUT) {
		c.slow(err)
	}
	return n, err
}

// ReadFrom keeps sendfile and splice working through the wrapping.
func (c *conn) ReadFrom(r io.Reader) (n int64, err error) {
	if inner, ok := c.Conn.(io.ReaderFrom); ok {
		n, err = inner.ReadFrom(r)
	} else {
		n, err = io.Copy(struct{ io.Writer }{c.Conn}, r)
	}
	if err != nil && errors.Is(err, unix.ETIMEDOUT) {
		c.slow(err)
	}
	return n, err
}
