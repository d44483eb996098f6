package view_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/tandem-go/tandem/view"
)

// asgiref's test_wsgi.py, and what else a plain handler that is sync must do.

// blocking is an app whose one route is a plain handler that is sync.
func blocking(t *testing.T, h http.HandlerFunc, opts ...view.Option) *site {
	return newSite(t, 1, []view.Route{view.Path("/", view.Blocking(h), view.Name("plain"))}, opts...)
}

func TestAsgirefBasicWSGI(t *testing.T) {
	inBothProfiles(t, func(t *testing.T, profile ...view.Option) {
		var s *site
		s = blocking(t, func(w http.ResponseWriter, r *http.Request) {
			if n := s.limits.Blocking.Stats().InUse; n != 1 {
				t.Errorf("%d permits in use while it runs", n)
			}
			w.Header().Set("X-Colour", "Blue")
			w.WriteHeader(http.StatusTeapot)
			_, _ = io.WriteString(w, "first chunk ")
			_, _ = io.WriteString(w, "second chunk")
		}, profile...)
		if plan := s.Plan()[0]; plan.Colour != view.Sync || plan.Name != "plain" || plan.Crossings != 1 {
			t.Errorf("%+v", plan)
		}
		c := connect(t, s.start())
		c.send("GET", "/", "", "")
		resp, body := c.answer()
		if resp.StatusCode != http.StatusTeapot || body != "first chunk second chunk" || resp.Header.Get("X-Colour") != "Blue" ||
			resp.Header.Get("Content-Length") != "24" || resp.Header.Get("Content-Type") != "text/plain; charset=utf-8" {
			t.Errorf("%d %v %q", resp.StatusCode, resp.Header, body)
		}
	})
}

func TestAsgirefWSGIEmptyBody(t *testing.T) {
	inBothProfiles(t, func(t *testing.T, profile ...view.Option) {
		for status, length := range map[int]string{200: "0", 204: "", 304: ""} {
			c := connect(t, blocking(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }, profile...).start())
			c.send("GET", "/", "", "")
			resp, body := c.answer()
			if resp.StatusCode != status || body != "" || resp.Header.Get("Content-Length") != length {
				t.Errorf("%d: %d %v %q", status, resp.StatusCode, resp.Header, body)
			}
		}
		w := blocking(t, func(http.ResponseWriter, *http.Request) {}, profile...).get("/")
		expect(t, w, 200, "")
	})
}

// A body that comes in several pieces is one body to the handler.
func TestAsgirefWSGIMultiBody(t *testing.T) {
	inBothProfiles(t, func(t *testing.T, profile ...view.Option) {
		s := blocking(t, func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			fmt.Fprintf(w, "%q %v", body, err)
		}, profile...)
		c := connect(t, s.start())
		c.send("POST", "/", "Transfer-Encoding: chunked\r\n", "6\r\nfirst \r\n6\r\nsecond\r\n0\r\n\r\n")
		if _, body := c.answer(); body != `"first second" <nil>` {
			t.Errorf("%s", body)
		}
	})
}

// Only the first status counts.
func TestAsgirefWSGIMultipleStartResponse(t *testing.T) {
	inBothProfiles(t, func(t *testing.T, profile ...view.Option) {
		s := blocking(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusEarlyHints) // which is none
			w.Header().Set("X-Status", "first")
			w.WriteHeader(http.StatusOK)
			w.Header().Set("X-Status", "second")
			w.WriteHeader(http.StatusInternalServerError)
			_, _ = io.WriteString(w, "body")
		}, profile...)
		w := s.get("/")
		expect(t, w, 200, "body")
		if got := w.Header().Get("X-Status"); got != "first" {
			t.Errorf("X-Status %q", got)
		}
	})
}

// The handler gets no more of the request than was declared.
func TestAsgirefWSGIClampedBody(t *testing.T) {
	inBothProfiles(t, func(t *testing.T, profile ...view.Option) {
		s := blocking(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "8")
			n, err := io.WriteString(w, "too much of it")
			if n != 8 || !errors.Is(err, http.ErrContentLength) {
				t.Errorf("wrote %d, %v", n, err)
			}
		}, profile...)
		c := connect(t, s.start())
		c.send("GET", "/", "", "")
		if resp, body := c.answer(); resp.StatusCode != 200 || body != "too much" || resp.ContentLength != 8 {
			t.Errorf("%d %q", resp.StatusCode, body)
		}
	})
}

func TestAsgirefWSGIStopsIteratingAfterContentLengthBytes(t *testing.T) {
	inBothProfiles(t, func(t *testing.T, profile ...view.Option) {
		chunks := 0
		s := blocking(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "4")
			for {
				if _, err := io.WriteString(w, "01234"); err != nil {
					return
				}
				chunks++
			}
		}, profile...)
		expect(t, s.get("/"), 200, "0123")
		if chunks != 0 {
			t.Errorf("%d chunks were taken whole", chunks)
		}
	})
}

func TestABlockingHandlersLongAnswerGoesByDiskAndIsGoneAfterwards(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	for _, size := range []int{256 << 10, 256<<10 + 1, 3 << 20} {
		body := strings.Repeat("0123456789abcdef", size/16+1)[:size]
		s := blocking(t, func(w http.ResponseWriter, _ *http.Request) {
			for rest := body; rest != ""; {
				n := min(len(rest), 100_000)
				if _, err := io.WriteString(w, rest[:n]); err != nil {
					t.Error(err)
				}
				rest = rest[n:]
			}
			w.Header().Set(http.TrailerPrefix+"Digest", "whole")
		})
		srv := s.start()
		resp, err := srv.Client().Get(srv.URL)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || string(got) != body || resp.Trailer.Get("Digest") != "whole" {
			t.Errorf("%d bytes: got %d, %v, trailer %v", size, len(got), err, resp.Trailer)
		}
		srv.Close()
	}
	if left := files(t, dir); len(left) > 0 {
		t.Errorf("still open: %q", left)
	}
}

func TestABlockingHandlerThatPanicsHasAnsweredNothing(t *testing.T) {
	s := blocking(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusOK)
		_, _ = io.WriteString(w, "half of it")
		panic("boom")
	})
	expectError(t, s.get("/"), http.StatusInternalServerError, "Internal Server Error")
}

func TestABlockingHandlersAnswerThatFindsNoRoomOnDiskIsA500(t *testing.T) {
	t.Setenv("TMPDIR", "/nonexistent")
	s := blocking(t, func(w http.ResponseWriter, _ *http.Request) {
		if _, err := w.Write(make([]byte, 300<<10)); err == nil {
			t.Error("it was kept")
		}
	})
	expectError(t, s.get("/"), http.StatusInternalServerError, "Internal Server Error")
	if msg, _ := s.log.only(t)["error"].(string); !hasAll(msg, "keep the response", "/nonexistent") {
		t.Errorf("the log says %q", msg)
	}
}

func TestABlockingHandlersBodyWhereThereIsNoneIsRefused(t *testing.T) {
	for _, status := range []int{http.StatusNoContent, http.StatusNotModified} {
		c := connect(t, blocking(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			if n, err := io.WriteString(w, "body"); n != 0 || !errors.Is(err, http.ErrBodyNotAllowed) {
				t.Errorf("%d: wrote %d, %v", status, n, err)
			}
		}).start())
		c.send("GET", "/", "", "")
		if resp, body := c.answer(); resp.StatusCode != status || body != "" || resp.Header.Get("Content-Type") != "" {
			t.Errorf("%d: %d %v %q", status, resp.StatusCode, resp.Header, body)
		}
	}
}

func TestABlockingHandlersSilenceOnHEADSaysNothingOfTheLength(t *testing.T) {
	s := blocking(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodHead {
			_, _ = io.WriteString(w, "body")
		}
	})
	for method, want := range map[string]string{http.MethodGet: "4", http.MethodHead: ""} {
		if got := s.do(httptest.NewRequest(method, "/", nil)).Header().Get("Content-Length"); got != want {
			t.Errorf("%s: length %q, want %q", method, got, want)
		}
	}
}

// A form belongs to whoever has parsed it.
func TestABlockingHandlerLeavesTheFilesOfAFormThatMiddlewareHasRead(t *testing.T) {
	s := newSite(t, 1, []view.Route{view.Path("POST /", view.Blocking(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if _, _, err := r.FormFile("file"); err != nil {
			t.Error(err)
		}
	})))}, view.BodyLimit(-1))
	s.Use(view.Use(func(next view.AsyncView) view.AsyncView {
		return func(ctx context.Context, r *view.Request) (view.Response, error) {
			if _, err := r.Form(); err != nil {
				t.Error(err)
			}
			resp, err := next(ctx, r)
			if f, _, missing := r.FormFile("file"); missing != nil {
				t.Errorf("after the view: %v", missing)
			} else {
				_ = f.Close()
			}
			return resp, err
		}
	}))
	var form bytes.Buffer
	mw := multipart.NewWriter(&form)
	part, err := mw.CreateFormFile("file", "large")
	if err != nil {
		t.Fatal(err)
	}
	_, _ = part.Write(make([]byte, 12<<20)) // which goes to disk
	_ = mw.Close()
	r := httptest.NewRequest("POST", "/", &form)
	r.Header.Set("Content-Type", mw.FormDataContentType())
	expect(t, s.do(r), 200, "")
}

// What middleware of net/http varies by stays beside what the view varies by.
func TestVaryIsAddedToByBlockingHandlersAndByErrors(t *testing.T) {
	s := newSite(t, 1, []view.Route{
		view.Path("/plain", view.Blocking(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Header().Add("Vary", "Cookie") }))),
		view.Path("/error", func(*view.Request) (view.Response, error) {
			return nil, &view.Error{Status: http.StatusTeapot, Header: http.Header{"Vary": {"Cookie"}}}
		}),
	})
	s.Use(view.Use(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Vary", "Origin")
			next.ServeHTTP(w, r)
		})
	}))
	for _, target := range []string{"/plain", "/error"} {
		got := s.get(target).Header()["Vary"]
		if target == "/error" {
			got = slices.DeleteFunc(got, func(v string) bool { return v == "Accept" }) // of errors themselves
		}
		if !slices.Equal(got, []string{"Origin", "Cookie"}) {
			t.Errorf("%s: Vary %q", target, got)
		}
	}
}

// Who wants to stream or hijack must learn that it cannot.
func TestABlockingHandlersWriterSaysWhatItCannot(t *testing.T) {
	s := blocking(t, func(w http.ResponseWriter, _ *http.Request) {
		rc := http.NewResponseController(w)
		_, _, hijack := rc.Hijack()
		if flush := rc.Flush(); !errors.Is(flush, http.ErrNotSupported) || !errors.Is(hijack, http.ErrNotSupported) {
			t.Errorf("flush %v, hijack %v", flush, hijack)
		}
	})
	expect(t, s.get("/"), 200, "")
}
