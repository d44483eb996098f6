package worker

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/tandem-go/tandem/bridge"
	"github.com/tandem-go/tandem/internal/certs"
	"github.com/tandem-go/tandem/internal/forwarded"
)

// Option changes one of Run's settings.
type Option func(*options)

type options struct {
	addr         string
	logger       *slog.Logger
	drainTimeout time.Duration // 0: the supervisor's bound, or defaultDrain
	bootTimeout  time.Duration // 0: the supervisor's bound, or defaultBoot
	phases       []phase
	linger       time.Duration
	parkAfter    time.Duration
	configure    []func(*http.Server)
	proxied      bool               // peers may tell a client's address
	proxies      forwarded.Networks // these
	trusting     bool               // proxies may tell for whom a request is
	trusted      forwarded.Networks // these
	limits       Limits
	guards       guards            // of these; Run makes them
	limiters     []*bridge.Limiter // nil: the default ones
	certificates *Certificates     // nil: none by TLS
	certs        *certs.Store      // what they are now
}

func settings(opts []Option) options {
	o := options{addr: "127.0.0.1:8000", logger: slog.Default(), linger: time.Second, parkAfter: defaultParkAfter}
	for _, opt := range opts {
		opt(&o)
	}
	return o
}

// Addr is where to listen when no supervisor hands a socket over, host:port.
// The default is 127.0.0.1:8000; port 0 takes a free one, which the log names.
func Addr(address string) Option { return func(o *options) { o.addr = address } }

// Logger takes Run's own records and net/http's; the default is slog.Default.
func Logger(logger *slog.Logger) Option { return func(o *options) { o.logger = logger } }

// defaultDrain is the DrainTimeout where nobody sets another.
const defaultDrain = 30 * time.Second

// DrainTimeout bounds the whole drain; what then still runs is cut, and Run says
// how much that was. Without it, and at most, it is a little less than the
// supervisor's --graceful-timeout, so that Run can say so before it is killed;
// without a supervisor the default is 30 seconds. d must be more than 0.
func DrainTimeout(d time.Duration) Option {
	return func(o *options) { o.drainTimeout = max(time.Nanosecond, d) }
}

// within makes bound, the supervisor's own (0: none), that of the drain too.
func (o options) within(bound time.Duration) options {
	if bound > 0 {
		bound -= min(bound/10, time.Second)
		if o.drainTimeout == 0 || o.drainTimeout > bound {
			o.drainTimeout = bound
		}
	}
	if o.drainTimeout == 0 {
		o.drainTimeout = defaultDrain
	}
	return o
}

// Linger is how long an idle connection is kept during a drain, so that a
// request which its client is about to send is still served, with
// "Connection: close". The default is one second; round trip and think time of
// the clients are a good measure.
func Linger(d time.Duration) Option { return func(o *options) { o.linger = max(0, d) } }

// ConfigureServer changes the http.Server before it serves: timeouts, protocols
// (HTTP/1 and HTTP/2, in clear by prior knowledge, where it sets none), TLS (with a
// TLSConfig the sockets speak TLS), hooks. Handler, hooks and base
// context that it sets are kept; Run adds its own around them.
func ConfigureServer(configure func(*http.Server)) Option {
	return func(o *options) { o.configure = append(o.configure, configure) }
}
