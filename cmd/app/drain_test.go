package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"github.com/tandem-go/tandem/worker"
)

// startWorker runs h as a worker and returns its address, what makes it drain, and what waits for its end.
func startWorker(t *testing.T, h http.Handler, opts ...worker.Option) (addr string, drain func(), ended func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	addrs, result := make(chan string, 1), make(chan error, 1)
	go func() {
		result <- worker.Run(ctx, h, append(opts, worker.Addr("127.0.0.1:0"), worker.Linger(0), worker.Logger(slog.New(slog.DiscardHandler)),
			worker.ConfigureServer(func(s *http.Server) {
				s.BaseContext = func(l net.Listener) context.Context {
					addrs <- l.Addr().String()
					return context.WithoutCancel(ctx)
				}
			}))...)
	}()
	select {
	case addr = <-addrs:
	case err := <-result:
		t.Fatalf("the worker ended: %v", err)
	}
	return addr, cancel, func() error { return <-result }
}

func TestEventsEndWithTheWorker(t *testing.T) {
	addr, drain, ended := startWorker(t, newSite(newSettings(), nil, nil).app)
	req, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+addr+"/events/", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Last-Event-ID", "41")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if got := resp.Header.Get("Content-Type"); got != "text/event-stream" {
		t.Errorf("content type %q", got)
	}
	if resp.Header.Get("X-Elapsed-Ms") == "" {
		t.Error("no X-Elapsed-Ms")
	}
	lines := bufio.NewScanner(resp.Body)
	var got []string
	for lines.Scan() { // to the end of the response: an unfinished one is an error
		got = append(got, lines.Text())
		if lines.Text() == "id: 43" { // the first came at once, this one a second later
			drain()
		}
	}
	if err := lines.Err(); err != nil {
		t.Errorf("the stream was cut: %v", err)
	}
	want := regexp.MustCompile(`^id: 42\|data: {"event":42,"worker":0}\|\|id: 43\|data: {"event":43,"worker":0}\|\|retry: [1-3][0-9]{3}\|$`)
	if !want.MatchString(strings.Join(got, "|")) {
		t.Errorf("got %q", got)
	}
	if err := ended(); err != nil {
		t.Errorf("the worker ended with %v", err)
	}
}

func TestWebSocketIsClosedWhenTheWorkerDrains(t *testing.T) {
	addr, drain, ended := startWorker(t, newSite(newSettings(), nil, nil).app)
	conn, resp, err := websocket.Dial(t.Context(), "ws://"+addr+"/ws/echo/", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	_ = resp
	echoOnce(t, conn, websocket.MessageText, []byte("before"))
	drain()
	_, _, err = conn.Read(t.Context())
	if got := websocket.CloseStatus(err); got != websocket.StatusServiceRestart {
		t.Errorf("closed with %v (%v), want %v", got, err, websocket.StatusServiceRestart)
	}
	if err := ended(); err != nil {
		t.Errorf("the worker ended with %v", err)
	}
}

func TestWebSocketEcho(t *testing.T) {
	server := startSite(t, newSettings())
	dial := func(t *testing.T, compression websocket.CompressionMode) *websocket.Conn {
		t.Helper()
		conn, resp, err := websocket.Dial(t.Context(), "ws"+strings.TrimPrefix(server.URL, "http")+"/ws/echo/",
			&websocket.DialOptions{CompressionMode: compression})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.CloseNow() })
		if resp.Header.Get("X-Elapsed-Ms") == "" {
			t.Error("no X-Elapsed-Ms in the answer to the handshake")
		}
		conn.SetReadLimit(-1)
		return conn
	}
	large := bytes.Repeat([]byte("0123456789abcdef"), 1<<20) // 16 MiB, the limit
	for _, compression := range []websocket.CompressionMode{websocket.CompressionDisabled, websocket.CompressionContextTakeover} {
		conn := dial(t, compression)
		echoOnce(t, conn, websocket.MessageText, []byte("zwei Räder"))
		echoOnce(t, conn, websocket.MessageBinary, []byte{0xff, 0, 0xfe})
		echoOnce(t, conn, websocket.MessageText, nil)
		echoOnce(t, conn, websocket.MessageBinary, large)
		if err := conn.Close(websocket.StatusNormalClosure, ""); err != nil {
			t.Errorf("close: %v", err)
		}
	}
	tests := map[string]struct {
		kind    websocket.MessageType
		message []byte
		want    websocket.StatusCode
	}{
		"text that is not UTF-8": {websocket.MessageText, []byte{'a', 0xff}, websocket.StatusInvalidFramePayloadData},
		"too large":              {websocket.MessageBinary, append(large, 0), websocket.StatusMessageTooBig},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			conn := dial(t, websocket.CompressionContextTakeover)
			if err := conn.Write(t.Context(), test.kind, test.message); err != nil {
				t.Fatal(err)
			}
			_, _, err := conn.Read(t.Context())
			if got := websocket.CloseStatus(err); got != test.want {
				t.Errorf("closed with %v (%v), want %v", got, err, test.want)
			}
		})
	}
}

func TestWebSocketOfAnotherSiteIsRefused(t *testing.T) {
	server := startSite(t, newSettings())
	_, resp, err := websocket.Dial(t.Context(), "ws"+strings.TrimPrefix(server.URL, "http")+"/ws/echo/",
		&websocket.DialOptions{HTTPHeader: http.Header{"Origin": {"http://elsewhere.test"}}})
	if err == nil || resp == nil || resp.StatusCode != http.StatusForbidden {
		t.Errorf("got %v, %v", resp, err)
	}
}

func echoOnce(t *testing.T, conn *websocket.Conn, kind websocket.MessageType, message []byte) {
	t.Helper()
	written := make(chan error, 1)
	go func() { written <- conn.Write(t.Context(), kind, message) }()
	gotKind, got, err := conn.Read(t.Context())
	if err := errors.Join(err, <-written); err != nil {
		t.Fatalf("%v of %d bytes: %v", kind, len(message), err)
	}
	if gotKind != kind || !bytes.Equal(got, message) {
		t.Fatalf("%v of %d bytes came back as %v of %d", kind, len(message), gotKind, len(got))
	}
}
