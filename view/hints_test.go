package view_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-go/tandem/bridge"
	"github.com/tandem-go/tandem/view"
)

const style = "</style.css>; rel=preload; as=style"

// line is a connection's writer that notes each header with its status.
type line struct {
	httptest.ResponseRecorder
	sent  []string
	while func(code int) // called before
}

func (l *line) WriteHeader(code int) {
	if l.while != nil {
		l.while(code)
	}
	h := maps.Clone(l.Header())
	delete(h, "Content-Length") // which net/http leaves out of interim ones
	l.sent = append(l.sent, fmt.Sprint(code, h))
	if code >= 200 {
		l.ResponseRecorder.WriteHeader(code)
	}
}

func (s *site) on(l *line, target string) {
	l.ResponseRecorder = *httptest.NewRecorder()
	s.ServeHTTP(l, httptest.NewRequest("GET", target, nil))
}

func TestEarlyHintsLeaveTheAnswersHeaderAlone(t *testing.T) {
	s := newSite(t, 1, []view.Route{view.Path("/", func(ctx context.Context, r *view.Request) (view.Response, error) {
		if err := errors.Join(r.EarlyHints(ctx), r.EarlyHints(ctx, style, "<https://a.example>; rel=preconnect")); err != nil {
			return nil, err
		}
		return view.WithHeader(view.Status(201), "X-View", "2"), nil
	})})
	s.Use(view.Use(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Native", "1")
			next.ServeHTTP(w, r)
		})
	}))
	var l line
	s.on(&l, "/")
	want := "[103 map[Link:[" + style + " <https://a.example>; rel=preconnect]] 201 map[X-Native:[1] X-View:[2]]]"
	if got := fmt.Sprint(l.sent); got != want {
		t.Errorf("sent %s, want %s", got, want)
	}
}

func TestSyncCodeHoldsNoPermitWhileItsHintsAreSent(t *testing.T) {
	s := newSite(t, 1, []view.Route{view.Path("/", func(r *view.Request) (view.Response, error) {
		return bridge.Await(r, func(ctx context.Context) (view.Response, error) { return view.Text("answer"), r.EarlyHints(ctx, style) })
	})})
	l := line{while: func(code int) {
		if held := s.limits.Blocking.Stats().InUse; held != 0 {
			t.Errorf("%d permits are held while %d is sent", held, code)
		}
	}}
	s.on(&l, "/")
	if len(l.sent) != 1 || l.Body.String() != "answer" {
		t.Errorf("sent %q and %q", l.sent, l.Body)
	}
}

func TestWhatIsNoLinkIsNotSent(t *testing.T) {
	var err error
	link := ""
	s := newSite(t, 1, []view.Route{view.Path("/", func(ctx context.Context, r *view.Request) (view.Response, error) {
		err = r.EarlyHints(ctx, style, link)
		return view.Status(204), nil
	})})
	for _, link = range []string{"", "/style.css", "<>; rel=preload", "</style.css; rel=preload", "</a>\r\nSet-Cookie: x", "</ä>", "</a>; title=\"\x7f\""} {
		var l line
		s.on(&l, "/")
		if err == nil || !strings.HasPrefix(err.Error(), "early hints: ") || len(l.sent) != 1 {
			t.Errorf("%q: %v, sent %q", link, err, l.sent)
		}
	}
}

// Whoever has outlived the view must not write into its answer.
func TestHintsThatAreLate(t *testing.T) {
	answered, told := make(chan struct{}), make(chan error, 1)
	s := newSite(t, 1, []view.Route{
		view.Path("/goes-on", func(_ context.Context, r *view.Request) (view.Response, error) {
			go func() {
				<-answered
				told <- r.EarlyHints(context.Background(), style)
			}()
			return view.Status(204), nil
		}),
		view.Path("/stream", func(ctx context.Context, r *view.Request) (view.Response, error) {
			return view.Stream(func(yield func([]byte, error) bool) {
				told <- r.EarlyHints(ctx, style)
				yield([]byte("x"), nil)
			}), nil
		}),
		view.Path("/cancelled", func(ctx context.Context, r *view.Request) (view.Response, error) {
			ctx, cancel := context.WithCancelCause(ctx)
			cancel(errors.New("enough"))
			told <- r.EarlyHints(ctx, style)
			return view.Status(204), nil
		}),
	})
	for target, want := range map[string]string{
		"/goes-on": "early hints: the request has been answered", "/stream": "early hints: the request has been answered", "/cancelled": "early hints: enough",
	} {
		var l line
		s.on(&l, target)
		if target == "/goes-on" {
			close(answered)
		}
		if err := <-told; err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", target, err, want)
		}
		if strings.Contains(fmt.Sprint(l.sent), "103") {
			t.Errorf("%s: sent %q", target, l.sent)
		}
	}
}

// Sync code that was abandoned at its request's deadline awaits with a ctx that
// has ended, and could not reach the answer with another one either.
func TestAbandonedCodeSendsNoHints(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		told := make(chan error, 1)
		s := newSite(t, 1, []view.Route{view.Path("/", func(r *view.Request) (view.Response, error) {
			time.Sleep(time.Minute)
			told <- r.EarlyHints(context.Background(), style)
			return view.Status(204), nil
		}, view.Deadline(time.Second))})
		var l line
		s.on(&l, "/")
		if err := <-told; err == nil || len(l.sent) != 1 || !strings.HasPrefix(l.sent[0], "504") {
			t.Errorf("%v, sent %q", err, l.sent)
		}
		synctest.Wait() // the permit is back
	})
}
