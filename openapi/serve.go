package openapi

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"fmt"
	"io/fs"
	"net/http"
	"sync"
	"time"

	"github.com/tandem-go/tandem/static"
	"github.com/tandem-go/tandem/view"
)

// Routes are GET /openapi.json, the document of app, and GET /docs/, a page that
// shows it and lets one try its operations. The document is made at the first
// request for it. The page loads nothing from elsewhere and runs under a strict
// Content-Security-Policy; what it shows of the document is text only. The options
// go to both routes, such as middleware that asks who wants to know.
//
// Neither route is in the document. Routes panics where info lacks its Title or
// Version.
func Routes(app *view.App, info Info, opts ...view.RouteOption) []view.Route {
	if err := info.check(); err != nil {
		panic("openapi.Routes: " + err.Error())
	}
	document := sync.OnceValues(func() (*file, error) {
		text, err := Document(app, info)
		if err != nil {
			return nil, err
		}
		return newFile(text), nil
	})
	serveDocument := func(context.Context, *view.Request) (view.Response, error) {
		f, err := document()
		if err != nil {
			return nil, err
		}
		return f, nil
	}
	hidden := view.Doc(view.Documentation{Hidden: true})
	return []view.Route{
		view.Path("GET /openapi.json", serveDocument, view.Name("openapi.document"), hidden).Also(opts...),
		pageFiles().Route(view.Name("openapi.page")).Also(opts...),
	}
}

//go:embed page
var page embed.FS

// pageFiles are those of the page. They are asked for each time: their names stay.
var pageFiles = sync.OnceValue(func() *static.Files {
	tree, err := fs.Sub(page, "page")
	if err != nil {
		panic(err)
	}
	files, err := static.FS(tree, static.Options{
		Prefix: "/docs/", Index: "index.html", MaxAge: -1, Header: http.Header{"Content-Security-Policy": {policy}},
	})
	if err != nil {
		panic(err) // they were there when this was compiled
	}
	return files
})

// policy lets the page use its own two files, and ask its own server.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// file is the document, which does not change while the program runs.
type file struct {
	tag  string
	text []byte
}

func newFile(text []byte) *file { return &file{fmt.Sprintf(`"%.16x"`, sha256.Sum256(text)), text} }

// Respond answers 304 where the client has it already.
func (f *file) Respond(w http.ResponseWriter, r *http.Request) error {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("ETag", f.tag)
	h.Set("Cache-Control", "no-cache") // ask each time whether it is still this
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", policy)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.text))
	return nil
}
