package view

import (
	"bytes"
	"fmt"
	"html"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/tandem-go/tandem/bridge"
)

// ErrorBody is the JSON that an error is answered with.
type ErrorBody struct {
	Error     string       `json:"error" doc:"for people"`
	Code      string       `json:"code,omitempty" doc:"for programs"`
	RequestID string       `json:"request_id" doc:"names the request in the log"`
	Fields    []FieldError `json:"fields,omitempty" doc:"what of the input is wrong"`
}

// Problem is an error as application/problem+json, RFC 9457.
type Problem struct {
	Type      string       `json:"type" doc:"about:blank: no more than the status says"`
	Title     string       `json:"title" doc:"the status text"`
	Status    int          `json:"status"`
	Detail    string       `json:"detail,omitempty" doc:"for people, where there is more than the title to say"`
	Instance  string       `json:"instance" doc:"the path that was asked for"`
	Code      string       `json:"code,omitempty" doc:"for programs"`
	RequestID string       `json:"request_id" doc:"names the request in the log"`
	Fields    []FieldError `json:"fields,omitempty" doc:"what of the input is wrong"`
}

// ErrorPage is what the page of an error may show: nothing of it is for the log
// alone. All texts may have been the client's; html/template escapes them.
type ErrorPage struct {
	Status    int
	Title     string // the status text
	Message   string // for people; Title if there is no more to say
	Code      string // for programs; may be empty
	RequestID string // names the request in the log
	Fields    []FieldError
	Request   *Request // what was asked for, and by whom
}

// ErrorPages has page write the page in HTML that an error is answered with, for
// clients that would rather have that: see [Error]. All of an app's errors are:
// those of views and middleware, panics, 404 and 405. A template's Execute fits:
//
//	view.ErrorPages(func(w io.Writer, e view.ErrorPage) error { return page.Execute(w, e) })
//
// page is called on the request's goroutine, when all permits are given back, and
// must not wait, nor ask a database that may be why there is an error. Status and header are set
// already. Where it fails or panics that is logged, and the client gets the page
// that there is without this option. It must be safe for concurrent use.
func ErrorPages(page func(w io.Writer, e ErrorPage) error) Option {
	return func(a *App) { a.errorPage = page }
}

// failure is the response an error becomes.
type failure struct {
	err error
	r   *Request
}

// Respond writes the answer in the form that the client asks for.
func (f *failure) Respond(w http.ResponseWriter, r *http.Request) error {
	a := answerTo(f.err)
	if a.status < 400 || a.status > 599 {
		a.status = http.StatusInternalServerError
	}
	title := http.StatusText(a.status)
	if title == "" {
		title = "Error"
	}
	if a.message == "" {
		a.message = title
	}
	h := w.Header()
	if a.status == http.StatusServiceUnavailable {
		h.Set("Retry-After", "1") // an Error's own header takes its place
	}
	if (a.status == http.StatusRequestEntityTooLarge || a.status == http.StatusRequestTimeout) && r.ProtoMajor == 1 {
		h.Set("Connection", "close") // else net/http waits for the rest of a small body
	}
	for key, values := range a.header {
		put(h, key, slices.Clone(values)) // whoever adds to it must not add to the error's
	}
	h.Set("Cache-Control", "no-store")
	put(h, "Vary", []string{"Accept"})
	page := ErrorPage{a.status, title, a.message, a.code, f.r.ID(), a.fields, f.r}
	delete(h, "Content-Type") // of the answer that there is not
	switch errorType(r.Header["Accept"]) {
	case mediaProblem:
		h["Content-Type"] = typeProblem
		return jsonResponse{v: page.problem(r), status: a.status}.Respond(w, r)
	case mediaHTML:
		return send(w, a.status, typeHTML, f.html(h, page))
	case mediaText:
		return send(w, a.status, typeText, page.text())
	}
	return jsonResponse{v: ErrorBody{a.message, a.code, page.RequestID, a.fields}, status: a.status}.Respond(w, r)
}

var typeProblem = []string{mediaProblem}

const (
	mediaJSON    = "application/json"
	mediaProblem = "application/problem+json"
	mediaHTML    = "text/html"
	mediaText    = "text/plain"
)

// errorType is the form in which a client takes errors: JSON where it does not say,
// or takes none. Who names problem+json means errors, while JSON is also what
// the answer would have been.
func errorType(accept []string) string {
	best := preferred(accept, mediaJSON, mediaHTML, mediaText)
	if w := wishFor(accept, mediaProblem); w.near == exactly && w.q > 0 && w.q >= wishFor(accept, best).q {
		return mediaProblem
	}
	return best
}

func (e *ErrorPage) problem(r *http.Request) Problem {
	p := Problem{
		Type: "about:blank", Title: e.Title, Status: e.Status, Instance: r.URL.EscapedPath(),
		Code: e.Code, RequestID: e.RequestID, Fields: e.Fields,
	}
	if e.Message != e.Title {
		p.Detail = e.Message
	}
	return p
}

// html is the app's page, or one of our own: it has neither styles nor scripts, so
// that no policy of the site's forbids a part of it.
func (f *failure) html(h http.Header, e ErrorPage) []byte {
	if f.r.app.errorPage != nil {
		if own, ok := f.ownPage(e); ok {
			return own
		}
	}
	if h["Content-Security-Policy"] == nil {
		h.Set("Content-Security-Policy", "default-src 'none'")
	}
	var b bytes.Buffer
	title := strconv.Itoa(e.Status) + " " + html.EscapeString(e.Title)
	fmt.Fprintf(&b, `<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="robots" content="noindex">
<title>%s</title>
<h1>%s</h1>
`, title, title)
	if e.Message != e.Title {
		fmt.Fprintf(&b, "<p>%s</p>\n", html.EscapeString(e.Message))
	}
	if len(e.Fields) > 0 {
		b.WriteString("<ul>\n")
		for _, field := range e.Fields {
			fmt.Fprintf(&b, "<li>%s</li>\n", html.EscapeString(field.line()))
		}
		b.WriteString("</ul>\n")
	}
	fmt.Fprintf(&b, "<p>Request <code>%s</code></p>\n</html>\n", html.EscapeString(e.RequestID))
	return b.Bytes()
}

// ownPage is the app's page; not ok if that could not be made.
func (f *failure) ownPage(e ErrorPage) (page []byte, ok bool) {
	var b bytes.Buffer
	err := func() (err error) {
		defer func() {
			if v := recover(); v != nil {
				err = bridge.Caught(v)
			}
		}()
		return f.r.app.errorPage(&b, e)
	}()
	if err != nil {
		f.r.logger().LogAttrs(f.r.ctx, slog.LevelError, "error page failed",
			slog.Int("status", e.Status), slog.String("request_id", e.RequestID), slog.Any("error", err))
	}
	return b.Bytes(), err == nil
}

func (e *ErrorPage) text() []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "%d %s\n", e.Status, e.Title)
	if e.Message != e.Title {
		fmt.Fprintf(&b, "%s\n", e.Message)
	}
	for _, field := range e.Fields {
		fmt.Fprintf(&b, "- %s\n", field.line())
	}
	fmt.Fprintf(&b, "request %s\n", e.RequestID)
	return []byte(b.String())
}

// line is the field's error for people.
func (f FieldError) line() string {
	where := f.In
	if f.Field != "" {
		where += " " + f.Field
	}
	return where + ": " + f.Message
}
