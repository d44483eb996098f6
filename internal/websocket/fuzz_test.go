package websocket_test

import (
	"io"
	"net"
	"testing"
	"time"

	"github.com/tandem-go/tandem/internal/websocket"
	"github.com/tandem-go/tandem/internal/websocket/wire"
)

// Whatever a client sends, the connection ends, and what it was sent are frames.
func FuzzFrames(f *testing.F) {
	f.Add(frame(fin|text, "hello"), false)
	f.Add(append(frame(text, "hel"), frame(fin|cont, "lo")...), false)
	f.Add(frame(fin|rsv1|text, deflated("hello")), true)
	f.Add(append(frame(fin|ping8, "x"), closing(1000, "bye")...), true)
	f.Add(raw(fin|binary8, 1<<40, mask, "x"), true)
	f.Fuzz(func(t *testing.T, sent []byte, compress bool) {
		var d *websocket.Deflate
		if compress {
			d = agreed(t, 9)
		}
		client, server := net.Pipe()
		c := websocket.New(server, nil, &websocket.Config{ReadLimit: 1 << 16, WriteTimeout: time.Minute}, d)
		go c.Run(func(error) {})
		go func() {
			echo(c)
			c.Finish(1000, "")
		}()
		go func() {
			_, _ = client.Write(sent)
			_ = client.SetReadDeadline(time.Now().Add(10 * time.Millisecond)) // it waits for more
		}()
		p := &peer{Conn: client}
		p.reader()
		for {
			if _, err := wire.Read(p.r); err != nil {
				if err != io.EOF && err != io.ErrClosedPipe && !isTimeout(err) {
					t.Errorf("not a frame: %v", err)
				}
				break
			}
		}
		_ = client.Close()
		<-c.Ended()
	})
}

func isTimeout(err error) bool {
	n, ok := err.(net.Error)
	return ok && n.Timeout()
}
