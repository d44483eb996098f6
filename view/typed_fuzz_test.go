package view_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/tandem-go/tandem/view"
)

type loose struct {
	Any   any                   `json:"any"`
	Map   map[string]*loose     `json:"map"`
	Bytes []byte                `json:"bytes"`
	F32   float32               `json:"f32"`
	U     *uint64               `json:"u"`
	Three [3]bool               `json:"three"`
	Pairs []map[string][]string `json:"pairs"`
}

type listed struct {
	Flag bool     `query:"flag"`
	N    int16    `query:"n" maximum:"300" default:"-1"`
	Tags []string `query:"tag" maxItems:"3"`
	Body []owner  `minItems:"1" uniqueItems:"true"`
}

// FuzzJSONView sends anything to typed views: the answer is one of those that are promised, the same in both
// colours, and an accepted value is accepted again as it was read.
func FuzzJSONView(f *testing.F) {
	app := view.New(view.BodyLimit(1 << 12))
	both := func(name string, async, sync view.Typed) {
		app.Routes(view.Path("POST /async/"+name, async), view.Path("POST /sync/"+name, sync))
	}
	both("post", view.JSONView(postAsync), view.JSONViewSync(postSync))
	both("loose", view.JSONView(func(_ context.Context, _ *view.Request, v loose) (loose, error) { return v, nil }),
		view.JSONViewSync(func(_ *view.Request, v loose) (loose, error) { return v, nil }))
	both("tree", view.JSONView(func(_ context.Context, _ *view.Request, v tree) (tree, error) { return v, nil }),
		view.JSONViewSync(func(_ *view.Request, v tree) (tree, error) { return v, nil }))
	both("listed", view.JSONView(func(_ context.Context, _ *view.Request, v listed) ([]owner, error) { return v.Body, nil }),
		view.JSONViewSync(func(_ *view.Request, v listed) ([]owner, error) { return v.Body, nil }))
	names := []string{"post", "loose", "tree", "listed"}

	f.Add(uint8(0), "", "", []byte(`{"title":"one","tags":["a","b"],"due":"2026-01-02T03:04:05Z","owner":{"name":"n","email":"a@b.c"}}`))
	f.Add(uint8(1), "", "application/json", []byte(`{"any":[1e308,{"a":null}],"map":{"k":null},"bytes":"YQ==","f32":-0.5e-3,"u":18446744073709551615,"three":[true,false,true],"pairs":[{"a":["b"]},null]}`))
	f.Add(uint8(2), "", "", []byte(`{"Left":null,"Right":{"Left":null,"Right":null}}`))
	f.Add(uint8(3), "flag=true&n=7&tag=a&tag=b", "text/json", []byte(`[{"name":"\ud800","notes":{"":"x"}}]`))
	f.Add(uint8(3), "n=%zz", "a/b+json", []byte(`[{"name":"x"},{"na\u006de":"x"}] `))
	f.Add(uint8(1), "", "", []byte(`{"u":1e999,"f32":1e39,"three":[1],"bytes":"?"}x`))
	f.Fuzz(func(t *testing.T, which uint8, query, ctype string, body []byte) {
		name := names[int(which)%len(names)]
		post := func(colour, ctype string, body []byte) *httptest.ResponseRecorder {
			r := httptest.NewRequest("POST", "/"+colour+"/"+name, bytes.NewReader(body))
			r.URL.RawQuery = query
			r.Header = http.Header{"X-Request-Id": {"it"}}
			if ctype != "" {
				r.Header["Content-Type"] = []string{ctype}
			}
			w := httptest.NewRecorder()
			app.ServeHTTP(w, r)
			return w
		}
		first := post("async", ctype, body)
		switch first.Code {
		case 200, 400, 413, 415, 422:
		default:
			t.Fatalf("%s: %q %q %q: %d %s", name, query, ctype, body, first.Code, first.Body)
		}
		sync := post("sync", ctype, body)
		if len(body) > 1<<12 && sync.Code == http.StatusRequestEntityTooLarge {
			return // it was read before anything was looked at
		}
		if sync.Code != first.Code || sync.Body.String() != first.Body.String() {
			t.Errorf("%s: %q: async answers %d %s, sync %d %s", name, body, first.Code, first.Body, sync.Code, sync.Body)
		}
		if first.Code == http.StatusOK && first.Body.Len() <= 1<<12 {
			if again := post("sync", "", first.Body.Bytes()); again.Code != 200 || again.Body.String() != first.Body.String() {
				t.Errorf("%s: %q was read as %s, which is answered %d %s", name, body, first.Body, again.Code, again.Body)
			}
		}
	})
}

// FuzzMultipart sends anything as a form: no panic, one of the promised answers, the same in both colours, and no
// more comes out than went in.
func FuzzMultipart(f *testing.F) {
	form := func(r *view.Request) (view.Response, error) {
		values, err := r.Form()
		if err != nil {
			return nil, err
		}
		size := 0
		for name, all := range values {
			for _, v := range all {
				size += len(name) + len(v)
			}
		}
		file, header, err := r.FormFile("file")
		if errors.Is(err, http.ErrMissingFile) || errors.Is(err, http.ErrNotMultipart) {
			return view.Text(fmt.Sprint(size, " no file ", r.FormValue("a"))), nil
		}
		if err != nil {
			return nil, err
		}
		defer file.Close()
		n, err := io.Copy(io.Discard, file)
		if n != header.Size {
			return nil, fmt.Errorf("a file of %d bytes has %d", header.Size, n)
		}
		if int64(size)+n > 1<<12 {
			return nil, fmt.Errorf("%d bytes of values and %d of a file came out of less", size, n)
		}
		return view.Text(fmt.Sprint(size, n, header.Filename)), err
	}
	app := view.New(view.BodyLimit(1 << 12))
	app.Routes(
		view.Path("POST /sync", form),
		view.Path("POST /async", func(_ context.Context, r *view.Request) (view.Response, error) { return form(r) }),
	)
	f.Add("multipart/form-data; boundary=x", []byte("--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"../f\"\r\n\r\nbytes\r\n--x--\r\n"))
	f.Add("multipart/form-data; boundary=x", []byte("--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\nbytes"))
	f.Add("multipart/form-data", []byte("--x"))
	f.Add("multipart/mixed; boundary=\"\"", []byte("--\r\n\r\n"))
	f.Add("application/x-www-form-urlencoded", []byte("a=1&a=%zz&;"))
	f.Fuzz(func(t *testing.T, ctype string, body []byte) {
		post := func(target string) *httptest.ResponseRecorder {
			r := httptest.NewRequest("POST", target, bytes.NewReader(body))
			r.Header = http.Header{"Content-Type": {ctype}, "X-Request-Id": {"it"}}
			w := httptest.NewRecorder()
			app.ServeHTTP(w, r)
			return w
		}
		a, s := post("/async"), post("/sync")
		switch a.Code {
		case 200, 400, 413:
		default:
			t.Errorf("%q %.200q: %d %s", ctype, body, a.Code, a.Body)
		}
		if len(body) > 1<<12 && s.Code == http.StatusRequestEntityTooLarge {
			return // it was read before the form was looked at
		}
		if a.Code != s.Code || a.Body.String() != s.Body.String() {
			t.Errorf("%q %.200q: async answers %d %s, sync %d %s", ctype, body, a.Code, a.Body, s.Code, s.Body)
		}
	})
}
