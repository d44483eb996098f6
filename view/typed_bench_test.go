package view_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/tandem-go/tandem/view"
)

var postBody = []byte(`{"title":"Riding in tandem","score":7,"tags":["go","async"],"due":"2026-01-02T03:04:05Z",` +
	`"owner":{"name":"Ada","email":"ada@example.org","notes":{"first":"one","second":"two"}}}`)

// BenchmarkJSON is encoding/json alone; the others are it within a request.
func BenchmarkJSON(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		var p post
		if err := json.Unmarshal(postBody, &p); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkJSONDecodedByTheView(b *testing.B) {
	postEach(b, view.Path("/", func(_ context.Context, r *view.Request) (view.Response, error) {
		_, err := view.Decode[post](r)
		return view.Status(204), err
	}))
}

func BenchmarkJSONView(b *testing.B) {
	postEach(b, view.Path("/", view.JSONView(func(context.Context, *view.Request, post) (view.None, error) { return view.None{}, nil })))
}

func postEach(b *testing.B, rt view.Route) {
	app := view.New()
	app.Routes(rt)
	body := bytes.NewReader(postBody)
	r := httptest.NewRequest("POST", "/", body)
	r.Header.Set("Content-Type", "application/json")
	sent := r.Body
	b.ReportAllocs()
	for b.Loop() {
		body.Reset(postBody)
		r.Body = sent
		w := nowhere{http.Header{}}
		app.ServeHTTP(&w, r)
	}
}
