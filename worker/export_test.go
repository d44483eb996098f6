package worker

import (
	"context"
	"net"
	"net/http"
	"syscall"
	"time"

	"github.com/tandem-go/tandem/internal/scoreboard"
)

// StallTimeout sets how long a client may stand still.
func StallTimeout(d time.Duration) Option { return func(o *options) { o.limits.Stall = d } }

// Telling is how many connections beyond the bound are let in.
const Telling = telling

// ServeOn serves what l accepts, which need not be a socket's, until end is called.
func ServeOn(ctx context.Context, l net.Listener, h http.Handler, opts ...Option) (end func(), err error) {
	o := settings(opts)
	o.parkAfter = 0 // the lot takes sockets alone
	if o.guards, err = o.limits.guards(); err != nil {
		return nil, err
	}
	s := newServer(ctx, h, o, scoreboard.Local(), nil, []socket{noSocket{l}})
	_ = s.serve()
	return func() {
		s.close(time.Second)
		s.helpers.Wait()
		s.handshakes.Wait()
		s.said.rest(o.logger, true)
		_ = s.board.Close()
	}, nil
}

// noSocket is a listener without a descriptor.
type noSocket struct{ net.Listener }

func (noSocket) SyscallConn() (syscall.RawConn, error) { return nil, syscall.EINVAL }
func (noSocket) SetDeadline(time.Time) error           { return nil }
