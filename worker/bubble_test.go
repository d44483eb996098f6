package worker_test

import (
	"bufio"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/tandem-go/tandem/worker"
)

// pipes is a listener of connections that no kernel knows: in a bubble of synctest hours pass in no time.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

// bubble is a worker on its defaults to which time is nothing, and clients of it.
type bubble struct {
	*pipes
	t     *testing.T
	tls   bool
	begun time.Time // of the last connection
	drips sync.WaitGroup
	end   func() // as often as one likes
}

// inBubble serves h in the bubble of synctest that t is in.
func inBubble(t *testing.T, encrypted bool, h http.HandlerFunc, opts ...worker.Option) *bubble {
	t.Helper()
	b := &bubble{pipes: &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}, t: t, tls: encrypted}
	opts = append([]worker.Option{worker.Logger(slog.New(slog.DiscardHandler))}, opts...)
	if encrypted {
		opts = append(opts, withTLS())
	}
	end, err := worker.ServeOn(t.Context(), b, h, opts...)
	if err != nil {
		t.Fatal(err)
	}
	b.end = sync.OnceFunc(end)
	t.Cleanup(b.end)
	return b
}

// raw connects, and speaks no TLS yet. What the worker does not read is not waited for.
func (b *bubble) raw() *client {
	b.t.Helper()
	mine, theirs := net.Pipe()
	b.t.Cleanup(func() { _ = mine.Close() })
	b.begun = time.Now()
	b.conns <- theirs
	return &client{mine, bufio.NewReader(mine)}
}

// dial connects.
func (b *bubble) dial() *client {
	b.t.Helper()
	c := b.raw()
	if !b.tls {
		return c
	}
	secure := tls.Client(c.Conn, &tls.Config{InsecureSkipVerify: true})
	if err := secure.HandshakeContext(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
	return &client{secure, bufio.NewReader(secure)}
}

// drip sends first, and then piece after piece, each with a pause before it, until it cannot.
func (b *bubble) drip(c *client, first, piece string, pause time.Duration) {
	b.drips.Go(func() {
		for _, err := io.WriteString(c, first); err == nil && piece != ""; _, err = io.WriteString(c, piece) {
			time.Sleep(pause)
		}
	})
}

// ended reads until the worker ends the connection, and says after how long that was.
func (b *bubble) ended(c *client) (all string, after time.Duration) {
	b.t.Helper()
	got, err := io.ReadAll(c.r)
	if err != nil {
		b.t.Error(err)
	}
	after = time.Since(b.begun)
	_ = c.Close()
	b.drips.Wait()
	return string(got), after
}
