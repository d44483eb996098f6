package worker

import (
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"slices"
	"time"

	"github.com/tandem-go/tandem/internal/http1"
)

// encrypt makes the doors ones of TLS, if the http.Server has a configuration of
// it. The handshake is done here and not by the http.Server: it would serve
// nothing but a bare *tls.Conn, below which nobody can tell a request from the
// housekeeping of TLS. So HTTP/1 over TLS is watched as HTTP/1 in clear is.
func (s *server) encrypt() {
	if s.http.TLSConfig == nil && s.certs == nil {
		return
	}
	if s.tls = s.http.TLSConfig.Clone(); s.tls == nil {
		s.tls = &tls.Config{}
	}
	http1, http2 := true, s.http.TLSNextProto == nil || s.http.TLSNextProto["h2"] != nil
	if p := s.http.Protocols; p != nil {
		http1, http2 = p.HTTP1(), p.HTTP2()
	}
	for _, proto := range []struct {
		name   string
		spoken bool
	}{{"h2", http2}, {"http/1.1", http1}} {
		switch at := slices.Index(s.tls.NextProtos, proto.name); {
		case proto.spoken && at < 0:
			s.tls.NextProtos = append(slices.Clip(s.tls.NextProtos), proto.name)
		case !proto.spoken && at >= 0:
			s.tls.NextProtos = slices.Delete(slices.Clone(s.tls.NextProtos), at, at+1)
		}
	}
	if s.certs != nil {
		s.tls = s.certs.Config(s.tls)
	}
	s.http.TLSConfig = s.tls // by its NextProtos http.Server sees that it is to speak HTTP/2
}

// front is the accept loop of a door of TLS, to its end. It waits while the
// process has no descriptor, as http.Server's own.
func (s *server) front(d *door) error {
	var delay time.Duration
	for {
		accepted, err := d.Accept()
		if err == nil {
			delay = 0
			_ = s.enter(accepted.(*conn))
			continue
		}
		if passing, ok := errors.AsType[interface {
			error
			Temporary() bool
		}](err); !ok || !passing.Temporary() {
			return err
		}
		delay = min(max(5*time.Millisecond, 2*delay), time.Second)
		s.said.descriptors.say(s.logger, slog.LevelWarn, "a connection was not accepted, trying again", "error", err, "in", delay)
		if !s.pause(delay) {
			return err
		}
	}
}

// enter begins to serve a connection that has come by a door of TLS or from a
// sibling, or closes it and says why.
func (s *server) enter(c *conn) error {
	if s.tls == nil {
		return s.deliver(c, c)
	}
	t := tls.Server(c, s.tls)
	c.outer, c.encrypted = t, true
	s.opened(c)
	s.handshakes.Go(func() {
		if err := s.shake(c, t); err != nil {
			if c.bad == nil && c.state.Load() == busy { // else it has sent nothing, or was closed by the drain
				s.said.handshakes.say(s.logger, slog.LevelInfo, "a TLS handshake failed", "client", c.RemoteAddr().String(), "error", err)
			}
			_ = t.Close()
			return
		}
		if t.ConnectionState().NegotiatedProtocol == "h2" {
			_ = s.deliver(c, t)
			return
		}
		c.spoke1.Store(true)
		c.guard = http1.New(&s.guards.encrypted)
		c.state.CompareAndSwap(busy, silent) // of a request nothing has come yet
		s.moved()
		c.secure = &secure{c, t}
		_ = s.deliver(c, c.secure)
	})
	return nil
}

// deliver gives a connection to the http.Server, or closes it when that one has ended.
func (s *server) deliver(c *conn, outer net.Conn) error {
	select {
	case c.door.back.conns <- outer:
		return nil
	case <-c.door.back.closed:
	case <-s.base.Done():
	}
	_ = outer.Close()
	return net.ErrClosed
}

// shake does the handshake, within the time that the header of a request has.
func (s *server) shake(c *conn, t *tls.Conn) error {
	if err := c.preamble(); err != nil {
		return err
	}
	bound := s.http.ReadHeaderTimeout
	if bound <= 0 {
		bound = s.http.ReadTimeout
	}
	if bound > 0 {
		_ = c.Conn.SetDeadline(time.Now().Add(bound))
		defer c.Conn.SetDeadline(time.Time{})
	}
	err := t.Handshake()
	if bad, ok := errors.AsType[tls.RecordHeaderError](err); ok && bad.Conn != nil && looksLikeHTTP(bad.RecordHeader) {
		_, _ = io.WriteString(bad.Conn, "HTTP/1.0 400 Bad Request\r\nConnection: close\r\n\r\nThis port speaks HTTPS, and was asked in clear text.\n")
		return errors.New("the client speaks HTTP without TLS")
	}
	return err
}

func looksLikeHTTP(header [5]byte) bool {
	switch string(header[:]) {
	case "GET /", "HEAD ", "POST ", "PUT /", "OPTIO", "PATCH", "DELET":
		return true
	}
	return false
}

// secure is a connection of HTTP/1 over TLS, as the http.Server sees it: the conn
// sees what comes out of TLS, and TLS what comes out of the conn.
type secure struct {
	conn *conn
	tls  *tls.Conn
}

// ConnectionState is a request's TLS.
func (s *secure) ConnectionState() tls.ConnectionState { return s.tls.ConnectionState() }

func (s *secure) Read(b []byte) (int, error)  { return s.conn.receive(s.tls, b) }
func (s *secure) Write(b []byte) (int, error) { return s.tls.Write(b) }

// Close says goodbye, and closes the conn below.
func (s *secure) Close() error {
	if s.conn.isParking() {
		return nil
	}
	return s.tls.Close()
}

// CloseWrite is TLS's end of what is written.
func (s *secure) CloseWrite() error { return s.tls.CloseWrite() }

func (s *secure) LocalAddr() net.Addr                { return s.conn.LocalAddr() }
func (s *secure) RemoteAddr() net.Addr               { return s.conn.RemoteAddr() }
func (s *secure) SetDeadline(t time.Time) error      { return s.conn.SetDeadline(t) }
func (s *secure) SetReadDeadline(t time.Time) error  { return s.conn.SetReadDeadline(t) }
func (s *secure) SetWriteDeadline(t time.Time) error { return s.conn.SetWriteDeadline(t) }

// NetConn is the connection below TLS.
func (s *secure) NetConn() net.Conn { return s.conn }
