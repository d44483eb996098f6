package view_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/tandem-go/tandem/bridge"
	"github.com/tandem-go/tandem/view"
)

// digest is an async and a sync view that says what body it got.
func digestAsync(_ context.Context, r *view.Request) (view.Response, error) { return digest(r) }

func digest(r *view.Request) (view.Response, error) {
	h := sha256.New()
	n, err := io.Copy(h, r.Body())
	return view.Text(fmt.Sprintf("%d %x", n, h.Sum(nil))), err
}

func TestBodiesOfEverySizeArriveWhole(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	s := newSite(t, 1, []view.Route{view.Path("/async", digestAsync), view.Path("/sync", digest)})
	for _, size := range []int{0, 1, 256<<10 - 1, 256 << 10, 256<<10 + 1, 3 << 20} {
		body := bytes.Repeat([]byte("0123456789abcde\n"), size/16+1)[:size]
		want := fmt.Sprintf("%d %x", size, sha256.Sum256(body))
		for _, target := range []string{"/async", "/sync"} {
			for _, chunked := range []bool{false, true} {
				r := httptest.NewRequest("POST", target, bytes.NewReader(body))
				if chunked {
					r.ContentLength = -1
				}
				expect(t, s.do(r), 200, want)
			}
		}
	}
	if left, err := os.ReadDir(dir); len(left) != 0 || err != nil {
		t.Errorf("left behind: %v, %v", left, err)
	}
	open, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range open {
		if name, _ := os.Readlink(fd); strings.HasPrefix(name, dir) {
			t.Errorf("still open: %s", name)
		}
	}
}

func TestABodyOverItsBoundIs413(t *testing.T) {
	reached := false
	s := newSite(t, 1, []view.Route{
		view.Path("/async", digestAsync),
		view.Path("/sync", func(r *view.Request) (view.Response, error) { reached = true; return digest(r) }),
		view.Path("/roomy", digest, view.MaxBody(20)),
		view.Path("/boundless", digest, view.MaxBody(-1)),
	}, view.BodyLimit(10))
	s.Use(view.Use(timing))
	post := func(target string, n int) *httptest.ResponseRecorder {
		return s.do(httptest.NewRequest("POST", target, strings.NewReader(strings.Repeat("x", n))))
	}
	for _, target := range []string{"/async", "/sync"} {
		w := post(target, 11)
		expectError(t, w, 413, "request body is larger than 10 bytes")
		if w.Header().Get("X-Elapsed-Ms") == "" {
			t.Errorf("%s without the middleware's header", target)
		}
	}
	if reached {
		t.Error("the sync view was begun")
	}
	for target, n := range map[string]int{"/async": 10, "/sync": 10, "/roomy": 20, "/boundless": 1000} {
		if w := post(target, n); w.Code != 200 {
			t.Errorf("%s with %d bytes: %d %s", target, n, w.Code, w.Body)
		}
	}
}

// slowBody is an upload that arrives when it is let.
type slowBody struct{ arrive chan struct{} }

func (b slowBody) Read([]byte) (int, error) { <-b.arrive; return 0, io.EOF }

func TestASlowUploadHoldsNoPermit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, 1, []view.Route{view.Path("/", digest)})
		body := slowBody{make(chan struct{})}
		done := make(chan *httptest.ResponseRecorder, 1)
		go func() { done <- s.do(httptest.NewRequest("POST", "/", body)) }()
		synctest.Wait()
		if n := s.limits.Blocking.Stats().InUse; n != 0 {
			t.Errorf("%d permits in use while the body arrives", n)
		}
		if w := s.get("/"); w.Code != 200 {
			t.Errorf("another request meanwhile: %d", w.Code)
		}
		close(body.arrive)
		if w := <-done; w.Code != 200 {
			t.Errorf("the upload: %d %s", w.Code, w.Body)
		}
	})
}

func TestABodyThatBreaksOffIs400(t *testing.T) {
	s := newSite(t, 1, []view.Route{view.Path("/", digest)})
	broken := io.MultiReader(strings.NewReader("half"), errReader{})
	expectError(t, s.do(httptest.NewRequest("POST", "/", broken)), 400, "request body could not be read")
}

type errReader struct{}

func (errReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestDecode(t *testing.T) {
	type post struct {
		Title string `json:"title"`
	}
	s := newSite(t, 1, []view.Route{view.Path("/", func(_ context.Context, r *view.Request) (view.Response, error) {
		p, err := view.Decode[post](r)
		return view.Text(p.Title), err
	})}, view.BodyLimit(40))
	for _, c := range []struct {
		ctype, body string
		status      int
		answer      string
	}{
		{"application/json", `{"title":"one"}`, 200, "one"},
		{"application/json; charset=utf-8", ` {"title":"one"} `, 200, "one"},
		{"application/problem+json", `{"title":"one"}`, 200, "one"},
		{"", `{"title":"one"}`, 200, "one"},
		{"", ``, 400, "request body: no value"},
		{"", `{"title":`, 400, "request body: unexpected EOF"},
		{"", `{"title":1}`, 400, "request body: json: cannot unmarshal number into Go struct field post.title of type string"},
		{"", `{"title":"one"}{}`, 400, "request body: more than one value"},
		{"text/plain", `{}`, 415, `content type "text/plain" is not JSON`},
		{"; bad", `{}`, 415, `content type "; bad" is not JSON`},
		{"", `{"title":"` + strings.Repeat("x", 40) + `"}`, 413, "request body is larger than 40 bytes"},
		{"", `{}` + strings.Repeat(" ", 40), 413, "request body is larger than 40 bytes"},
	} {
		r := httptest.NewRequest("POST", "/", strings.NewReader(c.body))
		if c.ctype != "" {
			r.Header.Set("Content-Type", c.ctype)
		}
		if w := s.do(r); c.status == 200 {
			expect(t, w, 200, c.answer)
		} else {
			expectError(t, w, c.status, c.answer)
		}
	}
}

func TestFormsAndQueries(t *testing.T) {
	s := newSite(t, 1, []view.Route{
		view.Path("/value", func(r *view.Request) (view.Response, error) { return view.Text(r.FormValue("q")), nil }),
		view.Path("/query", func(r *view.Request) (view.Response, error) { return view.Text(r.Query().Get("q")), nil }),
		view.Path("/form", func(r *view.Request) (view.Response, error) {
			form, err := r.Form()
			return view.Text(fmt.Sprint(form["q"])), err
		}),
		view.Path("/file", func(r *view.Request) (view.Response, error) {
			f, h, err := r.FormFile("doc")
			if err != nil {
				return nil, err
			}
			defer f.Close()
			b, err := io.ReadAll(f)
			return view.Text(fmt.Sprint(h.Filename, " ", len(b))), err
		}),
		view.Path("/plain", func(w http.ResponseWriter, r *http.Request) {
			_ = r.ParseMultipartForm(1)
			_, _ = fmt.Fprint(w, len(r.MultipartForm.File["doc"]))
		}),
	}, view.BodyLimit(4<<20))
	form := func(target, body string) *httptest.ResponseRecorder {
		r := httptest.NewRequest("POST", target, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		return s.do(r)
	}
	expect(t, s.get("/value?q=a+b"), 200, "a b")
	expect(t, s.get("/query?q=a%20b"), 200, "a b")
	expect(t, form("/value?q=url", "q=body"), 200, "body")
	expect(t, form("/query?q=url", "q=body"), 200, "url")
	expect(t, form("/form?q=url", "q=body"), 200, "[body url]")
	expectError(t, form("/form", "q=%zz"), 400, "malformed form")
	expectError(t, form("/form", strings.Repeat("x", 5<<20)), 413, "request body is larger than 4194304 bytes")

	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	for target, want := range map[string]string{"/file": "big.txt 2097152", "/plain": "1"} {
		var body bytes.Buffer
		mw := multipart.NewWriter(&body)
		part, err := mw.CreateFormFile("doc", "big.txt")
		if err != nil {
			t.Fatal(err)
		}
		_, _ = part.Write(make([]byte, 2<<20))
		_ = mw.Close()
		r := httptest.NewRequest("POST", target, &body)
		r.Header.Set("Content-Type", mw.FormDataContentType())
		expect(t, s.do(r), 200, want)
		if left, _ := os.ReadDir(dir); len(left) != 0 {
			t.Errorf("%s: temporary files left behind: %v", target, left)
		}
	}
}

func TestRequestIsHTTPsLessItsContext(t *testing.T) {
	var got []any
	s := newSite(t, 1, []view.Route{view.Path("PUT /things/{id}", func(r *view.Request) (view.Response, error) {
		c, err := r.Cookie("k")
		if err != nil {
			return nil, err
		}
		_, missing := r.Cookie("other")
		got = []any{
			r.Method(), r.URL().Path, r.RequestURI(), r.Proto(), r.Host(), r.RemoteAddr(), r.TLS() == nil,
			r.Header().Get("A"), r.ContentLength(), r.PathValue("id"), r.Pattern(), c.Value, errors.Is(missing, http.ErrNoCookie),
		}
		return view.NoContent(), nil
	})})
	r := httptest.NewRequest("PUT", "http://shop.test/things/7?x=%2F", strings.NewReader("abc"))
	r.Header.Set("A", "b")
	r.AddCookie(&http.Cookie{Name: "k", Value: "v"})
	expect(t, s.do(r), 204, "")
	want := []any{
		"PUT", "/things/7", "http://shop.test/things/7?x=%2F", "HTTP/1.1", "shop.test", "192.0.2.1:1234", true,
		"b", int64(3), "7", "PUT /things/{id}", "v", true,
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func TestValuesGoBothWaysAcrossEveryCrossing(t *testing.T) {
	type key string
	collect := func(r *view.Request, who string) {
		so, _ := view.Value[string](r, key("trail"))
		r.Set(key("trail"), so+who)
	}
	s := newSite(t, 1, []view.Route{view.Path("/", func(r *view.Request) (view.Response, error) {
		collect(r, "view ")
		return view.NoContent(), nil
	}, view.With(
		view.Use(func(next view.AsyncView) view.AsyncView {
			return func(ctx context.Context, r *view.Request) (view.Response, error) {
				collect(r, "async> ")
				resp, err := next(ctx, r)
				collect(r, "<async")
				trail, _ := view.Value[string](r, key("trail"))
				_, isInt := view.Value[int](r, key("trail"))
				return view.WithHeader(resp, "Trail", fmt.Sprintf("%s %v", trail, isInt)), err
			}
		}),
		view.Use(func(next view.SyncView) view.SyncView {
			return func(r *view.Request) (view.Response, error) {
				collect(r, "sync> ")
				defer collect(r, "<sync ")
				return next(r)
			}
		}),
	))})
	if trail := s.get("/").Header().Get("Trail"); trail != "async> sync> view <sync <async false" {
		t.Errorf("trail %q", trail)
	}
}

func TestTheUserIsAnonymousUnlessMiddlewareKnows(t *testing.T) {
	s := newSite(t, 1, []view.Route{view.Path("/", func(r *view.Request) (view.Response, error) {
		u := r.User()
		return view.Text(fmt.Sprint(u.ID, u.Name, u.Anonymous(), u.Has("read"), u.Has("write"))), nil
	})})
	s.Use(view.Use(func(next view.AsyncView) view.AsyncView {
		return func(ctx context.Context, r *view.Request) (view.Response, error) {
			if r.URL().RawQuery != "" {
				r.SetUser(view.User{
					ID: 7, Name: r.URL().RawQuery, Superuser: r.URL().RawQuery == "root", Permissions: []string{"read"},
				})
			}
			return next(ctx, r)
		}
	}))
	expect(t, s.get("/"), 200, "0true false false")
	expect(t, s.get("/?ada"), 200, "7adafalse true false")
	expect(t, s.get("/?root"), 200, "7rootfalse true true")
	if (view.User{Superuser: true, Permissions: []string{"read"}}).Has("read") {
		t.Error("somebody in particular is needed for a permission")
	}
}

func TestTheRequestIDIsTheClientsIfSane(t *testing.T) {
	s := newSite(t, 1, []view.Route{view.Path("/", func(r *view.Request) (view.Response, error) {
		if first, again := r.ID(), r.ID(); first != again {
			t.Errorf("the id changes from %q to %q", first, again)
		}
		return view.Text(r.ID()), nil
	})})
	id := func(given string) string {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("X-Request-Id", given)
		return s.do(r).Body.String()
	}
	for _, sane := range []string{"7", "4bf92f35-77b3:4da6/a3+c=@_.Z", strings.Repeat("x", 128)} {
		if got := id(sane); got != sane {
			t.Errorf("%q became %q", sane, got)
		}
	}
	for _, odd := range []string{"", "a b", "a\nb", "<b>", "ä", strings.Repeat("x", 129)} {
		if got := id(odd); got == odd || len(got) != 32 {
			t.Errorf("%q became %q", odd, got)
		}
	}
	if one, two := id(""), id(""); one == two {
		t.Errorf("two requests have the id %q", one)
	}
}

func TestPlainHandlersFindTheRequestsLimiters(t *testing.T) {
	var s *site
	s = newSite(t, 1, []view.Route{view.Path("/", func(w http.ResponseWriter, r *http.Request) {
		_, _ = bridge.RunSync(r.Context(), func() (int, error) {
			_, err := fmt.Fprint(w, s.limits.Blocking.Stats().InUse)
			return 0, err
		})
	})})
	expect(t, s.get("/"), 200, "1")
}

func TestWhatOutlivesItsRequestIsRefused(t *testing.T) {
	answered := make(chan struct{})
	refused := make(chan error, 2)
	s := newSite(t, 1, []view.Route{view.Path("/", func(ctx context.Context, r *view.Request) (view.Response, error) {
		go func() {
			<-answered
			_, err := bridge.RunSync(context.WithoutCancel(ctx), func() (int, error) { return 0, nil })
			refused <- err
			_, err = bridge.Await(r, func(context.Context) (int, error) { return 0, nil })
			refused <- err
		}()
		return view.NoContent(), nil
	})})
	s.get("/")
	close(answered)
	for range 2 {
		if err := <-refused; !errors.Is(err, bridge.ErrScopeClosed) {
			t.Errorf("err = %v, want ErrScopeClosed", err)
		}
	}
}

func TestCPUViewsTakeCPUPermits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		own := bridge.NewLimiter(3)
		var s *site
		count := func(*view.Request) (view.Response, error) {
			return view.Text(fmt.Sprint(s.limits.Blocking.Stats().InUse, s.limits.CPU.Stats().InUse, own.Stats().InUse)), nil
		}
		s = newSite(t, 1, []view.Route{view.Path("/", count), view.Path("/cpu", count, view.CPU()), view.Path("/own", count, view.On(own))})
		expect(t, s.get("/"), 200, "1 0 0")
		expect(t, s.get("/cpu"), 200, "0 1 0")
		expect(t, s.get("/own"), 200, "0 0 1")
		settle()
	})
}
