package auth

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/tandem-go/tandem/view"
)

// Require lets only users with all of the permissions come to a route's view. The
// anonymous get 401 with the challenges of the schemes around the route, others
// 403, before the view's permit is taken. It never crosses, and stands inside of the
// middleware of [view.App.Use] and of a [view.With] that was given before it;
// those find the user. The plan shows it among the route's middleware.
func Require(permissions ...string) view.RouteOption {
	if len(permissions) == 0 || slices.Contains(permissions, "") {
		panic("auth.Require: name the permissions; LoggedIn wants any user")
	}
	permissions = slices.Clone(permissions)
	return guard("auth.Require("+strings.Join(permissions, ", ")+")", permissions)
}

// LoggedIn lets only users who are not anonymous come to a route's view, as
// [Require] does.
func LoggedIn() view.RouteOption { return guard("auth.LoggedIn", nil) }

func guard(name string, permissions []string) view.RouteOption {
	return view.With(view.Phases(func(r *view.Request) (view.Response, error) {
		u := r.User()
		if u.Anonymous() {
			return unauthorized(r)
		}
		for _, p := range permissions {
			if !u.Has(p) {
				return nil, forbidden(r, u, p, permissions)
			}
		}
		return nil, nil
	}, nil).Named(name))
}

func unauthorized(r *view.Request) (view.Response, error) {
	st := stateOf(r)
	if st.login != "" && isPageVisit(r) {
		wanted := r.RequestURI() // as it was before somebody stripped a prefix
		if !isLocal(wanted) {
			wanted = r.URL().RequestURI()
		}
		to := st.login
		if isLocal(wanted) { // else Next would not take it
			to += "?next=" + url.QueryEscape(wanted)
		}
		return view.WithHeader(view.Redirect(to, http.StatusSeeOther), "Cache-Control", "no-store"), nil
	}
	e := &view.Error{Status: http.StatusUnauthorized, Code: "unauthenticated", Message: "log in first"}
	if len(st.challenges) > 0 {
		e.Header = challenge(st.challenges...)
	}
	return nil, e
}

func forbidden(r *view.Request, u view.User, lacks string, wanted []string) error {
	e := &view.Error{
		Status: http.StatusForbidden, Code: "forbidden", Message: "you may not do this",
		Err: fmt.Errorf("user %d lacks the permission %q", u.ID, lacks),
	}
	if st := stateOf(r); st.token != "" {
		value := st.token + `, error="insufficient_scope"`
		if scope := strings.Join(wanted, " "); isScope(scope) {
			value += `, scope="` + scope + `"`
		}
		e.Header = challenge(value)
	}
	return e
}

// isScope says whether permissions can be named as RFC 6750 names scopes.
func isScope(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' || s[i] == '"' || s[i] == '\\' {
			return false
		}
	}
	return true
}

// LoginPage makes middleware that has [Require] and [LoggedIn] send the anonymous
// who visit a page, by GET or HEAD with a browser, to a login page, with the page
// they wanted as the parameter "next", if it has at most 2048 bytes; [Next] reads it. Others get their 401. The
// path is one of this site without a query; it panics if it is not.
func LoginPage(path string) view.Middleware {
	if !isLocal(path) || strings.ContainsAny(path, "?#") {
		panic(fmt.Sprintf("auth.LoginPage: %q is no path of this site", path))
	}
	return view.Phases(func(r *view.Request) (view.Response, error) {
		stateOf(r).login = path
		return nil, nil
	}, nil).Named("auth.LoginPage")
}

// Next is where to go after a login: the parameter "next" of the query or form if
// that is a path of this site, else the fallback. It reads the body of a form.
func Next(r *view.Request, fallback string) string {
	if next := r.FormValue("next"); isLocal(next) {
		return next
	}
	return fallback
}

// maxNext bounds the path to come back to, in bytes: it is in a header, escaped.
const maxNext = 2048

// isLocal says whether a browser stays on this site when it is sent there. Two
// slashes begin a host, a browser takes a backslash for a slash, and control
// characters for nothing.
func isLocal(path string) bool {
	if !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") || len(path) > maxNext {
		return false
	}
	if strings.ContainsFunc(path, func(c rune) bool { return c == '\\' || c <= ' ' || c == 0x7f || c == '\uFFFD' }) {
		return false
	}
	u, err := url.Parse(path)
	return err == nil && u.Scheme == "" && u.Host == "" && u.User == nil
}

// isPageVisit says whether somebody looks at a page, who can be sent to another:
// a GET or HEAD that would rather have HTML.
func isPageVisit(r *view.Request) bool {
	if m := r.Method(); m != http.MethodGet && m != http.MethodHead {
		return false
	}
	switch r.PreferredType("application/json", "text/html", "application/xhtml+xml") {
	case "text/html", "application/xhtml+xml":
		return true
	}
	return false
}
