package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/tandem-go/tandem/test/h2raw"
	"github.com/tandem-go/tandem/test/harness"
)

// parkedSoon is when a connection that has been idle since the call is parked, and a little
// more.
const parkedSoon = 8 * time.Second

// TestEachKindOfClientOverADrain: all of them at once over a reload, and over a stop. What
// each has begun is finished, and what it is told is what its protocol has for it.
func TestEachKindOfClientOverADrain(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"reload", "TERM"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			ctx := within(t)
			s, first := serve(ctx, t, 2, harness.Config{})
			d := &drain{ctx: ctx, s: s, reload: how == "reload", old: first.Generation}
			after := map[string]func(t *testing.T){}
			names := []string{"parked", "idle", "WebSocket", "events", "upload", "slow reader", "HTTP/2"}
			for i, join := range []func(*testing.T) func(*testing.T){d.parked, d.idle, d.webSocket, d.events, d.upload, d.slowReader, d.http2} {
				after[names[i]] = join(t)
			}
			if d.reload {
				must(ctx, t, s, "reload", "--wait")
			} else {
				signal(t, s, syscall.SIGTERM)
				await(ctx, t, s, "both workers to drain", func(st harness.Status) bool {
					return len(st.Workers) == 2 && !slices.ContainsFunc(st.Workers, func(w harness.Worker) bool { return w.State != "draining" })
				})
			}
			// Who is idle at a stop is let go last.
			for _, name := range append(names[2:], names[:2]...) {
				t.Run(name, after[name])
			}
			if d.reload {
				ready(ctx, t, s, 2)
				signal(t, s, syscall.SIGTERM)
			}
			exits(ctx, t, s, 0)
		})
	}
}

// drain is a reload or a stop with clients.
type drain struct {
	ctx    context.Context
	s      *harness.Supervisor
	reload bool
	old    int // generation
}

// wire is a bare connection of HTTP/1.
type wire struct {
	net.Conn
	r *bufio.Reader
}

func (d *drain) dial(t *testing.T) *wire {
	t.Helper()
	c, err := new(net.Dialer).DialContext(d.ctx, "tcp", d.s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(harness.Limit))
	return &wire{c, bufio.NewReader(c)}
}

func (w *wire) write(t *testing.T, text string) {
	t.Helper()
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
}

// echoed is what /echo/ says of a request.
type echoed struct {
	BodyLen int `json:"body_len"`
	Worker  int `json:"worker"`
}

// answer reads an answer of /echo/ to its end.
func (w *wire) answer(t *testing.T) (e echoed) {
	t.Helper()
	resp, err := http.ReadResponse(w.r, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil {
		err = json.Unmarshal(body, &e)
	}
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("answered %s, %.200q, %v", resp.Status, body, err)
	}
	return e
}

const getEcho = "GET /echo/ HTTP/1.1\r\nHost: x\r\n\r\n"

// served looks at an idle connection: after a reload it is served on, by a worker of the new
// generation, and a stop has ended it in good order.
func (d *drain) served(w *wire, before echoed) func(t *testing.T) {
	return func(t *testing.T) {
		if !d.reload {
			if b, err := w.r.ReadByte(); err != io.EOF {
				t.Errorf("got %q, %v", b, err)
			}
			return
		}
		w.write(t, getEcho)
		if now := w.answer(t); now.Worker <= before.Worker {
			t.Errorf("answered by worker %d before, and by %d after", before.Worker, now.Worker)
		}
	}
}

func (d *drain) idle(t *testing.T) func(t *testing.T) {
	w := d.dial(t)
	w.write(t, getEcho)
	return d.served(w, w.answer(t))
}

// parked is idle for so long that it is not net/http's any more.
func (d *drain) parked(t *testing.T) func(t *testing.T) {
	after := d.idle(t)
	ctx, cancel := context.WithTimeout(d.ctx, 2*parkedSoon)
	defer cancel()
	if err := harness.Poll(ctx, "the connection to be parked", func() bool {
		st, err := d.s.Status(ctx)
		return err == nil && slices.ContainsFunc(st.Workers, func(w harness.Worker) bool { return harness.Parked(w.PID) == 1 })
	}); err != nil {
		t.Error(err)
	}
	return after
}

func (d *drain) webSocket(t *testing.T) func(t *testing.T) {
	c, _, err := websocket.Dial(d.ctx, "ws://"+d.s.Addr+"/ws/echo/", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.CloseNow() })
	if err := c.Write(d.ctx, websocket.MessageText, []byte("before")); err != nil {
		t.Fatal(err)
	}
	if _, b, err := c.Read(d.ctx); err != nil || string(b) != "before" {
		t.Fatalf("got %q, %v", b, err)
	}
	return func(t *testing.T) {
		if _, b, err := c.Read(d.ctx); websocket.CloseStatus(err) != websocket.StatusServiceRestart {
			t.Errorf("got %q, %v; want close %d", b, err, websocket.StatusServiceRestart)
		}
	}
}

// events end as an answer does, and go on behind the last one where somebody is there.
func (d *drain) events(t *testing.T) func(t *testing.T) {
	open := func(t *testing.T, last string) (*http.Response, string) {
		t.Helper()
		w := d.dial(t)
		w.write(t, "GET /events/ HTTP/1.1\r\nHost: x\r\nLast-Event-ID: "+last+"\r\n\r\n")
		resp, err := http.ReadResponse(w.r, nil)
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatal(resp, err)
		}
		first := make([]byte, len("id: 42\n"))
		if _, err := io.ReadFull(resp.Body, first); err != nil {
			t.Fatal(err)
		}
		return resp, string(first)
	}
	stream, first := open(t, "41")
	if first != "id: 42\n" {
		t.Fatalf("the stream begins with %q", first)
	}
	return func(t *testing.T) {
		rest, err := io.ReadAll(stream.Body)
		if err != nil || !strings.HasSuffix(string(rest), "\n\n") {
			t.Fatalf("the stream ended with %q, %v", rest, err)
		}
		if !d.reload {
			return
		}
		last := "42"
		for line := range strings.Lines(string(rest)) {
			if id, ok := strings.CutPrefix(line, "id: "); ok {
				last = strings.TrimSpace(id)
			}
		}
		var next int
		fmt.Sscan(last, &next)
		if _, first := open(t, last); first != fmt.Sprintf("id: %d\n", next+1) {
			t.Errorf("behind %s the stream goes on with %q", last, first)
		}
	}
}

// upload is one of which a part has come.
func (d *drain) upload(t *testing.T) func(t *testing.T) {
	const size = 64 << 10
	w := d.dial(t)
	w.write(t, fmt.Sprintf("POST /echo/ HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", size, strings.Repeat("x", size/2)))
	d.begun(t)
	return func(t *testing.T) {
		w.write(t, strings.Repeat("y", size/2))
		if e := w.answer(t); e.BodyLen != size {
			t.Errorf("of %d bytes %d came", size, e.BodyLen)
		}
	}
}

// begun waits until a request to /echo/ is being handled.
func (d *drain) begun(t *testing.T) {
	t.Helper()
	await(d.ctx, t, d.s, "a request in flight to /echo/", func(st harness.Status) bool {
		return slices.ContainsFunc(st.Workers, func(w harness.Worker) bool {
			return slices.ContainsFunc(w.OldestRequests, func(r harness.Request) bool {
				return strings.Contains(r.Route, "/echo/") && !strings.Contains(r.Route, "ws")
			})
		})
	})
}

// large is more than all buffers between a worker and its client take.
const large = 8 << 20

// ask sends a request whose answer is large, and reads its beginning.
func (d *drain) ask(t *testing.T) *wire {
	t.Helper()
	w := d.dial(t)
	_ = w.Conn.(*net.TCPConn).SetReadBuffer(64 << 10)
	w.write(t, fmt.Sprintf("POST /echo/ HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", large))
	w.write(t, strings.Repeat("x", large))
	if _, err := w.r.Peek(1); err != nil {
		t.Fatal(err)
	}
	return w
}

func (d *drain) slowReader(t *testing.T) func(t *testing.T) {
	w := d.ask(t)
	return func(t *testing.T) {
		if e := w.answer(t); e.BodyLen != large {
			t.Errorf("of %d bytes %d came", large, e.BodyLen)
		}
	}
}

// http2 has a stream open, which is finished, and is told to go.
func (d *drain) http2(t *testing.T) func(t *testing.T) {
	c := h2raw.New(d.dial(t))
	_, err := c.Begin()
	if err == nil {
		err = c.Send(h2raw.Request(1, http.MethodGet, "/stream/?n=20&ms=100", h2raw.EndStream))
	}
	if err == nil {
		_, err = c.Until(h2raw.Data, 1)
	}
	if err != nil {
		t.Fatal(err)
	}
	return func(t *testing.T) {
		finished, told, end := false, false, error(nil)
		body := ""
		for end == nil {
			var f h2raw.Frame
			f, end = c.Next()
			switch {
			case end != nil:
			case f.Type == h2raw.GoAway && f.Code() == h2raw.NoError:
				told = true
			case f.Type == h2raw.Data && f.Stream == 1:
				body += string(f.Payload)
				finished = finished || f.Flags&h2raw.EndStream != 0
			case f.Type == h2raw.RSTStream, f.Type == h2raw.GoAway:
				t.Errorf("got %+v", f)
			}
		}
		if !finished || !told || !strings.Contains(body, "chunk 20 of 20\n") || !errors.Is(end, io.EOF) {
			t.Errorf("the stream is finished: %v, GOAWAY: %v, the end: %v; %q", finished, told, end, body)
		}
	}
}

// TestAReaderThatTakesNothingIsCutAtTheGracefulTimeout, and that is counted and said.
func TestAReaderThatTakesNothingIsCutAtTheGracefulTimeout(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	dir := t.TempDir()
	admin := filepath.Join(dir, "admin.sock")
	s, st := serve(ctx, t, 1, harness.Config{Dir: dir, Args: []string{"--graceful-timeout", "3s", "--admin", "unix:" + admin}})
	d := &drain{ctx: ctx, s: s, reload: true, old: st.Generation}
	w := d.ask(t)
	must(ctx, t, s, "reload", "--wait")
	begun := time.Now()
	ready(ctx, t, s, 1)
	if took := time.Since(begun); took > 20*time.Second {
		t.Errorf("the old worker went after %v", took)
	}
	resp, err := http.ReadResponse(w.r, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if n, err := io.Copy(io.Discard, resp.Body); n >= large || err == nil {
		t.Errorf("the client got %d bytes, %v", n, err)
	}
	// The worker cuts it itself and says so by its exit status; one that is kept from the CPU then is killed.
	counts := scrape(ctx, t, adminOf(t, admin))
	if n := counts[`tandem_worker_exits_total{cause="exit"}`] + counts[`tandem_worker_exits_total{cause="drain"}`]; n != 1 {
		t.Errorf("%v workers were cut short", n)
	}
	if _, err := s.Stderr.Await(ctx, "the cut to be said", func(line string) bool {
		return strings.Contains(line, "cut 1 requests in flight") || strings.Contains(line, "it was still draining after 3s")
	}); err != nil {
		t.Error(err)
	}
}
