package websocket_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"go.uber.org/goleak"

	"github.com/tandem-go/tandem/internal/websocket"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// What a frame's first byte is made of.
const (
	fin  = 0x80
	rsv1 = 0x40
	rsv2 = 0x20
	rsv3 = 0x10

	cont, text, binary8   = 0x0, 0x1, 0x2
	closing8, ping8, pong = 0x8, 0x9, 0xa
)

// frame is a client's frame, as it is on the wire.
func frame(first byte, payload string) []byte {
	return raw(first, len(payload), []byte{0xa1, 0x02, 0xf3, 0x54}, payload)
}

// raw is a frame of any kind: its length may be a lie, and its mask missing.
func raw(first byte, length int, mask []byte, payload string) []byte {
	b := []byte{first, 0}
	switch {
	case length < 126:
		b[1] = byte(length)
	case length <= 0xffff:
		b[1] = 126
		b = binary.BigEndian.AppendUint16(b, uint16(length))
	default:
		b[1] = 127
		b = binary.BigEndian.AppendUint64(b, uint64(length))
	}
	if mask == nil {
		return append(b, payload...)
	}
	b[1] |= 0x80
	b = append(b, mask...)
	for i := range len(payload) {
		b = append(b, payload[i]^mask[i%4])
	}
	return b
}

func closing(code int, reason string) []byte {
	return frame(fin|closing8, string(binary.BigEndian.AppendUint16(nil, uint16(code)))+reason)
}

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
	h, payload := p.frame(t)
	if h == (ws.Header{}) {
		return "end"
	}
	if h.Masked {
		t.Errorf("the server has masked %+v", h)
	}
	said := ""
	if h.Fin {
		said = "fin "
	}
	if h.Rsv != 0 {
		said += fmt.Sprintf("rsv%03b ", h.Rsv)
	}
	switch h.OpCode {
	case ws.OpText:
		said += fmt.Sprintf("text %q", payload)
	case ws.OpBinary:
		said += fmt.Sprintf("binary %q", payload)
	case ws.OpPing:
		said += fmt.Sprintf("ping %q", payload)
	case ws.OpPong:
		said += fmt.Sprintf("pong %q", payload)
	case ws.OpClose:
		if len(payload) == 0 {
			return said + "close"
		}
		said += fmt.Sprintf("close %d %q", binary.BigEndian.Uint16(payload), payload[2:])
	default:
		t.Errorf("the server sent %+v", h)
	}
	return said
}

// frame reads one; none at the end of the connection.
func (p *peer) frame(t *testing.T) (ws.Header, []byte) {
	t.Helper()
	h, payload, err := p.read()
	if err == io.EOF || err == io.ErrClosedPipe {
		return ws.Header{}, nil
	}
	if err != nil {
		t.Fatalf("read a frame: %v", err)
	}
	return h, payload
}

func (p *peer) read() (ws.Header, []byte, error) {
	h, err := ws.ReadHeader(p.r)
	if err != nil {
		return h, nil, err
	}
	payload := make([]byte, h.Length)
	_, err = io.ReadFull(p.r, payload)
	return h, payload, err
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
