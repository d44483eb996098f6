package view

import (
	"net/http"
	"net/url"
	"path"
	"strings"
)

// RawPaths has the app take every path as the client sent it. Without it a path
// that is not in its canonical form, such as "//a" or "/a/../b", is redirected to
// that form, as by [http.ServeMux]. With it no route matches such a path but one
// that takes all, "/" or "/{path...}", which sees it unchanged; without such a
// route it is not found. The same holds for targets without a path, "*" and
// CONNECT's. It is for apps that pass requests on or say what arrived. Who finds
// files by the path must clean it.
func RawPaths() Option { return func(a *App) { a.rawPaths = true } }

// rest is the route that takes all.
type rest struct {
	handler  http.Handler
	pattern  string
	wildcard string // its name; "": the pattern has none
}

// takesAll says whether a pattern matches whatever no other does, and what it
// calls the path then.
func takesAll(pattern string) (wildcard string, all bool) {
	if pattern == "/" {
		return "", true
	}
	name, found := strings.CutPrefix(pattern, "/{")
	name, dots := strings.CutSuffix(name, "...}")
	return name, found && dots && !strings.Contains(name, "/")
}

func (t *rest) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r.Pattern = t.pattern // as ServeMux does
	if t.wildcard != "" {
		r.SetPathValue(t.wildcard, strings.TrimPrefix(r.URL.Path, "/"))
	}
	t.handler.ServeHTTP(w, r)
}

// canonical reports whether ServeMux takes the path as it is.
func canonical(u *url.URL) bool {
	sent := u.EscapedPath()
	if !strings.HasPrefix(sent, "/") {
		return false
	}
	clean := path.Clean(sent)
	return sent == clean || clean != "/" && sent == clean+"/"
}

// raw reports whether a request is for the route that takes all, whatever others
// there are.
func (a *App) raw(r *http.Request) bool { return a.rawPaths && !canonical(r.URL) }

// serve has the request's route answer it.
func (a *App) serve(w http.ResponseWriter, r *http.Request) {
	if a.raw(r) {
		a.rest.ServeHTTP(w, r)
		return
	}
	a.mux.ServeHTTP(w, r)
}
