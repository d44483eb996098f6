//go:build load

package load

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// crowd is many clients of one kind that are there at the same time.
type crowd struct {
	kind
	addr    string
	members []member
}

// member is one of them.
type member interface {
	// leave asks once more and goes; of one that is not honest, it looks whether it was cut.
	leave(ctx context.Context) error
}

const (
	// atOnce is how many join or leave at the same time.
	atOnce = 64
	// perSource is how many come from one address of the loopback network: each has a
	// range of ports of its own.
	perSource = 5000
)

// dial connects, from an address that is the kind's.
func (c *crowd) dial(ctx context.Context, i int) (net.Conn, error) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, byte(1+c.from), byte(1+i/perSource))}}
	return d.DialContext(ctx, "tcp", c.addr)
}

// each does f for all, some at once, and fails the test with what the first ones say.
func (c *crowd) each(t *testing.T, doing string, f func(i int) error) {
	t.Helper()
	var next, failed atomic.Int64
	var workers sync.WaitGroup
	for range atOnce {
		workers.Go(func() {
			for i := int(next.Add(1)) - 1; i < c.n; i = int(next.Add(1)) - 1 {
				if err := f(i); err != nil && failed.Add(1) <= 5 {
					t.Errorf("%s %d %s: %v", c.name, i, doing, err)
				}
			}
		})
	}
	workers.Wait()
	if n := failed.Load(); n > 0 {
		t.Fatalf("%d of %d %s failed: %s", n, c.n, c.name, doing)
	}
}

func (c *crowd) gather(ctx context.Context, t *testing.T) {
	t.Helper()
	c.members = make([]member, c.n)
	c.each(t, "joining", func(i int) (err error) {
		c.members[i], err = c.join(ctx, c, i)
		return err
	})
}

func (c *crowd) leave(ctx context.Context, t *testing.T) {
	t.Helper()
	c.each(t, "leaving", func(i int) error { return c.members[i].leave(ctx) })
}

// hold waits: that nothing happens meanwhile is what is looked at afterwards.
func (c *crowd) hold(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// asker is a connection of HTTP/1 on which one asks.
type asker struct {
	net.Conn
	r *bufio.Reader
}

func (c *crowd) asker(ctx context.Context, i int) (*asker, error) {
	conn, err := c.dial(ctx, i)
	if err != nil {
		return nil, err
	}
	return &asker{conn, bufio.NewReaderSize(conn, 1<<10)}, nil
}

// ask sends a request and reads its answer, which must be a 200.
func (a *asker) ask(request string) (string, error) {
	if _, err := io.WriteString(a, request); err != nil {
		return "", err
	}
	return a.answer()
}

func (a *asker) answer() (string, error) {
	resp, err := http.ReadResponse(a.r, nil)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && (resp.StatusCode != http.StatusOK || resp.Close) {
		err = fmt.Errorf("answered %s, to be closed: %v", resp.Status, resp.Close)
	}
	return string(body), err
}

const getModern = "GET /modern/ HTTP/1.1\r\nHost: crowd.test\r\n\r\n"

// idle has asked once, and asks again when it leaves, on the same connection.
func idle(ctx context.Context, c *crowd, i int) (member, error) {
	a, err := c.asker(ctx, i)
	if err != nil {
		return nil, err
	}
	_, err = a.ask(getModern)
	return (*idler)(a), err
}

type idler asker

func (d *idler) leave(context.Context) error {
	_, err := (*asker)(d).ask(getModern)
	return errors.Join(err, d.Close())
}

// webSocket exchanges a message when it joins and another when it leaves, and
// answers pings meanwhile.
func webSocket(ctx context.Context, c *crowd, i int) (member, error) {
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return c.dial(ctx, i) },
	}}
	conn, _, err := websocket.Dial(ctx, "ws://"+c.addr+"/ws/echo/", &websocket.DialOptions{HTTPClient: client})
	if err != nil {
		return nil, err
	}
	w := &socket{conn: conn, came: make(chan string, 1), ended: make(chan error, 1)}
	go w.listen(ctx)
	return w, w.echo(ctx, "hello")
}

type socket struct {
	conn  *websocket.Conn
	came  chan string
	ended chan error
}

func (w *socket) listen(ctx context.Context) {
	for {
		_, message, err := w.conn.Read(ctx)
		if err != nil {
			w.ended <- err
			return
		}
		w.came <- string(message)
	}
}

func (w *socket) echo(ctx context.Context, message string) error {
	if err := w.conn.Write(ctx, websocket.MessageText, []byte(message)); err != nil {
		return err
	}
	select {
	case got := <-w.came:
		if got != message {
			return fmt.Errorf("sent %q, got %q", message, got)
		}
		return nil
	case err := <-w.ended:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (w *socket) leave(ctx context.Context) error {
	return errors.Join(w.echo(ctx, "good-bye"), w.conn.Close(websocket.StatusNormalClosure, ""))
}

// eventStream reads one event after the other, which have to come in their order.
func eventStream(ctx context.Context, c *crowd, i int) (member, error) {
	a, err := c.asker(ctx, i)
	if err != nil {
		return nil, err
	}
	if _, err := io.WriteString(a, "GET /events/ HTTP/1.1\r\nHost: crowd.test\r\n\r\n"); err != nil {
		return nil, err
	}
	resp, err := http.ReadResponse(a.r, nil)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, errors.New(resp.Status)
	}
	e := &listener{conn: a, body: resp.Body, came: make(chan int, 1), ended: make(chan error, 1)}
	go e.listen()
	return e, e.next(ctx)
}

type listener struct {
	conn  net.Conn
	body  io.Reader
	came  chan int // the last one that was not looked at
	ended chan error
}

func (e *listener) listen() {
	lines := bufio.NewReaderSize(e.body, 256)
	for want := 1; ; {
		line, err := lines.ReadSlice('\n')
		if err != nil {
			e.ended <- err
			return
		}
		id, isID := bytes.CutPrefix(line, []byte("id: "))
		if !isID {
			continue
		}
		if string(bytes.TrimSpace(id)) != fmt.Sprint(want) {
			e.ended <- fmt.Errorf("event %s where %d was to come", id, want)
			return
		}
		select {
		case <-e.came:
		default:
		}
		e.came <- want
		want++
	}
}

// next waits for one more event.
func (e *listener) next(ctx context.Context) error {
	select {
	case <-e.came:
		return nil
	case err := <-e.ended:
		return fmt.Errorf("the stream has ended: %w", err)
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (e *listener) leave(ctx context.Context) error {
	select {
	case <-e.came: // it may have come long ago
	default:
	}
	return errors.Join(e.next(ctx), e.conn.Close())
}

// goneBy says whether an error is that of a connection that its peer has closed, or cut.
func goneBy(err error) bool {
	return err != nil && !errors.Is(err, os.ErrDeadlineExceeded) && !errors.Is(err, net.ErrClosed)
}
