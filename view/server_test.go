package view_test

import (
	"bufio"
	"context"
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
