package view_test

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/tandem-go/tandem/view"
)

// What failed before its first byte has said things of a body that never came.
func TestAnAnswerThatFailsLeavesNothingOfItsBodyBehind(t *testing.T) {
	describe := func(h http.Header) {
		for key, value := range map[string]string{
			"Content-Type": "text/html", "Content-Length": "5", "Content-Encoding": "gzip", "Content-Disposition": "attachment",
			"Content-Range": "bytes 0-4/9", "Etag": `"1"`, "Last-Modified": "Sat, 28 Nov 2026 20:00:00 GMT", "X-Kept": "yes",
		} {
			h.Set(key, value)
		}
	}
	var none iter.Seq2[[]byte, error] = func(yield func([]byte, error) bool) { yield(nil, errors.New("no rows")) }
	s := newSite(t, 1, []view.Route{
		view.Path("/panics", func(w http.ResponseWriter, _ *http.Request) { describe(w.Header()); panic("before the first byte") }),
		view.Path("/blocking", view.Blocking(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { describe(w.Header()); w.WriteHeader(1000) }))),
		view.Path("/stream", func(context.Context, *view.Request) (view.Response, error) {
			h := http.Header{}
			describe(h)
			return view.WithHeaders(view.Stream(none), h), nil
		}),
	})
	server := httptest.NewServer(s)
	defer server.Close()
	for _, target := range []string{"/panics", "/blocking", "/stream"} {
		resp, err := server.Client().Get(server.URL + target)
		if err != nil {
			t.Fatal(err)
		}
		var body struct{ Error string }
		err = json.NewDecoder(resp.Body).Decode(&body)
		_ = resp.Body.Close()
		if resp.StatusCode != 500 || body.Error != "Internal Server Error" || err != nil {
			t.Errorf("%s: %d %+v, %v", target, resp.StatusCode, body, err)
		}
		for _, key := range []string{"Content-Encoding", "Content-Disposition", "Content-Range", "Etag", "Last-Modified"} {
			if resp.Header[key] != nil {
				t.Errorf("%s: %s is %q", target, key, resp.Header[key])
			}
		}
		if resp.Header.Get("Content-Type") != "application/json" || resp.Header.Get("X-Kept") != "yes" {
			t.Errorf("%s: %v", target, resp.Header)
		}
	}
}
