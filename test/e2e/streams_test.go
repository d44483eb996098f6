package e2e

import (
	"bufio"
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"github.com/tandem-go/tandem/test/harness"
)

// TestWebSocketOverAReload: the old worker says that the service restarts, and
// a new connection is served by the new one.
func TestWebSocketOverAReload(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	s, _ := serve(ctx, t, 2, harness.Config{})
	dial := func() *websocket.Conn {
		t.Helper()
		c, _, err := websocket.Dial(ctx, "ws://"+s.Addr+"/ws/echo/", nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.CloseNow() })
		return c
	}
	echo := func(c *websocket.Conn, text string) {
		t.Helper()
		if err := c.Write(ctx, websocket.MessageText, []byte(text)); err != nil {
			t.Fatal(err)
		}
		if kind, b, err := c.Read(ctx); err != nil || kind != websocket.MessageText || string(b) != text {
			t.Fatalf("sent %q, got %q, %v", text, b, err)
		}
	}
	old := dial()
	echo(old, "before")
	must(ctx, t, s, "reload", "--wait")
	_, b, err := old.Read(ctx)
	if code := websocket.CloseStatus(err); code != websocket.StatusServiceRestart {
		t.Errorf("want close %d, got %d: %q, %v", websocket.StatusServiceRestart, code, b, err)
	}
	echo(dial(), "after")
	ready(ctx, t, s, 2)
}

// TestEventsOverAReload: an endless answer ends well, so that the browser comes
// back by itself.
func TestEventsOverAReload(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	s, _ := serve(ctx, t, 1, harness.Config{})
	resp := openEvents(ctx, t, s)
	lines := bufio.NewScanner(resp.Body)
	if !lines.Scan() || !strings.HasPrefix(lines.Text(), "id: ") {
		t.Fatalf("first line %q, %v", lines.Text(), lines.Err())
	}
	must(ctx, t, s, "reload", "--wait")
	for lines.Scan() { // to the end, which is the last chunk and not a cut
	}
	if err := lines.Err(); err != nil {
		t.Errorf("the stream was cut: %v", err)
	}
	ready(ctx, t, s, 1)
}

func openEvents(ctx context.Context, t *testing.T, s *harness.Supervisor) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.Addr+"/events/", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	return resp
}
