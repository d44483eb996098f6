// Package sockets asks a worker's WebSockets for all that Autobahn's sections 5 to
// 7, 9, 10, 12 and 13 ask, and more of it: where a rule has a space of inputs the
// cases are generated from the rule. The client is bytes, and the answers must be exact.
package sockets

import (
	"bufio"
	"compress/flate"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/tandem-go/tandem/internal/websocket/wire"
	"github.com/tandem-go/tandem/test/served"
)

func TestMain(m *testing.M) { served.Main(m) }

const (
	fin  = wire.Fin
	rsv1 = wire.RSV1

	cont, text, binary     = wire.Cont, wire.Text, wire.Binary
	closing, ping8, pong   = wire.Close, wire.Ping, wire.Pong
	deflateOffer           = "permessage-deflate"
	deflateAnswer          = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
	rsvRefused             = `fin close 1002 "non-zero rsv bits with no extension negotiated"`
	textRefused            = `fin close 1007 "text is not UTF-8"`
	controlTooLong         = `fin close 1002 "control frame payload limit exceeded"`
	unexpectedContinuation = `fin close 1002 "unexpected continuation data frame"`
	unexpectedBeginning    = `fin close 1002 "unexpected non-continuation data frame"`
	controlFragmented      = `fin close 1002 "control frame is not final"`
)

// dialogue is one connection: what the client sends, and all that the server must
// answer until it ends the connection. The client waits for nothing and sends no
// more, so an answer to something unfinished is one that did not wait for its end.
type dialogue struct {
	name  string
	path  string // "": /ws
	offer string // of extensions
	sent  [][]byte
	chop  int // the size of writes, in bytes; 0: one for each of sent
	want  []string
}

// bye is an end in order, and bidden is the answer to it.
var bye = wire.Closing(1000, "")

const bidden = `fin close 1000 ""`

// echoed is the frame in which a message comes back.
func echoed(first byte, payload string) string {
	return wire.Received{First: first, Payload: []byte(payload)}.String()
}

// handshakes is how many dialogues over TLS a test has at most: there a connection
// costs ten times as much, and the frames below are the same.
const handshakes = 400

// everywhere holds a server in clear to all dialogues, and one with TLS to some of
// them, spread evenly.
func everywhere(t *testing.T, all []dialogue) {
	t.Run("clear", func(t *testing.T) { hold(t, served.Start(t, served.Clear), all) })
	t.Run("tls", func(t *testing.T) {
		some := all
		if len(all) > handshakes {
			some = nil
			for i := range handshakes {
				some = append(some, all[i*len(all)/handshakes])
			}
		}
		hold(t, served.Start(t, served.TLS), some)
	})
}

// hold holds the server to dialogues, several at a time, and says how many there were.
func hold(t *testing.T, s *served.Server, all []dialogue) {
	t.Helper()
	next := make(chan dialogue)
	var clients sync.WaitGroup
	for range 2 * runtime.GOMAXPROCS(0) {
		clients.Go(func() {
			for d := range next {
				if err := d.hold(s); err != nil {
					t.Errorf("%s: %v", d.name, err)
				}
			}
		})
	}
	for _, d := range all {
		next <- d
	}
	close(next)
	clients.Wait()
	t.Logf("%d cases", len(all))
}

func (d dialogue) hold(s *served.Server) error {
	c, answer, err := open(s, d.path, d.offer)
	if err != nil {
		return err
	}
	defer c.Close()
	wanted := ""
	if d.offer != "" {
		wanted = deflateAnswer
	}
	if answer != wanted {
		return fmt.Errorf("%q was answered %q", d.offer, answer)
	}
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		c.send(d.sent, d.chop)
	}()
	defer func() { _ = c.Close(); <-sent }()
	got, err := c.all()
	if err != nil {
		return fmt.Errorf("after %.300q: %w", got, err)
	}
	if i := slices.IndexFunc(got, isClose); i >= 0 && i < len(got)-1 || !slices.Equal(inLanes(got), inLanes(d.want)) {
		return fmt.Errorf("got  %.300q\nwant %.300q", got, d.want)
	}
	return nil
}

func isClose(frame string) bool { return strings.HasPrefix(frame, "fin close") }

// inLanes puts pongs before messages, and the end behind them: a pong is the
// protocol's answer and a message the application's, and neither waits for the other.
func inLanes(frames []string) []string {
	var lanes [3][]string
	for _, f := range frames {
		i := 1
		switch {
		case strings.HasPrefix(f, "fin pong"):
			i = 0
		case isClose(f):
			i = 2
		}
		lanes[i] = append(lanes[i], f)
	}
	return slices.Concat(lanes[:]...)
}

// peer is a client that knows nothing but bytes.
type peer struct {
	net.Conn
	r *bufio.Reader
}

// open makes the handshake, and says which extensions the answer has.
func open(s *served.Server, path, offer string) (*peer, string, error) {
	conn, err := s.Connect()
	if err != nil {
		return nil, "", err
	}
	c := &peer{conn, bufio.NewReader(conn)}
	if path == "" {
		path = "/ws"
	}
	if offer != "" {
		offer = "Sec-WebSocket-Extensions: " + offer + "\r\n"
	}
	_, err = io.WriteString(c, "GET "+path+" HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"+offer+"\r\n")
	var answer *http.Response
	if err == nil {
		answer, err = http.ReadResponse(c.r, nil)
	}
	if err != nil {
		return nil, "", errors.Join(err, c.Close())
	}
	if h := answer.Header; answer.StatusCode != http.StatusSwitchingProtocols || h.Get("Upgrade") != "websocket" ||
		h.Get("Connection") != "Upgrade" || h.Get("Sec-Websocket-Accept") != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
		_ = c.Close()
		return nil, "", fmt.Errorf("the handshake was answered %s, %v", answer.Status, h)
	}
	return c, answer.Header.Get("Sec-Websocket-Extensions"), nil
}

// send writes until the server has had enough.
func (c *peer) send(all [][]byte, chop int) {
	if chop > 0 {
		all = slices.Collect(slices.Chunk(slices.Concat(all...), chop))
	}
	for _, b := range all {
		if _, err := c.Write(b); err != nil {
			return
		}
	}
}

// all is what the server sends until it ends the connection, in order.
func (c *peer) all() (got []string, err error) {
	for {
		f, err := c.next()
		if err == io.EOF {
			return got, nil
		}
		if err != nil {
			return got, err
		}
		got = append(got, f.String())
	}
}

// next is one frame, inflated: it then has a bit that nobody else gives it.
func (c *peer) next() (wire.Received, error) {
	f, err := wire.Read(c.r)
	if err == nil && f.First&rsv1 != 0 {
		f.Payload, err = inflate(f.Payload)
	}
	return f, err
}

// inflate is a decompressor without a past: the server has promised not to refer to it.
func inflate(b []byte) ([]byte, error) {
	b, err := io.ReadAll(flate.NewReader(io.MultiReader(strings.NewReader(string(b)), strings.NewReader("\x00\x00\xff\xff\x01\x00\x00\xff\xff"))))
	if err != nil {
		return nil, fmt.Errorf("inflate the server's answer: %w", err)
	}
	return b, nil
}
