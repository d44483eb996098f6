package admin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tandem-go/tandem/internal/history"
	"github.com/tandem-go/tandem/internal/socket"
)

// The limits on what clients can hold.
const (
	maxConns     = 64
	maxHeader    = 16 << 10
	readTimeout  = 5 * time.Second  // for a request to arrive
	writeTimeout = 10 * time.Second // for an answer to be worked out and taken
	idleTimeout  = 90 * time.Second // longer than the usual interval of scrapes
	endTimeout   = time.Second      // for answers on their way when Serve ends
)

// socketMode is the mode of the file of a unix socket, less the umask: the
// supervisor's group may be let in, others never are.
const socketMode = 0o660

// Server is the admin listener. It owns its socket and, for a unix socket, the
// file.
type Server struct {
	// Log takes the trouble of single connections; nil is [slog.Default]. Set it
	// before Serve.
	Log *slog.Logger
	// History and Events are what the live page shows. Set them before Serve; without
	// a History the page shows the status alone.
	History *history.Recorder
	Events  Events

	streams streams
	shared  once

	socket *socket.Listener
	probe  time.Duration // how long the loop may take to answer a probe
	ask    time.Duration // and for everything else
}

// Listen binds address: host:port, :port (every address of the machine) or
// unix:/path. The caller must Close the Server.
func Listen(address string) (*Server, error) {
	addr, err := socket.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("admin listener: %w", err)
	}
	l, err := socket.BindMode(addr, socketMode)
	if err != nil {
		return nil, fmt.Errorf("admin listener: %w", err)
	}
	return &Server{socket: l, probe: probeTimeout, ask: askTimeout}, nil
}

// Addr is where it really listens: port 0 replaced by the port that the system
// chose.
func (s *Server) Addr() socket.Addr { return s.socket.Addr() }

// Close gives up the socket and removes the file of a unix socket, if it is
// still the same. After Serve, or a second time, it does nothing.
func (s *Server) Close() error { return s.socket.Close() }

// Serve answers until ctx ends, and then returns nil, after a moment for the
// answers on their way. metrics answers /metrics; it is bounded by the request's
// context. Serve may be called once.
func (s *Server) Serve(ctx context.Context, backend Backend, metrics http.Handler) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	listener, err := s.listener()
	if err != nil {
		return fmt.Errorf("serve the admin listener %s: %w", s.Addr(), err)
	}
	log := s.Log
	if log == nil {
		log = slog.Default()
	}
	conns := newConns(maxConns)
	server := &http.Server{
		Handler:           s.routes(backend, metrics),
		ReadHeaderTimeout: readTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		ConnState:         conns.changed,
	}
	server.RegisterOnShutdown(func() { s.streams.end(endStop) })
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		<-ctx.Done()
		limit, done := context.WithTimeout(context.Background(), endTimeout)
		defer done()
		if server.Shutdown(limit) != nil {
			server.Close()
		}
	}()
	err = server.Serve(listener)
	cancel()
	<-ended
	if !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve the admin listener %s: %w", s.Addr(), err)
	}
	return s.Close()
}

// listener is a second hold on the socket, in the form that net/http takes.
func (s *Server) listener() (net.Listener, error) {
	fd, err := unix.FcntlInt(uintptr(s.socket.FD()), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return nil, os.NewSyscallError("duplicate the socket", err)
	}
	file := os.NewFile(uintptr(fd), s.Addr().String())
	defer file.Close()
	return net.FileListener(file)
}
