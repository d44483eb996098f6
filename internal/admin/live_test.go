package admin

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-go/tandem/internal/history"
	"github.com/tandem-go/tandem/internal/metrics"
)

// recorded gives a server a history that grows.
func recorded(t *testing.T, s *Server) {
	t.Helper()
	s.History = history.New(history.Options{Source: func(context.Context) (metrics.Snapshot, error) {
		return metrics.Snapshot{State: "running"}, nil
	}})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); s.History.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
}

// happening is events as a test wants them.
type happening chan []Event

func (h happening) Follow(context.Context, int) <-chan []Event { return h }

// heard is one event of a stream.
type heard struct{ name, data string }

type listener struct {
	t    *testing.T
	resp *http.Response
	in   *bufio.Reader
}

func (s *served) listen(t *testing.T, path string) *listener {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	req, err := http.NewRequestWithContext(ctx, "GET", s.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := s.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	l := &listener{t, resp, bufio.NewReader(resp.Body)}
	t.Cleanup(func() { cancel(); resp.Body.Close() })
	return l
}

// next gives the next event; io.EOF where the stream has ended as it should.
func (l *listener) next() (heard, error) {
	var e heard
	for {
		line, err := l.in.ReadString('\n')
		if err != nil {
			return e, err
		}
		line = strings.TrimSuffix(line, "\n")
		if name, ok := strings.CutPrefix(line, "event: "); ok {
			e.name = name
		}
		if data, ok := strings.CutPrefix(line, "data: "); ok {
			e.data = data
		}
		if line == "" && e.name != "" {
			return e, nil
		}
	}
}

// until reads on until there is an event of that name.
func (l *listener) until(name string) heard {
	l.t.Helper()
	for {
		e, err := l.next()
		if err != nil {
			l.t.Fatalf("waiting for %s: %v", name, err)
		}
		if e.name == name {
			return e
		}
	}
}

func TestStream(t *testing.T) {
	events := make(happening, 1)
	s := serveWith(t, "127.0.0.1:0", func(server *Server) {
		recorded(t, server)
		server.Events = events
	})
	l := s.listen(t, "/live?rate=10")
	if got := l.resp.Header.Get("Content-Type"); got != "text/event-stream" || l.resp.StatusCode != 200 {
		t.Fatalf("%d %s", l.resp.StatusCode, got)
	}
	var names []string
	for len(names) < 2 {
		e, err := l.next()
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, e.name)
	}
	if want := []string{"hour", "status"}; !reflect.DeepEqual(names, want) {
		t.Errorf("it begins with %v, want %v", names, want)
	}
	tick := l.until("tick")
	var told struct {
		State string
		Live  []any
	}
	if err := json.Unmarshal([]byte(tick.data), &told); err != nil || told.State != "running" || len(told.Live) != len(columns)+1 {
		t.Errorf("%v: %s", err, tick.data)
	}
	events <- []Event{{Seq: 5, Kind: "reload-started", Actor: "signal HUP"}}
	if e := l.until("events"); !strings.Contains(e.data, `"kind":"reload-started"`) {
		t.Errorf("what happened: %s", e.data)
	}
	status := l.until("status")
	if strings.Contains(status.data, "secret") || strings.Contains(status.data, "reset") {
		t.Errorf("the stream tells %s", status.data)
	}
	var st shownStatus
	if err := json.Unmarshal([]byte(status.data), &st); err != nil || len(st.Workers) != 2 || *st.Workers[0].Memory != 14<<20 || st.Workers[1].Requests != nil {
		t.Errorf("%v: %s", err, status.data)
	}
	if want := []shownRequest{{"GET", "", 7, 3}, {"GET", "/posts/{id}/", 7, 1}}; !reflect.DeepEqual(st.Requests, want) {
		t.Errorf("requests in flight: %+v", st.Requests)
	}
	s.end()
	if e := l.until("end"); e.data != `"stop"` {
		t.Errorf("at the end: %s", e.data)
	}
	if _, err := l.next(); err != io.EOF {
		t.Errorf("the stream does not end as it should: %v", err)
	}
}

func TestStreamsThatAreRefused(t *testing.T) {
	s := serveWith(t, "127.0.0.1:0", func(server *Server) { recorded(t, server) })
	for path, want := range map[string]string{"/live?rate=0": "rate=", "/live?rate=11": "from 1 to 10", "/live?rate=x": "rate="} {
		if resp, got := s.do(t, "GET", path, nil); resp.StatusCode != 400 || !strings.Contains(got, want) {
			t.Errorf("%s: %d %s", path, resp.StatusCode, got)
		}
	}
	if resp, _ := s.do(t, "HEAD", "/live", nil); resp.StatusCode != 200 {
		t.Errorf("HEAD: %d", resp.StatusCode)
	}
	if resp, _ := s.do(t, "POST", "/live", strings.NewReader("x")); resp.StatusCode != 405 {
		t.Errorf("POST: %d", resp.StatusCode)
	}
	without := serve(t, "127.0.0.1:0")
	if _, got := without.do(t, "GET", "/live", nil); !strings.Contains(got, `"none"`) {
		t.Errorf("without a history: %s", got)
	}
}

// The streams that there may be leave room for probes; the one too many is told so.
func TestStreamsAreBounded(t *testing.T) {
	s := serveWith(t, "127.0.0.1:0", func(server *Server) { recorded(t, server) })
	all := make([]*listener, maxStreams)
	for i := range all {
		all[i] = s.listen(t, "/live")
		all[i].until("hour")
	}
	_, got := s.do(t, "GET", "/live", nil)
	if !strings.Contains(got, `"full"`) || !strings.Contains(got, fmt.Sprintf("retry: %d", retryFull)) {
		t.Errorf("one more: %s", got)
	}
	for range 3 {
		if resp, _ := s.do(t, "GET", "/livez", nil); resp.StatusCode != 200 {
			t.Errorf("a probe beside them: %d", resp.StatusCode)
		}
	}
	all[0].resp.Body.Close()
	for { // its place is free when the server has seen it go
		l := s.listen(t, "/live")
		if e, err := l.next(); err != nil {
			t.Fatal(err)
		} else if e.name == "hour" {
			return
		}
	}
}

// An upgrade ends the streams first; if nothing comes of it there are new ones.
func TestStreamsAndAnUpgrade(t *testing.T) {
	s := serveWith(t, "127.0.0.1:0", func(server *Server) { recorded(t, server) })
	l := s.listen(t, "/live")
	l.until("status")
	s.Pause(t.Context())
	if e := l.until("end"); e.data != `"upgrade"` {
		t.Errorf("it ends with %s", e.data)
	}
	if _, err := l.next(); err != io.EOF {
		t.Errorf("after the end: %v", err)
	}
	if _, got := s.do(t, "GET", "/live", nil); !strings.Contains(got, `"upgrade"`) {
		t.Errorf("meanwhile: %s", got)
	}
	if resp, _ := s.do(t, "GET", "/readyz", nil); resp.StatusCode != 200 {
		t.Errorf("a probe meanwhile: %d", resp.StatusCode)
	}
	s.Resume()
	s.listen(t, "/live").until("hour")
}

// Who does not read is let go: by the time that a write may take, and sooner when all
// streams are to end, also when that was in the middle of a write.
func TestAReaderThatDoesNotRead(t *testing.T) {
	for name, c := range map[string]struct{ end, want time.Duration }{
		"for long":  {time.Minute, takeTimeout},
		"at an end": {3 * time.Second, 3*time.Second + endTake},
		"after it":  {0, endTake},
	} {
		synctest.Test(t, func(t *testing.T) {
			here, there := net.Pipe()
			defer there.Close()
			out := newStream(&deadWriter{httptest.NewRecorder(), here})
			var all streams
			_, done, _ := all.begin(out)
			began := time.Now()
			timer := time.AfterFunc(c.end, func() { all.end(endUpgrade) })
			defer timer.Stop()
			if c.end == 0 {
				synctest.Wait()
			}
			out.event("tick", []byte("1"))
			if err := out.flush(); err == nil {
				t.Errorf("%s: it was written to nobody", name)
			}
			done()
			if took := time.Since(began); took != c.want {
				t.Errorf("%s: given up after %v", name, took)
			}
		})
	}
}

// A stopped browser does not hold up an upgrade: its connection is full, and it is
// let go before the bound of the others.
func TestAnUpgradeDoesNotWaitForAReader(t *testing.T) {
	events := make(happening)
	s := serveWith(t, "127.0.0.1:0", func(server *Server) {
		recorded(t, server)
		server.Events = events
	})
	conn, err := net.Dial("tcp", s.Addr().Address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.(*net.TCPConn).SetReadBuffer(4 << 10); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, "GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	events <- []Event{{Kind: "state", Cause: strings.Repeat("x", 6<<20)}} // more than the buffers hold
	ctx, cancel := context.WithTimeout(t.Context(), takeTimeout-time.Second)
	defer cancel()
	s.Pause(ctx)
	if ctx.Err() != nil {
		t.Error("it was waited for")
	}
}

// deadWriter writes to a connection that nobody reads.
type deadWriter struct {
	*httptest.ResponseRecorder
	conn net.Conn
}

func (w *deadWriter) Write(p []byte) (int, error) { return w.conn.Write(p) }
func (w *deadWriter) SetWriteDeadline(deadline time.Time) error {
	return w.conn.SetWriteDeadline(deadline)
}
