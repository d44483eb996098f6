package view_test

import (
	"bytes"
	"context"
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
