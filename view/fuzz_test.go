package view_test

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tandem-go/tandem/view"
)

func FuzzRequestIDIsSafeInALogLineAndAPage(f *testing.F) {
	app := view.New()
	app.Routes(view.Path("/", func(_ context.Context, r *view.Request) (view.Response, error) { return view.Text(r.ID()), nil }))
	f.Add("abc-123")
	f.Add("a\r\nSet-Cookie: x")
	f.Fuzz(func(t *testing.T, given string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header["X-Request-Id"] = []string{given}
		w := httptest.NewRecorder()
		app.ServeHTTP(w, r)
		id := w.Body.String()
		if id == "" || len(id) > 128 || strings.ContainsFunc(id, func(c rune) bool { return c <= ' ' || c > '~' || strings.ContainsRune(`"'<>&\`, c) }) {
			t.Errorf("%q became %q", given, id)
		}
	})
}

func FuzzDecodeAnswersWhateverIsSent(f *testing.F) {
	app := view.New(view.BodyLimit(64))
	app.Routes(view.Path("/", func(r *view.Request) (view.Response, error) {
		v, err := view.Decode[map[string][]int](r)
		return view.JSON(v), err
	}))
	f.Add("application/json", []byte(`{"a":[1]}`))
	f.Add("", []byte(`{"a":[1`))
	f.Add("text/plain", bytes.Repeat([]byte(" "), 65))
	f.Fuzz(func(t *testing.T, ctype string, body []byte) {
		r := httptest.NewRequest("POST", "/", bytes.NewReader(body))
		r.Header["Content-Type"] = []string{ctype}
		w := httptest.NewRecorder()
		app.ServeHTTP(w, r)
		switch w.Code {
		case 200, 400, 413, 415:
		default:
			t.Errorf("%q %q: %d %s", ctype, body, w.Code, w.Body)
		}
	})
}

// FuzzPlan composes random stacks over views of every sort: the plan has as few crossings as there can be, its layers
// are those that were given, and a request makes just the planned crossings and sees every layer once.
func FuzzPlan(f *testing.F) {
	f.Add([]byte("asbh"), uint8(2), uint8(0), false)
	f.Add([]byte("bbbbbb"), uint8(3), uint8(1), true)
	f.Add([]byte("sasasa"), uint8(6), uint8(2), true)
	f.Add([]byte("hsbah"), uint8(0), uint8(3), false)
	f.Fuzz(func(t *testing.T, letters []byte, split, sort uint8, syncOnly bool) {
		letters = letters[:min(len(letters), 8)]
		var stack, typed []byte // all of it, and what is not native
		var ms []view.Middleware
		visits := make([]int, len(letters))
		for i, letter := range letters {
			k := "asbh"[letter%4]
			stack = append(stack, k)
			if k != 'h' {
				typed = append(typed, k)
			}
			async := func(next view.AsyncView) view.AsyncView {
				return func(ctx context.Context, r *view.Request) (view.Response, error) {
					visits[i]++
					return next(ctx, r)
				}
			}
			sync := func(next view.SyncView) view.SyncView {
				return func(r *view.Request) (view.Response, error) {
					visits[i]++
					return next(r)
				}
			}
			var m view.Middleware
			switch k {
			case 'a':
				m = view.Use(async)
			case 's':
				m = view.Use(sync)
			case 'b':
				m = view.Both(async, sync)
			case 'h':
				m = view.Use(func(next http.Handler) http.Handler {
					return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						visits[i]++
						next.ServeHTTP(w, r)
					})
				})
			}
			ms = append(ms, m.Named(string(k)))
		}
		cut := min(int(split), len(ms))
		var seen *view.Request
		async := func(_ context.Context, r *view.Request, _ view.None) (view.Response, error) {
			seen = r
			return view.Text("ok"), nil
		}
		sync := func(r *view.Request, _ view.None) (view.Response, error) {
			return async(context.Background(), r, view.None{})
		}
		with := view.With(ms[cut:]...)
		rt := []view.Route{
			view.Path("/", func(ctx context.Context, r *view.Request) (view.Response, error) { return async(ctx, r, view.None{}) }, with),
			view.Path("/", func(r *view.Request) (view.Response, error) { return sync(r, view.None{}) }, with),
			view.Path("/", view.JSONView(async), with),
			view.Path("/", view.JSONViewSync(sync), with),
		}[sort%4]
		var opts []view.Option
		path := string(typed) + string("as"[sort%2])
		if syncOnly {
			opts = append(opts, view.SyncOnly())
			path = "s" + path
		}
		app := view.New(opts...)
		app.Use(ms[:cut]...)
		app.Routes(rt)
		plan := app.Plan()[0]
		w := httptest.NewRecorder()
		app.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))

		if want := fewest(path); plan.Crossings != want {
			t.Errorf("%s: the plan has %d crossings, %d would do", path, plan.Crossings, want)
		}
		if w.Code != 200 || seen.Crossings() != plan.Crossings {
			t.Errorf("%s: %d, %d crossings made, %d planned", path, w.Code, seen.Crossings(), plan.Crossings)
		}
		var layers []byte
		for _, l := range plan.Layers {
			if l.Mode == view.Native != (l.Name == "h") {
				t.Errorf("layer %+v", l)
			}
			if l.Mode != view.Native {
				layers = append(layers, l.Name[0])
			}
		}
		if string(layers) != string(typed) || len(plan.Layers) != len(stack) {
			t.Errorf("%s: layers %+v", stack, plan.Layers)
		}
		for i, n := range visits {
			if n != 1 {
				t.Errorf("%s: layer %d was passed %d times", stack, i, n)
			}
		}
	})
}
