package worker_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// client is one connection of a strict client: what it sends is answered, or
// the test knows. It repeats nothing.
type client struct {
	net.Conn
	r *bufio.Reader
}

func dial(t *testing.T, addr string) *client {
	t.Helper()
	c, err := connect(addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// dialTTL connects with segments of that hop limit.
func dialTTL(t *testing.T, addr string, ttl int) *client {
	t.Helper()
	c, err := connectWith(net.Dialer{Control: func(_, _ string, raw syscall.RawConn) (err error) {
		if bad := raw.Control(func(fd uintptr) {
			err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_TTL, ttl)
		}); bad != nil {
			return bad
		}
		return err
	}}, addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func connect(addr string) (*client, error) { return connectWith(net.Dialer{}, addr) }

func connectWith(d net.Dialer, addr string) (*client, error) {
	d.Timeout = 10 * time.Second
	network := "tcp"
	if strings.HasPrefix(addr, "/") {
		network = "unix"
	}
	c, err := d.Dial(network, addr)
	if err != nil {
		return nil, err
	}
	if err := c.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return nil, err
	}
	return &client{c, bufio.NewReader(c)}, nil
}

func (c *client) send(method, path, body string) error {
	_, err := fmt.Fprintf(c, "%s %s HTTP/1.1\r\nHost: test\r\nContent-Length: %d\r\n\r\n%s", method, path, len(body), body)
	return err
}

// receive reads one answer to its end.
func (c *client) receive() (status int, body string, closing bool, err error) {
	resp, err := http.ReadResponse(c.r, nil)
	if err != nil {
		return 0, "", false, err
	}
	defer resp.Body.Close()
	all, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(all), resp.Close, err
}

// get sends a request without a body, and receives.
func (c *client) get(path string) (status int, body string, closing bool, err error) {
	if err := c.send("GET", path, ""); err != nil {
		return 0, "", false, err
	}
	return c.receive()
}

// must sends and receives, and fails the test on anything but a 200.
func (c *client) must(t *testing.T, path, body string) (answer string, closing bool) {
	t.Helper()
	if err := c.send("POST", path, body); err != nil {
		t.Fatal(err)
	}
	return c.answered(t)
}

func (c *client) answered(t *testing.T) (answer string, closing bool) {
	t.Helper()
	status, answer, closing, err := c.receive()
	if err != nil || status != http.StatusOK {
		t.Fatalf("answered %d %.200q (%d bytes), %v", status, answer, len(answer), err)
	}
	return answer, closing
}

// load is clients that POST until the end, each request on a new connection or
// with time to think between those of one connection.
type load struct {
	clients sync.WaitGroup
	stop    chan struct{}

	mu   sync.Mutex
	more *sync.Cond // signalled with every answer and every loss
	done int
	lost []string
	pids map[string]int // answers by the process that gave them
}

func apply(addr string, clients int, keep bool, think time.Duration) *load {
	return applyWith(addr, clients, keep, func() time.Duration { return think })
}

// applyWith has clients that think differently.
func applyWith(addr string, clients int, keep bool, think func() time.Duration) *load {
	l := &load{stop: make(chan struct{}), pids: map[string]int{}}
	l.more = sync.NewCond(&l.mu)
	for n := range clients {
		l.clients.Go(func() { l.client(addr, n, keep, think) })
	}
	return l
}

func (l *load) client(addr string, n int, keep bool, think func() time.Duration) {
	var c *client
	defer func() {
		if c != nil {
			_ = c.Close()
		}
	}()
	for i := 0; ; i++ {
		select {
		case <-l.stop:
			return
		case <-time.After(think()): // the load's shape: nothing is waited for
		}
		if c == nil {
			var err error
			if c, err = connect(addr); err != nil {
				l.note("", fmt.Errorf("connect: %w", err))
				continue
			}
		}
		want := fmt.Sprintf("%d/%d", n, i)
		pid, closing, err := l.request(c, want)
		l.note(pid, err)
		if !keep || closing || err != nil {
			_ = c.Close()
			c = nil
		}
	}
}

func (l *load) request(c *client, want string) (pid string, closing bool, err error) {
	if err := c.send("POST", "/", want); err != nil {
		return "", false, fmt.Errorf("send: %w", err)
	}
	status, body, closing, err := c.receive()
	if err != nil {
		return "", false, fmt.Errorf("receive: %w", err)
	}
	pid, echo, _ := strings.Cut(body, " ")
	if status != http.StatusOK || echo != want {
		return "", false, fmt.Errorf("answered %d %q to %q", status, body, want)
	}
	return pid, closing, nil
}

func (l *load) note(pid string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.more.Broadcast()
	if err != nil {
		l.lost = append(l.lost, err.Error())
		return
	}
	l.done++
	l.pids[pid]++
}

// goOn waits until the load has had n more answers, so that what the test does
// next is done in the middle of it. A loss ends the waiting, too.
func (l *load) goOn(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for until := l.done + n; l.done < until && len(l.lost) == 0; {
		l.more.Wait()
	}
}

// end stops the clients and judges.
func (l *load) end(t *testing.T, atLeast, processes int) {
	t.Helper()
	close(l.stop)
	l.clients.Wait()
	if len(l.lost) > 0 {
		t.Errorf("lost %d of %d: %q", len(l.lost), l.done+len(l.lost), l.lost[:min(5, len(l.lost))])
	}
	if l.done < atLeast || len(l.pids) < processes {
		t.Errorf("the load proves nothing: %d requests, %d processes", l.done, len(l.pids))
	}
	t.Logf("%d requests by %d processes, %d lost", l.done, len(l.pids), len(l.lost))
}
