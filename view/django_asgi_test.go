package view_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tandem-go/tandem/view"
)

// Django's tests/asgi, what answers a request and how its parts arrive.

func TestDjangoGetASGIApplication(t *testing.T) {
	inBothProfiles(t, func(t *testing.T, profile ...view.Option) {
		s := newSite(t, 1, []view.Route{
			view.Path("GET /async", func(context.Context, *view.Request) (view.Response, error) { return view.Text("Hello World!"), nil }),
			view.Path("GET /sync", func(*view.Request) (view.Response, error) { return view.Text("Hello World!"), nil }),
		}, profile...)
		srv := s.start()
		for _, target := range []string{"/async", "/sync"} {
			c := connect(t, srv)
			c.send("GET", target, "", "")
			resp, body := c.answer()
			if resp.StatusCode != 200 || body != "Hello World!" || resp.Header.Get("Content-Length") != "12" ||
				resp.Header.Get("Content-Type") != "text/plain; charset=utf-8" {
				t.Errorf("%s: %d %v %q", target, resp.StatusCode, resp.Header, body)
			}
		}
	})
}

func TestDjangoFileResponse(t *testing.T) {
	file := filepath.Join(t.TempDir(), "report.txt")
	if err := os.WriteFile(file, []byte("what is in the file"), 0o600); err != nil {
		t.Fatal(err)
	}
	serve := view.HTTP(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Disposition", `inline; filename="report.txt"`)
		http.ServeFile(w, r, file)
	}))
	inBothProfiles(t, func(t *testing.T, profile ...view.Option) {
		s := newSite(t, 1, []view.Route{
			view.Path("GET /async", func(context.Context, *view.Request) (view.Response, error) { return serve, nil }),
			view.Path("GET /sync", func(*view.Request) (view.Response, error) { return serve, nil }),
		}, profile...)
		srv := s.start()
		for _, target := range []string{"/async", "/sync"} {
			c := connect(t, srv)
			c.send("GET", target, "", "")
			resp, body := c.answer()
			if body != "what is in the file" || resp.Header.Get("Content-Length") != "19" ||
				resp.Header.Get("Content-Type") != "text/plain; charset=utf-8" || !strings.Contains(resp.Header.Get("Content-Disposition"), "report.txt") {
				t.Errorf("%s: %v %q", target, resp.Header, body)
			}
		}
	})
}

func TestDjangoStaticFileResponse(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "file.css"), []byte("a {}"), 0o600); err != nil {
		t.Fatal(err)
	}
	static := http.StripPrefix("/static/", http.FileServerFS(os.DirFS(dir)))
	inBothProfiles(t, func(t *testing.T, profile ...view.Option) {
		s := newSite(t, 1, []view.Route{
			view.Path("GET /static/", static.ServeHTTP),
			view.Path("GET /blocking/{file}", view.Blocking(http.StripPrefix("/blocking/", http.FileServerFS(os.DirFS(dir))))),
		}, profile...)
		for _, target := range []string{"/static/file.css", "/blocking/file.css"} {
			w := s.get(target)
			expect(t, w, 200, "a {}")
			if got := w.Header().Get("Content-Type"); got != "text/css; charset=utf-8" {
				t.Errorf("%s: content type %q", target, got)
			}
		}
		if w := s.get("/static/other.css"); w.Code != http.StatusNotFound {
			t.Errorf("a file that is not there: %d", w.Code)
		}
	})
}

func TestDjangoHeaders(t *testing.T) {
	tell := func(r *view.Request) (view.Response, error) {
		return view.Text(fmt.Sprintf("%q %q", r.Header()["Referer"], r.Header()["X-Names"])), nil
	}
	inBothProfiles(t, func(t *testing.T, profile ...view.Option) {
		s := newSite(t, 1, []view.Route{
			view.Path("GET /async", func(_ context.Context, r *view.Request) (view.Response, error) { return tell(r) }),
			view.Path("GET /sync", tell),
		}, profile...)
		srv := s.start()
		for _, target := range []string{"/async", "/sync"} {
			c := connect(t, srv)
			c.send("GET", target, "Referer: Wales\r\nX-Names: one\r\nx-names: two\r\nX-Other: \xe4\r\n", "")
			if resp, body := c.answer(); resp.StatusCode != 200 || body != `["Wales"] ["one" "two"]` {
				t.Errorf("%s: %d %s", target, resp.StatusCode, body)
			}
		}
	})
}

func TestDjangoPostBody(t *testing.T) {
	echo := func(r *view.Request) (view.Response, error) {
		b, err := io.ReadAll(r.Body())
		return view.Bytes("", b), err
	}
	inBothProfiles(t, func(t *testing.T, profile ...view.Option) {
		s := newSite(t, 1, []view.Route{
			view.Path("POST /async", func(_ context.Context, r *view.Request) (view.Response, error) { return echo(r) }),
			view.Path("POST /sync", echo),
		}, profile...)
		srv := s.start()
		for _, target := range []string{"/async", "/sync"} {
			c := connect(t, srv)
			c.send("POST", target, "Content-Length: 5\r\n", "Echo!")
			if resp, body := c.answer(); resp.StatusCode != 200 || body != "Echo!" {
				t.Errorf("%s: %d %q", target, resp.StatusCode, body)
			}
			c.send("POST", target, "Transfer-Encoding: chunked\r\n", "2\r\nEc\r\n3\r\nho!\r\n0\r\n\r\n")
			if resp, body := c.answer(); resp.StatusCode != 200 || body != "Echo!" {
				t.Errorf("%s in chunks: %d %q", target, resp.StatusCode, body)
			}
		}
	})
}

func TestDjangoRequestTooBigRequestError(t *testing.T) {
	inBothProfiles(t, func(t *testing.T, profile ...view.Option) {
		read := func(_ context.Context, r *view.Request) (view.Response, error) {
			_, err := io.ReadAll(r.Body())
			return view.NoContent(), err
		}
		s := newSite(t, 1, []view.Route{
			view.Path("POST /async", read),
			view.Path("POST /sync", func(r *view.Request) (view.Response, error) { return read(nil, r) }),
		}, append(profile, view.BodyLimit(4))...)
		for _, target := range []string{"/async", "/sync"} {
			c := connect(t, s.start())
			c.send("POST", target, "Content-Length: 5\r\n", "Echo!")
			if resp, body := c.answer(); resp.StatusCode != http.StatusRequestEntityTooLarge || !strings.Contains(body, "larger than 4 bytes") {
				t.Errorf("%s: %d %q", target, resp.StatusCode, body)
			}
		}
	})
}

// A body that no view touches is closed all the same, with what it had on disk.
func TestDjangoUntouchedRequestBodyGetsClosed(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	inBothProfiles(t, func(t *testing.T, profile ...view.Option) {
		s := newSite(t, 1, []view.Route{
			view.Path("POST /async", func(context.Context, *view.Request) (view.Response, error) { return view.NoContent(), nil }),
			view.Path("POST /sync", func(*view.Request) (view.Response, error) { return view.NoContent(), nil }),
		}, profile...)
		srv := s.start()
		for _, target := range []string{"/async", "/sync"} {
			c := connect(t, srv)
			body := strings.Repeat("x", 300<<10)
			c.send("POST", target, fmt.Sprintf("Content-Length: %d\r\n", len(body)), body)
			if resp, _ := c.answer(); resp.StatusCode != http.StatusNoContent {
				t.Errorf("%s: %d", target, resp.StatusCode)
			}
			links, err := filepath.Glob("/proc/self/fd/*")
			if err != nil {
				t.Fatal(err)
			}
			for _, link := range links {
				if to, _ := os.Readlink(link); strings.Contains(to, "tandem-body-") {
					t.Errorf("%s: left open: %s", target, to)
				}
			}
		}
	})
}

func TestDjangoGetQueryString(t *testing.T) {
	hello := func(r *view.Request) (view.Response, error) {
		return view.Text("Hello " + r.Query().Get("name") + "!"), nil
	}
	inBothProfiles(t, func(t *testing.T, profile ...view.Option) {
		s := newSite(t, 1, []view.Route{
			view.Path("GET /async", func(_ context.Context, r *view.Request) (view.Response, error) { return hello(r) }),
			view.Path("GET /sync", hello),
		}, profile...)
		for _, target := range []string{"/async?name=Andrew", "/sync?name=Andrew", "/sync?other=1&name=Andrew&name=Else"} {
			expect(t, s.get(target), 200, "Hello Andrew!")
		}
	})
}

// What a request's start and end hooks do, and the view between them, has one
// thread: connections of old drivers live there.
func TestDjangoRequestLifecycleSignalsDispatchedWithThreadSensitive(t *testing.T) {
	inBothProfiles(t, func(t *testing.T, profile ...view.Option) {
		var threads []int
		hooks := func(next view.SyncView) view.SyncView {
			return func(r *view.Request) (view.Response, error) {
				threads = append(threads, unix.Gettid())
				resp, err := next(r)
				threads = append(threads, unix.Gettid())
				return resp, err
			}
		}
		between := view.Use(func(next view.AsyncView) view.AsyncView { return next }) // the hooks' frame awaits meanwhile
		s := newSite(t, 1, []view.Route{
			view.Path("GET /", func(*view.Request) (view.Response, error) {
				threads = append(threads, unix.Gettid())
				return view.Text("Hello World!"), nil
			}, view.Pinned(), view.With(view.Use(hooks), between)),
		}, profile...)
		expect(t, s.get("/"), 200, "Hello World!")
		if len(threads) != 3 || threads[0] != threads[1] || threads[1] != threads[2] {
			t.Errorf("threads %v, want one for all three", threads)
		}
		if got := s.Plan()[0].Crossings; got != 3 {
			t.Errorf("%d crossings, want 3: the hooks and the view are frames of their own", got)
		}
	})
}

// Two requests' sync views run beside each other: they meet.
func TestDjangoConcurrentAsyncUsesMultipleThreadPools(t *testing.T) {
	inBothProfiles(t, func(t *testing.T, profile ...view.Option) {
		var meeting sync.WaitGroup
		meeting.Add(2)
		s := newSite(t, 2, []view.Route{view.Path("GET /", func(*view.Request) (view.Response, error) {
			meeting.Done()
			meeting.Wait()
			return view.Text("met"), nil
		})}, profile...)
		srv := s.start()
		var both sync.WaitGroup
		for range 2 {
			c := connect(t, srv)
			c.send("GET", "/", "", "")
			both.Go(func() {
				if resp, body := c.answer(); resp.StatusCode != 200 || body != "met" {
					t.Errorf("%d %q", resp.StatusCode, body)
				}
			})
		}
		both.Wait()
	})
}
