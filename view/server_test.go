package view_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/tandem-go/tandem/bridge"
	"github.com/tandem-go/tandem/view"
)

// statuses is a log handler that hands over each failed request's status.
type statuses chan int64

func (s statuses) Enabled(context.Context, slog.Level) bool { return true }
func (s statuses) WithAttrs([]slog.Attr) slog.Handler       { return s }
func (s statuses) WithGroup(string) slog.Handler            { return s }
func (s statuses) Handle(_ context.Context, r slog.Record) error {
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "status" {
			s <- a.Value.Int64()
		}
		return a.Key != "status"
	})
	return nil
}

func TestOnARealConnectionQueuedWorkIsDroppedWhenItsClientLeaves(t *testing.T) {
	begun, end, logged := make(chan struct{}), make(chan struct{}), make(statuses, 1)
	l := bridge.NewLimiter(1)
	app := view.New(view.Limits(bridge.Limits{Blocking: l}), view.Logger(slog.New(logged)))
	arrived := make(chan struct{})
	app.Use(view.Use(func(next view.AsyncView) view.AsyncView {
		return func(ctx context.Context, r *view.Request) (view.Response, error) {
			if r.URL().Path == "/queued" {
				close(arrived)
			}
			return next(ctx, r)
		}
	}))
	app.Routes(
		view.Path("/slow", func(*view.Request) (view.Response, error) { close(begun); <-end; return view.NoContent(), nil }),
		view.Path("POST /queued", func(*view.Request) (view.Response, error) { t.Error("it began"); return nil, nil }),
	)
	srv := httptest.NewServer(app)
	defer srv.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		if resp, err := srv.Client().Get(srv.URL + "/slow"); err != nil || resp.StatusCode != http.StatusNoContent {
			t.Errorf("the one that held the permit: %v, %v", resp, err)
		}
	}()
	<-begun
	conn, err := net.Dial("tcp", srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(conn, "POST /queued HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody")
	<-arrived
	_ = conn.Close()
	if status := <-logged; status != view.StatusClientGone {
		t.Errorf("logged status %d, want 499", status)
	}
	if st := l.Stats(); st.InUse != 1 || st.Queued != 0 {
		t.Errorf("%+v", st)
	}
	close(end)
	<-done
}

// net/http takes a closed sending side for a client that has left. The answer is
// there already, so it goes out.
func TestAClientThatOnlyClosedItsSendingSideGetsItsAnswer(t *testing.T) {
	left := make(chan struct{}, 1)
	app := view.New()
	app.Routes(view.Path("/", func(ctx context.Context, _ *view.Request) (view.Response, error) {
		<-ctx.Done()
		left <- struct{}{}
		return view.Text("still here"), nil
	}))
	srv := httptest.NewServer(app)
	defer srv.Close()
	conn, err := net.Dial("tcp", srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	<-left
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); resp.StatusCode != 200 || string(body) != "still here" || err != nil {
		t.Errorf("%d %q, %v", resp.StatusCode, body, err)
	}
}

// dial sends a raw request to a server of app's.
func dial(t *testing.T, app http.Handler, request string) (*net.TCPConn, *bufio.Reader) {
	t.Helper()
	srv := httptest.NewServer(app)
	t.Cleanup(srv.Close)
	conn, err := net.Dial("tcp", srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	return conn.(*net.TCPConn), bufio.NewReader(conn)
}

// Whoever still reads must see that there should have been more.
func TestAStreamThatEndsWithItsContextIsCutAndNotFinished(t *testing.T) {
	app := view.New(view.Logger(slog.New(slog.DiscardHandler)))
	app.Routes(view.Path("/", func(ctx context.Context, _ *view.Request) (view.Response, error) {
		return view.Stream(func(yield func([]byte, error) bool) {
			if yield([]byte("half"), nil) {
				<-ctx.Done()
				yield(nil, ctx.Err())
			}
		}), nil
	}))
	conn, r := dial(t, app, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := conn.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if body, err := io.ReadAll(resp.Body); string(body) != "half" || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%q, %v: a body that was cut looks whole", body, err)
	}
}

func TestAStreamWithoutEndAnswersHEADAndLetsTheNextRequestIn(t *testing.T) {
	app, ended := view.New(), make(chan struct{})
	app.Routes(
		view.Path("GET /events", func(_ context.Context, _ *view.Request) (view.Response, error) {
			return view.Stream(func(yield func([]byte, error) bool) {
				defer close(ended)
				if yield([]byte("event"), nil) {
					t.Error("a HEAD request asked for a second chunk")
				}
			}), nil
		}),
		view.Path("GET /next", func(context.Context, *view.Request) (view.Response, error) { return view.Text("next"), nil }),
	)
	_, r := dial(t, app, "HEAD /events HTTP/1.1\r\nHost: x\r\n\r\nGET /next HTTP/1.1\r\nHost: x\r\n\r\n")
	<-ended
	head, err := http.ReadResponse(r, &http.Request{Method: http.MethodHead})
	if err != nil {
		t.Fatal(err)
	}
	_ = head.Body.Close()
	if head.StatusCode != http.StatusOK || head.Header.Get("Content-Type") == "" {
		t.Errorf("%d %v", head.StatusCode, head.Header)
	}
	next, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer next.Body.Close()
	if body, err := io.ReadAll(next.Body); string(body) != "next" || err != nil {
		t.Errorf("%q, %v", body, err)
	}
}

func TestABodyThatIsDeclaredTooLargeIsNotAskedFor(t *testing.T) {
	app := view.New(view.BodyLimit(10), view.Logger(slog.New(slog.DiscardHandler)))
	app.Routes(
		view.Path("/async", func(_ context.Context, r *view.Request) (view.Response, error) {
			_, err := io.ReadAll(r.Body())
			return view.NoContent(), err
		}),
		view.Path("/sync", func(*view.Request) (view.Response, error) { t.Error("it began"); return nil, nil }),
	)
	for _, path := range []string{"/async", "/sync"} {
		_, r := dial(t, app, "POST "+path+" HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 11\r\n\r\n")
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusRequestEntityTooLarge || !resp.Close {
			t.Errorf("%s: %d, close %v", path, resp.StatusCode, resp.Close)
		}
	}
}
