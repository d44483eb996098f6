package view_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/tandem-go/tandem/bridge"
	"github.com/tandem-go/tandem/view"
)

// wire is a server on a real connection and a client of the same protocol, whose
// requests end with their context.
type wire struct {
	*httptest.Server
	permits  *bridge.Limiter
	outcomes chan view.Outcome
}

func newWire(t *testing.T, h2 bool, routes []view.Route, opts ...view.Option) *wire {
	t.Helper()
	w := &wire{permits: bridge.NewLimiter(1), outcomes: make(chan view.Outcome, 8)}
	app := view.New(append([]view.Option{
		view.Limits(bridge.Limits{Blocking: w.permits}), view.Logger(slog.New(slog.DiscardHandler)),
		view.Observe(func(_ *view.Request, o view.Outcome) { w.outcomes <- o }),
	}, opts...)...)
	app.Routes(routes...)
	w.Server = httptest.NewUnstartedServer(app)
	protocols := new(http.Protocols)
	protocols.SetHTTP1(!h2)
	protocols.SetUnencryptedHTTP2(h2)
	w.Config.Protocols = protocols
	w.Start()
	w.Client().Transport.(*http.Transport).Protocols = protocols
	t.Cleanup(w.Close)
	return w
}

// send sends a request and returns what makes its client leave, and waits until it
// has.
func (w *wire) send(t *testing.T, path, body string) (leave func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var sent io.Reader
	if body != "" {
		sent = strings.NewReader(body)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, w.URL+path, sent)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if resp, err := w.Client().Do(r); err == nil {
			_ = resp.Body.Close()
			t.Errorf("it was answered: %s %d", resp.Proto, resp.StatusCode)
		} else if !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}()
	return func() { cancel(); <-done }
}

// leavers runs a test with both protocols, in both profiles, with a body and
// without, and with a deadline that is far off.
func leavers(t *testing.T, f func(t *testing.T, h2 bool, body string, opts ...view.Option)) {
	for protocol, h2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		for profile, opts := range profiles {
			for size, body := range map[string]string{"no body": "", "a body": "body"} {
				t.Run(protocol+"/"+profile+"/"+size, func(t *testing.T) { f(t, h2, body, opts...) })
			}
		}
		t.Run(protocol+"/deadline", func(t *testing.T) { f(t, h2, "body", view.DefaultDeadline(time.Hour)) })
	}
}

func TestAnAsyncViewsContextEndsWhenItsClientLeaves(t *testing.T) {
	leavers(t, func(t *testing.T, h2 bool, body string, opts ...view.Option) {
		begun, told := make(chan struct{}), make(chan error, 1)
		w := newWire(t, h2, []view.Route{view.Path("/", func(ctx context.Context, r *view.Request) (view.Response, error) {
			if got, err := io.ReadAll(r.Body()); string(got) != body || err != nil {
				t.Errorf("body %q, %v", got, err)
			}
			close(begun)
			<-ctx.Done()
			told <- ctx.Err()
			return nil, ctx.Err()
		})}, opts...)
		leave := w.send(t, "/", body)
		<-begun
		leave()
		if err := <-told; err != context.Canceled {
			t.Errorf("ctx ended with %v", err)
		}
		if o := <-w.outcomes; o.Status != view.StatusClientGone {
			t.Errorf("outcome %+v, want 499", o)
		}
	})
}

func TestASyncViewRunsToItsEndWhenItsClientLeaves(t *testing.T) {
	leavers(t, func(t *testing.T, h2 bool, body string, opts ...view.Option) {
		begun, gone, end, ended := make(chan struct{}), make(chan struct{}), make(chan struct{}), make(chan struct{})
		w := newWire(t, h2, []view.Route{view.Path("/", func(r *view.Request) (view.Response, error) {
			close(begun)
			_, err := bridge.Await(r, func(ctx context.Context) (int, error) { <-ctx.Done(); return 0, ctx.Err() })
			if err != context.Canceled {
				t.Errorf("what it awaits ended with %v", err)
			}
			close(gone)
			<-end
			if got, err := io.ReadAll(r.Body()); string(got) != body || err != nil {
				t.Errorf("body %q, %v", got, err)
			}
			close(ended)
			return view.Text("dropped"), nil
		})}, opts...)
		leave := w.send(t, "/", body)
		<-begun
		leave()
		<-gone
		if st := w.permits.Stats(); st.InUse != 1 || st.Abandoned != 0 {
			t.Errorf("%+v, want its permit held and nothing abandoned", st)
		}
		close(end)
		<-ended
		if o := <-w.outcomes; o.Err != nil || o.Status != http.StatusOK {
			t.Errorf("outcome %+v, want an answer that is written and received by nobody", o)
		}
		if st := w.permits.Stats(); st.InUse != 0 || st.AbandonedTotal != 0 {
			t.Errorf("%+v", st)
		}
	})
}

func TestWorkThatIsQueuedIsDroppedWhenItsClientLeaves(t *testing.T) {
	leavers(t, func(t *testing.T, h2 bool, body string, opts ...view.Option) {
		begun, end := make(chan struct{}), make(chan struct{})
		w := newWire(t, h2, []view.Route{
			view.Path("/hog", func(*view.Request) (view.Response, error) { close(begun); <-end; return view.NoContent(), nil }),
			view.Path("/", func(*view.Request) (view.Response, error) { t.Error("it began"); return nil, nil }),
		}, opts...)
		done := make(chan struct{})
		go func() {
			defer close(done)
			resp, err := w.Client().Get(w.URL + "/hog")
			if err != nil || resp.StatusCode != http.StatusNoContent || resp.ProtoMajor != map[bool]int{false: 1, true: 2}[h2] {
				t.Errorf("the one that held the permit: %v, %v", resp, err)
			} else {
				_ = resp.Body.Close()
			}
		}()
		<-begun
		leave := w.send(t, "/", body)
		for w.permits.Stats().Queued == 0 { // no event says so
			runtime.Gosched()
		}
		leave()
		if o := <-w.outcomes; o.Status != view.StatusClientGone {
			t.Errorf("outcome %+v, want 499", o)
		}
		if st := w.permits.Stats(); st.InUse != 1 || st.Queued != 0 || st.Rejected != 0 {
			t.Errorf("%+v", st)
		}
		close(end)
		<-done
	})
}

// The connection goes on while the sync code that was left behind uses all that a
// request has.
func TestTheConnectionOfAnAbandonedViewServesTheNextRequest(t *testing.T) {
	for protocol, h2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		t.Run(protocol, func(t *testing.T) {
			answered, read := make(chan struct{}), make(chan string, 1)
			w := newWire(t, h2, []view.Route{
				view.Path("/late", func(r *view.Request) (view.Response, error) {
					for i := 0; ; i++ {
						select {
						case <-answered:
							body, _ := io.ReadAll(r.Body())
							read <- string(body) + r.ID() + r.FormValue("q")
							return view.Text("nobody's"), nil
						default:
							r.Header().Set("X-Late", "changed")
							r.LastHeader(func(h http.Header) { h.Set("X-Late", "changed") })
						}
					}
				}, view.Deadline(time.Second)),
				view.Path("/next", func(context.Context, *view.Request) (view.Response, error) { return view.Text("next"), nil }),
			})
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.URL+"/late?q=query", strings.NewReader("body"))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("X-Request-Id", "late")
			for _, want := range []struct {
				r      *http.Request
				status int
			}{{r, http.StatusGatewayTimeout}, {httptest.NewRequest("GET", w.URL+"/next", nil), http.StatusOK}} {
				want.r.RequestURI = ""
				resp, err := w.Client().Do(want.r)
				if err != nil {
					t.Fatal(err)
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
				if resp.StatusCode != want.status {
					t.Errorf("%s: %d, want %d", want.r.URL.Path, resp.StatusCode, want.status)
				}
			}
			close(answered)
			if got := <-read; got != "bodylatequery" {
				t.Errorf("it read %q", got)
			}
			if err := w.permits.WaitAbandoned(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// net/http removes the files of a form that it knows of when the answer is out.
func TestAFormThatWasReadBeforeTheSyncCodeIsThatCodesWhenItIsAbandoned(t *testing.T) {
	answered, read := make(chan struct{}), make(chan error, 1)
	w := newWire(t, false, []view.Route{view.Path("/", func(r *view.Request) (view.Response, error) {
		<-answered
		_, header, err := r.FormFile("file")
		if err == nil && header.Size != 2<<20 {
			err = fmt.Errorf("it has %d bytes", header.Size)
		}
		read <- err
		return view.NoContent(), err
	}, view.Deadline(time.Second), view.With(view.Use(func(next view.AsyncView) view.AsyncView {
		return func(ctx context.Context, r *view.Request) (view.Response, error) {
			if _, err := r.Form(); err != nil {
				t.Error(err)
			}
			return next(ctx, r)
		}
	})))})
	var form bytes.Buffer
	mw := multipart.NewWriter(&form)
	part, err := mw.CreateFormFile("file", "large")
	if err != nil {
		t.Fatal(err)
	}
	_, _ = part.Write(make([]byte, 2<<20))
	_ = mw.Close()
	resp, err := w.Client().Post(w.URL, mw.FormDataContentType(), &form)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusGatewayTimeout {
		t.Fatalf("%d", resp.StatusCode)
	}
	w.Close() // which waits for the server's own end of the request
	close(answered)
	if err := <-read; err != nil {
		t.Error(err)
	}
	if err := w.permits.WaitAbandoned(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestABodyThatIsNotThereAtTheDeadlineIsA408(t *testing.T) {
	routes := []view.Route{view.Path("/", func(*view.Request) (view.Response, error) { t.Error("it began"); return nil, nil }, view.Deadline(20*time.Millisecond))}
	t.Run("HTTP/1.1", func(t *testing.T) {
		app := view.New(view.Logger(slog.New(slog.DiscardHandler)))
		app.Routes(routes...)
		_, r := dial(t, app, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nbody")
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusRequestTimeout || !resp.Close {
			t.Errorf("%d, close %v", resp.StatusCode, resp.Close)
		}
	})
	t.Run("HTTP/2", func(t *testing.T) {
		w := newWire(t, true, routes)
		body, never := io.Pipe()
		defer never.Close()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.URL, body)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := w.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusRequestTimeout {
			t.Errorf("%d", resp.StatusCode)
		}
	})
}

// The bound on reading the body must not outlast it.
func TestTheDeadlineOfReadingTheBodyEndsWithTheBody(t *testing.T) {
	app := view.New(view.Logger(slog.New(slog.DiscardHandler)))
	app.Routes(view.Path("/", func(r *view.Request) (view.Response, error) {
		_, err := bridge.Await(r, func(ctx context.Context) (int, error) { <-ctx.Done(); return 0, nil })
		return view.Text("late"), err
	}, view.Deadline(time.Second)))
	conn, r := dial(t, app, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody")
	for range 2 {
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		if body, err := io.ReadAll(resp.Body); string(body) != "late" || err != nil {
			t.Errorf("%d %q, %v", resp.StatusCode, body, err)
		}
		_ = resp.Body.Close()
		if _, err := io.WriteString(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody"); err != nil {
			t.Fatal(err)
		}
	}
}
