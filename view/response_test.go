package view_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-go/tandem/view"
)

// settle lets a bubble's clock run until CPU limiters have let their threads go.
func settle() { time.Sleep(time.Minute) }

// answering makes a route of a response.
func answering(pattern string, resp view.Response) view.Route {
	return view.Path(pattern, func(context.Context, *view.Request) (view.Response, error) { return resp, nil })
}

func TestResponses(t *testing.T) {
	for _, c := range []struct {
		name   string
		resp   view.Response
		status int
		body   string
		header string // one that must be there
	}{
		{"json", view.JSON(map[string]int{"a": 1}), 200, `{"a":1}`, "Content-Type: application/json"},
		{"text", view.Text("hi"), 200, "hi", "Content-Type: text/plain; charset=utf-8"},
		{"html", view.HTML("<p>hi"), 200, "<p>hi", "Content-Type: text/html; charset=utf-8"},
		{"bytes", view.Bytes("image/png", []byte("png")), 200, "png", "Content-Type: image/png"},
		{"bytes of no type", view.Bytes("", []byte("x")), 200, "x", "Content-Type: application/octet-stream"},
		{"status", view.Status(202), 202, "", ""},
		{"no content", view.NoContent(), 204, "", ""},
		{"redirect", view.Redirect("/there", 303), 303, "<a href=\"/there\">See Other</a>.\n\n", "Location: /there"},
		{"json with status", view.WithStatus(view.JSON(1), 201), 201, "1", "Content-Type: application/json"},
		{"text with status", view.WithStatus(view.Text("made"), 201), 201, "made", ""},
		{"header", view.WithHeader(view.Text("x"), "x-custom", "v"), 200, "x", "X-Custom: v"},
		{"header wins", view.WithHeader(view.JSON(1), "Content-Type", "application/problem+json"), 200, "1", "Content-Type: application/problem+json"},
		{"header under status under header", view.WithHeader(view.WithStatus(view.WithHeader(view.Text("x"), "A", "1"), 418), "B", "2"), 418, "x", "A: 1"},
		{"long", view.Text(strings.Repeat("x", 5000)), 200, strings.Repeat("x", 5000), "Content-Length: 5000"},
		{"handler", view.HTTP(http.NotFoundHandler()), 404, "404 page not found\n", ""},
		{"handler with status", view.WithStatus(view.HTTP(http.HandlerFunc(plainView)), 201), 201, "plain", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSite(t, 1, []view.Route{answering("/", c.resp)})
			for range 2 { // a response may be used again
				w := s.get("/")
				expect(t, w, c.status, c.body)
				if k, v, ok := strings.Cut(c.header, ": "); ok && w.Header().Get(k) != v {
					t.Errorf("header %v, want %s", w.Header(), c.header)
				}
			}
		})
	}
}

func TestAStatusIsThatOfAnAnswerWithoutABodyToo(t *testing.T) {
	for name, resp := range map[string]view.Response{
		"empty text under a header": view.WithHeader(view.Text(""), "X", "y"),
		"empty stream":              view.Stream(func(func([]byte, error) bool) {}),
		"silent handler":            view.HTTP(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})),
	} {
		s := newSite(t, 1, []view.Route{view.Path("/", func(context.Context, *view.Request) (view.Response, error) {
			return view.WithStatus(resp, http.StatusCreated), nil
		})})
		if w := s.get("/"); w.Code != http.StatusCreated || w.Body.Len() != 0 {
			t.Errorf("%s: %d %q", name, w.Code, w.Body)
		}
	}
}

func TestNilStaysNilUnderHeadersAndStatuses(t *testing.T) {
	if view.WithHeader(nil, "A", "b") != nil || view.WithStatus(nil, 201) != nil {
		t.Error("not nil")
	}
}

func TestAResponseMayBeSharedByManyRequests(t *testing.T) {
	shared := view.WithHeader(view.JSON([]int{1, 2}), "A", "b")
	s := newSite(t, 1, []view.Route{answering("/", shared)})
	s.Use(view.Use(timing))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			w := s.get("/")
			w.Header().Add("A", "c")
			expect(t, w, 200, "[1,2]")
		})
	}
	wg.Wait()
	if got := s.get("/").Header()["A"]; fmt.Sprint(got) != "[b]" {
		t.Errorf("A: %v: one request's header reached another's", got)
	}
}

func TestWhatCannotBeEncodedIsA500(t *testing.T) {
	s := newSite(t, 1, []view.Route{answering("/", view.JSON(map[string]any{"f": func() {}}))})
	w := s.get("/")
	expectError(t, w, 500, "Internal Server Error")
	if r := s.log.only(t); !hasAll(r["error"].(string), "encode response", "map[string]interface {}") {
		t.Errorf("log %v", r)
	}
	// The encoder that failed is not the worse for it.
	s = newSite(t, 1, []view.Route{answering("/", view.JSON("ok"))})
	expect(t, s.get("/"), 200, `"ok"`)
}

func TestTheResponseIsWrittenAfterThePermitIsBack(t *testing.T) {
	var s *site
	s = newSite(t, 1, []view.Route{view.Path("/", func(*view.Request) (view.Response, error) {
		if s.limits.Blocking.Stats().InUse != 1 {
			t.Error("the view runs without a permit")
		}
		return view.HTTP(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = fmt.Fprint(w, s.limits.Blocking.Stats().InUse)
		})), nil
	})})
	expect(t, s.get("/"), 200, "0")
}

func chunks(parts ...string) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for _, p := range parts {
			var err error
			if strings.HasPrefix(p, "error") {
				err = errors.New(p)
			}
			if !yield([]byte(p), err) {
				return
			}
		}
	}
}

func TestStreamFlushesEachChunkBeforeItAsksForTheNext(t *testing.T) {
	read := make(chan struct{})
	s := newSite(t, 1, []view.Route{answering("/", view.Stream(func(yield func([]byte, error) bool) {
		for i := range 3 {
			if !yield(fmt.Appendf(nil, "line %d\n", i), nil) {
				return
			}
			<-read // the client has it
		}
	}))})
	srv := httptest.NewServer(s)
	defer srv.Close()
	resp, err := srv.Client().Get(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	for i := range 3 {
		if !lines.Scan() || lines.Text() != fmt.Sprint("line ", i) {
			t.Fatalf("line %d: %q, %v", i, lines.Text(), lines.Err())
		}
		read <- struct{}{}
	}
	if lines.Scan() {
		t.Errorf("one more line: %q", lines.Text())
	}
}

func TestAStreamThatFailsIsAnErrorBeforeItsFirstChunkAndCutAfterIt(t *testing.T) {
	s := newSite(t, 1, []view.Route{
		answering("/before", view.Stream(chunks("error early"))),
		answering("/after", view.Stream(chunks("some", "error late"))),
	})
	srv := httptest.NewServer(s)
	defer srv.Close()
	get := func(path string) (int, string, error) {
		resp, err := srv.Client().Get(srv.URL + path)
		if err != nil {
			return 0, "", err
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		return resp.StatusCode, string(b), err
	}
	if status, body, err := get("/before"); status != 500 || !strings.Contains(body, "Internal Server Error") || err != nil {
		t.Errorf("before: %d %q %v", status, body, err)
	}
	if status, body, err := get("/after"); status != 200 || body != "some" || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("after: %d %q %v, want a body that is seen to be cut", status, body, err)
	}
	for _, r := range s.log.records(t) {
		if !hasAll(r["error"].(string), "stream response", "error ") {
			t.Errorf("log %v", r)
		}
	}
}

func TestAStreamStopsWhenItsClientLeaves(t *testing.T) {
	stopped := make(chan struct{})
	s := newSite(t, 1, []view.Route{answering("/", view.Stream(func(yield func([]byte, error) bool) {
		defer close(stopped)
		for yield([]byte("more"), nil) {
		}
	}))})
	srv := httptest.NewServer(s)
	defer srv.Close()
	resp, err := srv.Client().Get(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	<-stopped
}

func TestPlainHandlersStreamHijackAndControlTheirConnection(t *testing.T) {
	s := newSite(t, 1, []view.Route{
		view.Path("/flush", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "a")
			w.(http.Flusher).Flush()
			_, _ = w.(io.ReaderFrom).ReadFrom(strings.NewReader("b"))
			if err := http.NewResponseController(w).Flush(); err != nil {
				t.Error(err)
			}
			if err := http.NewResponseController(w).SetWriteDeadline(time.Time{}); err != nil {
				t.Error(err)
			}
		}),
		view.Path("/hijack", func(w http.ResponseWriter, _ *http.Request) {
			conn, rw, err := w.(http.Hijacker).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = rw.WriteString("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nraw")
			_ = rw.Flush()
			_ = conn.Close()
		}),
		view.Path("/late-panic", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "half")
			w.(http.Flusher).Flush()
			panic("too late for a 500")
		}),
	})
	s.Use(view.Use(timing))
	srv := httptest.NewServer(s)
	defer srv.Close()
	for path, want := range map[string]string{"/flush": "ab", "/hijack": "raw", "/late-panic": "half"} {
		resp, err := srv.Client().Get(srv.URL + path)
		if err != nil {
			t.Error(err)
			continue
		}
		b, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if string(b) != want || (err != nil) != (path == "/late-panic") {
			t.Errorf("%s: %q, %v", path, b, err)
		}
	}
	if r := s.log.only(t); r["msg"] != "view panicked" {
		t.Errorf("log %v", r)
	}
}

func TestDeadlinesSetByMiddlewareReachTheViewAndBecome504(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limit := func(next view.AsyncView) view.AsyncView {
			return func(ctx context.Context, r *view.Request) (view.Response, error) {
				ctx, cancel := context.WithTimeout(ctx, time.Second)
				defer cancel()
				return next(ctx, r)
			}
		}
		s := newSite(t, 1, []view.Route{
			view.Path("/", func(ctx context.Context, _ *view.Request) (view.Response, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			}, view.With(view.Use(limit), view.Use(passSync))),
			// A plain handler is written after the middleware has returned: its
			// context is the request's, not the one that was cancelled behind it.
			view.Path("/plain", func(w http.ResponseWriter, r *http.Request) {
				_, _ = fmt.Fprint(w, r.Context().Err())
			}, view.With(view.Use(limit))),
		})
		expectError(t, s.get("/"), 504, "Gateway Timeout")
		expect(t, s.get("/plain"), 200, "<nil>")
	})
}
