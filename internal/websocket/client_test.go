package websocket_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tandem-go/tandem/internal/websocket"
	"github.com/tandem-go/tandem/internal/websocket/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// What a frame's first byte is made of.
const (
	fin  = wire.Fin
	rsv1 = wire.RSV1
	rsv2 = wire.RSV2
	rsv3 = wire.RSV3

	cont, text, binary8   = wire.Cont, wire.Text, wire.Binary
	closing8, ping8, pong = wire.Close, wire.Ping, wire.Pong
)

var frame, raw, closing = wire.Frame, wire.Raw, wire.Closing

// echo sends back what comes, until the connection ends.
func echo(c *websocket.Conn) {
	for {
		op, payload, err := c.Read(context.Background())
		if err != nil {
			return
		}
		if c.Write(context.Background(), op, payload) != nil {
			return
		}
	}
}

// peer is a client that knows nothing but bytes.
type peer struct {
	net.Conn
	r     *bufio.Reader
	ended chan error // what Run told
}

func start(t *testing.T, cfg websocket.Config, deflate *websocket.Deflate, serve func(*websocket.Conn)) *peer {
	t.Helper()
	client, server := net.Pipe()
	if cfg.ReadLimit == 0 {
		cfg.ReadLimit = 1 << 20
	}
	if cfg.WriteTimeout == 0 {
		cfg.WriteTimeout = time.Minute
	}
	c := websocket.New(server, nil, &cfg, deflate)
	p := &peer{Conn: client, ended: make(chan error, 1)}
	p.reader()
	var served sync.WaitGroup
	served.Go(func() { c.Run(func(why error) { p.ended <- why }) })
	served.Go(func() {
		serve(c)
		c.Finish(1000, "")
	})
	t.Cleanup(func() { _ = client.Close(); served.Wait() })
	return p
}

func (p *peer) reader() { p.r = bufio.NewReader(p.Conn) }

// send writes all of it, unless the server has ended.
func (p *peer) send(frames ...[]byte) {
	go func() { _, _ = p.Write(slices.Concat(frames...)) }()
}

// next is one frame of the server's, such as `fin text "hello"` or `fin close 1000 "bye"`.
func (p *peer) next(t *testing.T) string {
	t.Helper()
	f, err := wire.Read(p.r)
	if err == io.EOF || err == io.ErrClosedPipe {
		return "end"
	}
	if err != nil {
		t.Fatalf("read a frame: %v", err)
	}
	return f.String()
}

// frame reads one.
func (p *peer) frame(t *testing.T) wire.Received {
	t.Helper()
	f, err := wire.Read(p.r)
	if err != nil {
		t.Fatalf("read a frame: %v", err)
	}
	return f
}

// all is what the server sends until it ends the connection.
func (p *peer) all(t *testing.T) []string {
	t.Helper()
	var got []string
	for {
		f := p.next(t)
		if f == "end" {
			return got
		}
		got = append(got, f)
	}
}
