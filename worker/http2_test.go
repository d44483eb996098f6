package worker_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tandem-go/tandem/test/h2raw"
	"github.com/tandem-go/tandem/worker"
)

// speak opens a connection of HTTP/2, with settings.
func speak(t *testing.T, addr string, settings ...uint32) *h2raw.Conn {
	t.Helper()
	c := h2raw.New(dial(t, addr).Conn)
	if _, err := c.Begin(settings...); err != nil {
		t.Fatal(err)
	}
	return c
}

func send(t *testing.T, c *h2raw.Conn, frames ...h2raw.Frame) {
	t.Helper()
	if err := c.Send(frames...); err != nil {
		t.Fatal(err)
	}
}

func until(t *testing.T, c *h2raw.Conn, kind byte, stream uint32) h2raw.Frame {
	t.Helper()
	f, err := c.Until(kind, stream)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// Where the program does not say otherwise the server's own settings are tight.
func TestHTTP2SettingsAreBounded(t *testing.T) {
	check := func(want map[uint16]uint32, opts ...worker.Option) {
		addr, drain := alone(t, http.NotFoundHandler(), opts...)
		got, err := h2raw.New(dial(t, addr).Conn).Begin()
		if err != nil {
			t.Fatal(err)
		}
		for id, value := range want {
			if got[id] != value {
				t.Errorf("setting %d is %d, want %d", id, got[id], value)
			}
		}
		if err := drain(); err != nil {
			t.Error(err)
		}
	}
	check(map[uint16]uint32{h2raw.MaxConcurrentStreams: 100, h2raw.MaxFrameSize: 16 << 10})
	check(map[uint16]uint32{h2raw.MaxConcurrentStreams: 7, h2raw.MaxFrameSize: 16 << 10},
		worker.ConfigureServer(func(s *http.Server) { s.HTTP2 = &http.HTTP2Config{MaxConcurrentStreams: 7} }))
}

// A client that gives an answer no window holds neither its handler nor, when that has
// returned, the connection: the stream is reset, and others on it go on.
func TestAnAnswerOfHTTP2ThatNobodyTakesIsGivenUp(t *testing.T) {
	wrote := make(chan error, 1)
	addr, drain := alone(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/small": // it goes out when the handler has returned
			io.WriteString(w, "small")
		case "/flushed":
			io.WriteString(w, "small")
			wrote <- http.NewResponseController(w).Flush()
		case "/large":
			_, err := w.Write(make([]byte, 1<<20))
			wrote <- err
		case "/empty":
			w.WriteHeader(http.StatusOK)
		}
	}), worker.StallTimeout(stall))
	c := speak(t, addr, h2raw.InitialWindowSize, 0)
	for i, path := range []string{"/small", "/flushed", "/large"} {
		id := uint32(2*i + 1)
		send(t, c, h2raw.Request(id, "GET", path, h2raw.EndStream))
		if f := until(t, c, h2raw.RSTStream, id); f.Code() != h2raw.InternalError {
			t.Errorf("%s was reset with %d", path, f.Code())
		}
		if path != "/small" {
			if err := <-wrote; err == nil {
				t.Errorf("%s: it was written", path)
			}
		}
	}
	send(t, c, h2raw.Request(7, "GET", "/empty", h2raw.EndStream))
	if f := until(t, c, h2raw.Headers, 7); !f.OK() {
		t.Errorf("beside them: %+v", f)
	}
	if err := drain(); err != nil {
		t.Error(err)
	}
}

// Of a client that takes a bit now and then nothing is cut, however long it takes.
func TestAnAnswerOfHTTP2ThatIsTakenSlowlyIsNotCut(t *testing.T) {
	const size = 160 << 10
	addr, drain := alone(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if n, err := io.WriteString(w, strings.Repeat("x", size)); n != size || err != nil {
			t.Errorf("wrote %d, %v", n, err)
		}
	}), worker.StallTimeout(10*stall))
	c := speak(t, addr, h2raw.InitialWindowSize, 0)
	begun := time.Now()
	send(t, c, h2raw.Number(h2raw.WindowUpdate, 0, 2*size), h2raw.Request(1, "GET", "/", h2raw.EndStream))
	for got := 0; got < size; {
		<-time.After(2 * stall) // the client's pace: nothing is waited for
		send(t, c, h2raw.Number(h2raw.WindowUpdate, 1, 20<<10))
		for more := 20 << 10; more > 0 && got < size; {
			n := len(until(t, c, h2raw.Data, 1).Payload)
			got, more = got+n, more-n
		}
	}
	if took := time.Since(begun); took < 10*stall {
		t.Errorf("it took %v, which proves nothing", took)
	}
	if err := drain(); err != nil {
		t.Error(err)
	}
}

// The bound on what stands still is not one on handlers that take their time, nor on
// streams that have nothing to say.
func TestAQuietStreamOfHTTP2IsNotCut(t *testing.T) {
	addr, drain := alone(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for range 3 {
			io.WriteString(w, "event\n")
			if err := http.NewResponseController(w).Flush(); err != nil {
				t.Error(err)
			}
			select {
			case <-r.Context().Done():
				t.Error("the request's context ended")
			case <-time.After(2 * stall): // what the handler does
			}
		}
	}), worker.StallTimeout(stall))
	c := speak(t, addr)
	send(t, c, h2raw.Request(1, "GET", "/", h2raw.EndStream))
	for f := until(t, c, h2raw.Data, 1); f.Flags&h2raw.EndStream == 0; f = until(t, c, h2raw.Data, 1) {
	}
	if err := drain(); err != nil {
		t.Error(err)
	}
}

func TestABodyOfHTTP2ThatStopsComingIsGivenUp(t *testing.T) {
	read := make(chan error, 1)
	addr, drain := alone(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := io.ReadAll(r.Body)
		read <- err
		io.WriteString(w, "and yet")
	}), worker.StallTimeout(stall))
	c := speak(t, addr)
	send(t, c, h2raw.Request(1, "POST", "/", 0), h2raw.Frame{Type: h2raw.Data, Stream: 1, Payload: []byte("half")})
	if f := until(t, c, h2raw.Headers, 1); !f.OK() {
		t.Errorf("%+v", f)
	}
	if f := until(t, c, h2raw.Data, 1); string(f.Payload) != "and yet" {
		t.Errorf("%q", f.Payload)
	}
	if err := <-read; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the handler read: %v", err)
	}
	if err := drain(); err != nil {
		t.Error(err)
	}
}

// A deadline that a handler sets is its own, until it takes it back.
func TestAHandlersOwnDeadlinesOfHTTP2Stay(t *testing.T) {
	read, wrote := make(chan error, 2), make(chan time.Duration, 1)
	addr, drain := alone(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		if r.URL.Path == "/write" {
			begun := time.Now()
			if err := rc.SetWriteDeadline(begun.Add(5 * stall)); err != nil {
				t.Error(err)
			}
			if _, err := w.Write(make([]byte, 1<<20)); err == nil {
				t.Error("it was written")
			}
			wrote <- time.Since(begun)
			return
		}
		if err := rc.SetReadDeadline(time.Now().Add(time.Hour)); err != nil {
			t.Error(err)
		}
		_, err := r.Body.Read(make([]byte, 10)) // which the client makes wait
		read <- err
		if err := rc.SetReadDeadline(time.Time{}); err != nil {
			t.Error(err)
		}
		_, err = r.Body.Read(make([]byte, 10))
		read <- err
	}), worker.StallTimeout(stall))
	c := speak(t, addr, h2raw.InitialWindowSize, 0)
	send(t, c, h2raw.Request(1, "POST", "/read", 0), h2raw.Request(3, "GET", "/write", h2raw.EndStream))
	if took := <-wrote; took < 5*stall {
		t.Errorf("the answer was given up after %v", took)
	}
	send(t, c, h2raw.Frame{Type: h2raw.Data, Stream: 1, Payload: []byte("late")})
	if err := <-read; err != nil {
		t.Error("with a deadline of its own: ", err)
	}
	if err := <-read; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("with ours: ", err)
	}
	if err := drain(); err != nil {
		t.Error(err)
	}
}

// A peer that is gone without a word, with a stream open, is found out by a ping.
func TestASilentPeerOfHTTP2IsPinged(t *testing.T) {
	left := make(chan struct{})
	addr, drain := alone(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
		close(left)
	}), worker.StallTimeout(stall), worker.ConfigureServer(func(s *http.Server) {
		s.HTTP2 = &http.HTTP2Config{PingTimeout: stall}
	}))
	c := speak(t, addr)
	send(t, c, h2raw.Request(1, "GET", "/", h2raw.EndStream))
	f, err := c.Next()
	for ; err == nil && f.Type != h2raw.Ping; f, err = c.Next() {
	}
	if err != nil {
		t.Fatal("no ping: ", err)
	}
	for ; err == nil; _, err = c.Next() {
	}
	if n, late := errors.AsType[net.Error](err); late && n.Timeout() {
		t.Errorf("it is still there: %v", err)
	}
	<-left
	if err := drain(); err != nil {
		t.Error(err)
	}
}
