package openapi

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"fmt"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"

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
		return newFile("openapi.json", text), nil
	})
	serveDocument := func(context.Context, *view.Request) (view.Response, error) {
		f, err := document()
		if err != nil {
			return nil, err
		}
		return f, nil
	}
	route := func(pattern, name string, v view.AsyncView) view.Route {
		own := []view.RouteOption{view.Name(name), view.Doc(view.Documentation{Hidden: true})}
		return view.Path(pattern, v, append(own, opts...)...)
	}
	return []view.Route{
		route("GET /openapi.json", "openapi.document", serveDocument),
		route("GET /docs/", "openapi.page", servePage),
	}
}

//go:embed page
var page embed.FS

var pageFiles = sync.OnceValue(func() map[string]*file {
	files := map[string]*file{}
	for _, name := range []string{"index.html", "docs.css", "docs.js"} {
		text, err := page.ReadFile("page/" + name)
		if err != nil {
			panic(err) // it was there when this was compiled
		}
		files[name] = newFile(name, text)
	}
	files[""] = files["index.html"]
	return files
})

func servePage(_ context.Context, r *view.Request) (view.Response, error) {
	_, name, _ := strings.Cut(r.URL().Path, "/docs/")
	if f, ok := pageFiles()[name]; ok {
		return f, nil
	}
	return nil, &view.Error{Status: http.StatusNotFound, Message: "not found"}
}

// file is a response that does not change while the program runs.
type file struct {
	name, tag string
	text      []byte
}

func newFile(name string, text []byte) *file {
	return &file{name, fmt.Sprintf(`"%.16x"`, sha256.Sum256(text)), text}
}

var contentTypes = map[string]string{
	".json": "application/json",
	".html": "text/html; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
}

// policy lets the page use its own two files, and ask its own server.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Respond answers 304 where the client has it already.
func (f *file) Respond(w http.ResponseWriter, r *http.Request) error {
	h := w.Header()
	h.Set("Content-Type", contentTypes[path.Ext(f.name)])
	h.Set("ETag", f.tag)
	h.Set("Cache-Control", "no-cache") // ask each time whether it is still this
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", policy)
	http.ServeContent(w, r, f.name, time.Time{}, bytes.NewReader(f.text))
	return nil
}
