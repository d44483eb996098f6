package websocket_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"

	"github.com/tandem-go/tandem/internal/websocket"
)

func TestMessagesAreBoundedBeforeTheyCome(t *testing.T) {
	const tooLong = `fin close 1009 "message longer than 100 bytes"`
	x := strings.Repeat("x", 100)
	for name, test := range map[string]struct {
		sent [][]byte
		want []string
	}{
		"just so":              {f(frame(fin|text, x), closing(1000, "")), w(fmt.Sprintf("fin text %q", x), closed(1000))},
		"announced":            {f(raw(fin|text, 101, mask, "")), w(tooLong)},
		"announced as endless": {f(raw(fin|text, 1<<62, mask, "")), w(tooLong)},
		"by its last fragment": {f(frame(text, x[:60]), raw(fin|cont, 41, mask, "")), w(tooLong)},
		"of many empty fragments": {
			f(frame(text, ""), frame(cont, ""), frame(fin|cont, "x"), closing(1000, "")), w(`fin text "x"`, closed(1000)),
		},
	} {
		p := start(t, websocket.Config{ReadLimit: 100}, nil, echo)
		p.send(test.sent...)
		if got := p.all(t); !slices.Equal(got, test.want) {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
	}
}

func TestWhatIsOnlyAnnouncedTakesNoMemory(t *testing.T) {
	p := start(t, websocket.Config{ReadLimit: 64 << 20}, nil, echo)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := p.Write(raw(fin|binary8, 64<<20, mask, "x")); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Write([]byte("y")); err != nil { // the x has been taken
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; took > 64<<10 {
		t.Errorf("it took %d bytes", took)
	}
}

// inBubble runs a server whose function is serve, over a pipe.
func inBubble(cfg websocket.Config, serve func(*websocket.Conn)) (client net.Conn, why chan error, ended chan struct{}) {
	client, server := net.Pipe()
	cfg.ReadLimit = 1 << 20
	if cfg.WriteTimeout == 0 {
		cfg.WriteTimeout = 30 * time.Second
	}
	c := websocket.New(server, nil, &cfg, nil)
	why, ended = make(chan error, 1), make(chan struct{})
	go func() {
		defer close(ended)
		c.Run(func(err error) { why <- err })
	}()
	go func() {
		serve(c)
		c.Finish(1000, "done")
	}()
	return client, why, ended
}

func TestAClientThatDoesNotReadIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		_, why, ended := inBubble(websocket.Config{WriteTimeout: 7 * time.Second}, func(c *websocket.Conn) {
			err := c.Write(t.Context(), ws.OpText, []byte("anybody?"))
			if !errors.Is(err, websocket.ErrSlow) || time.Since(begun) != 7*time.Second {
				t.Errorf("after %v: %v", time.Since(begun), err)
			}
		})
		if err := <-why; !errors.Is(err, websocket.ErrSlow) {
			t.Errorf("it ended with %v", err)
		}
		<-ended
		again := time.Now() // the first function may not have returned yet
		_, _, ended = inBubble(websocket.Config{}, func(c *websocket.Conn) {
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			if err := c.Write(ctx, ws.OpText, []byte("anybody?")); !errors.Is(err, websocket.ErrSlow) || time.Since(again) != 3*time.Second {
				t.Errorf("after %v: %v", time.Since(again), err)
			}
		})
		<-ended
	})
}

func TestWhoWaitsToWriteCanGiveUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, _, ended := inBubble(websocket.Config{}, func(c *websocket.Conn) {
			var first sync.WaitGroup
			first.Go(func() {
				if err := c.Write(t.Context(), ws.OpText, []byte("first")); err != nil {
					t.Error(err)
				}
			})
			synctest.Wait() // it is being written
			ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, os.ErrProcessDone)
			defer cancel()
			if err := c.Write(ctx, ws.OpText, []byte("second")); err != os.ErrProcessDone {
				t.Errorf("the second: %v", err)
			}
			first.Wait()
		})
		time.Sleep(2 * time.Second)
		p := &peer{Conn: client}
		p.reader()
		if got := p.next(t); got != `fin text "first"` {
			t.Errorf("got %q", got)
		}
		_ = client.Close()
		<-ended
	})
}

func TestASilentClientIsPingedAndGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		client, why, ended := inBubble(websocket.Config{KeepAlive: 10 * time.Second}, echo)
		p := &peer{Conn: client}
		p.reader()
		for range 5 { // one that answers stays
			if got := p.next(t); got != `fin ping ""` {
				t.Fatalf("got %q", got)
			}
			if _, err := client.Write(frame(fin|pong, "")); err != nil {
				t.Fatal(err)
			}
		}
		answered := time.Since(begun)
		if got := p.all(t); !slices.Equal(got, w(`fin ping ""`)) {
			t.Errorf("got %q", got)
		}
		if err := <-why; !errors.Is(err, websocket.ErrSilent) || time.Since(begun) != answered+20*time.Second {
			t.Errorf("%v after it was last heard it ended with %v", time.Since(begun)-answered, err)
		}
		<-ended
	})
}

// A client that spoke just after the timer was set is twice as long unheard when it is looked
// at for the second time, a little late; and one may be so all at once, by a step of the clock.
func TestNobodyIsGivenUpWithoutAPing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, why, ended := inBubble(websocket.Config{KeepAlive: 10 * time.Second}, func(c *websocket.Conn) {
			time.Sleep(5 * time.Second)
			c.Quiet(30 * time.Second)
			echo(c)
		})
		p := &peer{Conn: client}
		p.reader()
		for range 2 {
			if got := p.next(t); got != `fin ping ""` {
				t.Fatalf("got %q", got)
			}
			if _, err := client.Write(frame(fin|pong, "")); err != nil {
				t.Fatal(err)
			}
		}
		_ = client.Close()
		if err := <-why; errors.Is(err, websocket.ErrSilent) {
			t.Error(err)
		}
		<-ended
	})
}

func TestAClientThatIsNotListenedToIsNotSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, _, ended := inBubble(websocket.Config{KeepAlive: 10 * time.Second}, func(c *websocket.Conn) {
			time.Sleep(time.Hour)
			if _, m, err := c.Read(t.Context()); err != nil || string(m) != "patience" {
				t.Errorf("%q, %v", m, err)
			}
		})
		if _, err := client.Write(frame(fin|text, "patience")); err != nil {
			t.Fatal(err)
		}
		p := &peer{Conn: client}
		p.reader()
		if got := p.next(t); got != `fin close 1000 "done"` {
			t.Errorf("got %q", got)
		}
		_ = client.Close()
		<-ended
	})
}

func TestACloseFrameIsNotWaitedForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		client, _, ended := inBubble(websocket.Config{}, func(*websocket.Conn) {})
		p := &peer{Conn: client}
		p.reader()
		if got := p.all(t); !slices.Equal(got, w(`fin close 1000 "done"`)) {
			t.Errorf("got %q", got)
		}
		if <-ended; time.Since(begun) != websocket.CloseTimeout {
			t.Errorf("it was waited for %v", time.Since(begun))
		}
	})
}

func TestAReadThatEndsWithItsContextLosesNothing(t *testing.T) {
	p := start(t, websocket.Config{}, nil, func(c *websocket.Conn) {
		ctx, cancel := context.WithCancelCause(context.Background())
		cancel(os.ErrProcessDone)
		if _, _, err := c.Read(ctx); err != os.ErrProcessDone {
			t.Errorf("Read: %v", err)
		}
		if err := c.Write(ctx, ws.OpText, nil); err != os.ErrProcessDone {
			t.Errorf("Write: %v", err)
		}
		echo(c)
	})
	p.send(frame(fin|text, "still here"), closing(1000, ""))
	if got, want := p.all(t), w(`fin text "still here"`, closed(1000)); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestWhatMayNotBeSentIsNot(t *testing.T) {
	p := start(t, websocket.Config{}, nil, func(c *websocket.Conn) {
		for _, err := range []error{
			c.Write(t.Context(), ws.OpText, []byte("\xff")), c.Write(t.Context(), ws.OpPing, nil),
			c.Close(1005, ""), c.Close(999, ""), c.Close(0, "why"), c.Close(1000, "\xff"), c.Close(1000, strings.Repeat("x", 124)),
		} {
			if err == nil {
				t.Error("it was sent")
			}
		}
		if err := c.Close(4000, strings.Repeat("x", 123)); err != nil {
			t.Error(err)
		}
		for _, err := range []error{c.Write(t.Context(), ws.OpText, nil), c.Close(1000, "")} {
			if !errors.Is(err, websocket.ErrClosed) {
				t.Errorf("after Close: %v", err)
			}
		}
		if _, m, err := c.Read(t.Context()); err != nil || string(m) != "on its way" {
			t.Errorf("after Close: %q, %v", m, err)
		}
	})
	if got, want := p.next(t), fmt.Sprintf("fin close 4000 %q", strings.Repeat("x", 123)); got != want {
		t.Errorf("got %q", got)
	}
	p.send(frame(fin|text, "on its way"), frame(fin|ping8, ""), closing(4000, ""))
	if got := p.all(t); got != nil {
		t.Errorf("behind the close frame: %q", got)
	}
}
