package view

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/tandem-go/tandem/bridge"
	"github.com/tandem-go/tandem/internal/coding"
	"github.com/tandem-go/tandem/internal/requestid"
)

// Request is an [http.Request] without its context: a sync view cannot come by
// one except through [bridge.Await]. It may be read by several goroutines; body
// and form may be used by one at a time.
type Request struct {
	http      *http.Request
	app       *App
	route     context.Context // with the labels of its route
	ctx       context.Context // of the scope
	scope     bridge.Scope
	crossings atomic.Int32
	out       output
	queries   queries
	seen      *sighting     // nil without observers
	came      *came         // nil without a body or observers
	body      *spool        // once it has been read ahead
	kept      *spool        // the last answer of a plain handler that is sync
	sent      io.ReadCloser // the body as the server gave it
	formErr   error
	input     any          // of a typed sync view: a pointer to it, or the error
	limit     *limit       // nil without a deadline
	goesOn    func(func()) // the rest, where the connection was taken over; its argument is called at the end
	untie     func() bool  // of a WebSocket's

	hinting  sync.Mutex // held while a client is written to, who may be slow
	answered bool       // nothing may come before the answer any more

	mu     sync.Mutex
	query  url.Values
	id     string
	user   User
	values map[any]any
}

// Scope returns the request's scope, for [bridge.Await] and its kin.
func (r *Request) Scope() *bridge.Scope { return &r.scope }

// Crossings counts the crossings between async and sync so far.
func (r *Request) Crossings() int { return int(r.crossings.Load()) }

// Method is the request's method.
func (r *Request) Method() string { return r.http.Method }

// URL is the parsed target. It must not be changed.
func (r *Request) URL() *url.URL { return r.http.URL }

// RequestURI is the target as the client sent it.
func (r *Request) RequestURI() string { return r.http.RequestURI }

// Proto is the protocol, such as "HTTP/1.1".
func (r *Request) Proto() string { return r.http.Proto }

// Host is the host the client asked for, with its port if that is not the scheme's
// own. See [Request.Scheme] for proxies.
func (r *Request) Host() string { return r.http.Host }

// RemoteAddr is the client's address, host:port, as the server gives it. See
// [Request.Scheme] for proxies.
func (r *Request) RemoteAddr() string { return r.http.RemoteAddr }

// TLS describes the encryption of the server's own connection, which may be that of
// a proxy; nil without. See [Request.Secure].
func (r *Request) TLS() *tls.ConnectionState { return r.http.TLS }

// Header is the request's header.
func (r *Request) Header() http.Header { return r.http.Header }

// ContentLength is the body's length as the client says, -1 if it does not.
func (r *Request) ContentLength() int64 { return r.http.ContentLength }

// PathValue is the value of a wildcard of the route's pattern.
func (r *Request) PathValue(name string) string { return r.http.PathValue(name) }

// Pattern is the pattern of the route.
func (r *Request) Pattern() string { return r.http.Pattern }

// Cookie returns a cookie, or http.ErrNoCookie.
func (r *Request) Cookie(name string) (*http.Cookie, error) { return r.http.Cookie(name) }

// Query is the parsed query.
func (r *Request) Query() url.Values {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.query == nil {
		r.query = r.http.URL.Query()
	}
	return r.query
}

// formMemory is how much of a multipart form stays in memory, in bytes; files
// beyond it go to disk.
const formMemory = 1 << 20

// Form is the parsed query and form; it reads the body. An error is an answer:
// 413 for too much, 415 for a content encoding, 400 for what is no form.
func (r *Request) Form() (url.Values, error) {
	if err := r.plain(); err != nil {
		return r.Query(), err
	}
	if r.http.Form == nil { // net/http tells its errors once
		err := r.http.ParseForm()
		if err == nil {
			err = r.http.ParseMultipartForm(formMemory)
		}
		var (
			tooBig *http.MaxBytesError
			disk   *fs.PathError
			said   *Error
		)
		switch {
		case err == nil, errors.Is(err, http.ErrNotMultipart):
		case errors.As(err, &tooBig), errors.Is(err, errSpool), errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &said):
			r.formErr = unreadable(err)
		case errors.As(err, &disk):
			r.formErr = fmt.Errorf("keep the files of a form: %w", err)
		default:
			r.formErr = &Error{Status: http.StatusBadRequest, Message: "malformed form", Err: err}
		}
	}
	return r.http.Form, r.formErr
}

// FormValue is the first value of a form field or query parameter; "" if there
// is none, or no readable form. It reads the body of a form.
func (r *Request) FormValue(name string) string {
	if r.http.Body == nil || r.http.Body == http.NoBody {
		return r.Query().Get(name)
	}
	form, _ := r.Form()
	return form.Get(name)
}

// FormFile opens the first file of a multipart form's field. The caller closes it.
func (r *Request) FormFile(name string) (multipart.File, *multipart.FileHeader, error) {
	if _, err := r.Form(); err != nil {
		return nil, nil, err
	}
	return r.http.FormFile(name)
}

// Body is the request's body, bounded: reading past the bound gives a
// [*http.MaxBytesError], which becomes a 413 if returned. Where sync code is on
// the way the body has been read before, so that reading it never waits.
func (r *Request) Body() io.ReadCloser {
	if r.http.Body == nil {
		return http.NoBody
	}
	return r.http.Body
}

// readAhead reads the body before a permit is taken, once. What was wrong with it
// still is when middleware tries again.
func (r *Request) readAhead() error {
	if r.body != nil {
		return r.body.failed
	}
	if r.http.Body == nil || r.http.Body == http.NoBody {
		return nil
	}
	r.body = new(spool)
	calm := r.hurry()
	if err := r.body.fill(r.http.Body); err != nil {
		r.body.failed = unreadable(err)
		return r.body.failed
	}
	calm()
	r.http.Body = r.body
	return nil
}

// unreadable is the answer to a body that could not be read. What the network says
// of it, with its addresses, is for the log alone.
func unreadable(err error) error {
	var (
		tooBig *http.MaxBytesError
		said   *Error // of middleware that decodes it
	)
	switch {
	case errors.As(err, &said):
		return said
	case errors.Is(err, os.ErrDeadlineExceeded): // the request's, or the server's bound on silence
		return &Error{Status: http.StatusRequestTimeout, Message: "the request's body took too long", Err: errBodyLate}
	case errors.As(err, &tooBig), errors.Is(err, errSpool):
		return err
	}
	return &Error{Status: http.StatusBadRequest, Message: "request body could not be read", Err: err}
}

// witness remembers how reading ended, to tell it from what readers make of it.
type witness struct {
	io.Reader
	err error
}

func (w *witness) Read(b []byte) (int, error) {
	n, err := w.Reader.Read(b)
	if err != nil && err != io.EOF {
		w.err = err
	}
	return n, err
}

// end is the end of the request's goroutine, and of the request unless it goes on
// without it. Where there are observers it goes on when they have been put off.
func (r *Request) end() {
	switch {
	case r.goesOn == nil:
		r.close()
	case r.seen == nil:
		go r.goesOn(func() {})
	}
}

// lend gives others' code a request of ours, with the scope's context. done is to
// be called when that code is through with it.
func (r *Request) lend(ours *http.Request) (req *http.Request, done func()) {
	req = ours.WithContext(r.ctx)
	return req, func() {
		if f := req.MultipartForm; f != nil && f != ours.MultipartForm {
			_ = f.RemoveAll() // net/http knows of its own request's only
		}
	}
}

// close ends the scope and the server's use of the request.
func (r *Request) close() {
	r.scope.Close()
	r.queries.record.Load().End()
	// net/http must find its own body there: only then does it see that some of it
	// was not read, and lets the client take the answer before it hangs up on it.
	r.served().Body = r.sent
	r.drop()
}

// drop gives back what the request had when its last user calls it: the server, or
// sync code that it has abandoned the request to.
func (r *Request) drop() {
	if r.limit != nil && r.limit.users.Add(-1) >= 0 {
		return
	}
	if r.body != nil {
		r.body.drop()
	}
	for kept := r.kept; kept != nil; kept = kept.before {
		kept.drop()
	}
	if f := r.http.MultipartForm; f != nil {
		_ = f.RemoveAll() // temporary files; the system's own cleaning gets the rest
	}
}

// plain makes sure that the body is what its Content-Type says, and not coded.
func (r *Request) plain() error {
	if r.http.Body == nil || r.http.Body == http.NoBody {
		return nil
	}
	if codings := coding.Applied(r.http.Header["Content-Encoding"]); len(codings) > 0 {
		return &Error{
			Status: http.StatusUnsupportedMediaType, Message: fmt.Sprintf("content encoding %.50q is not accepted", codings[0]),
			Header: http.Header{"Accept-Encoding": {coding.Identity}}, // RFC 7694
		}
	}
	return nil
}

// errNoValue is the error of a body with nothing in it.
var errNoValue = errors.New("no value")

// Decode reads the body as one JSON value. Its errors are answers: 415 for
// another content type or a content encoding, 400 for what is not such a value, 413 for too much, 408 for
// what did not come.
func Decode[T any](r *Request) (T, error) {
	var v T
	if ct := r.http.Header.Get("Content-Type"); ct != "" {
		mt, _, err := mime.ParseMediaType(ct)
		if err != nil || mt != "application/json" && !strings.HasSuffix(mt, "+json") {
			return v, Errorf(http.StatusUnsupportedMediaType, "content type %.200q is not JSON", ct)
		}
	}
	if err := r.plain(); err != nil {
		return v, err
	}
	body := &witness{Reader: r.Body()}
	dec := json.NewDecoder(body)
	err := dec.Decode(&v)
	if err == nil {
		if _, err = dec.Token(); errors.Is(err, io.EOF) {
			return v, nil
		}
		if err == nil {
			err = errors.New("more than one value")
		}
	}
	if body.err != nil {
		return v, unreadable(body.err)
	}
	if errors.Is(err, io.EOF) {
		err = errNoValue
	}
	// It may have a value in it, as long as the client likes.
	return v, &Error{Status: http.StatusBadRequest, Message: fmt.Sprintf("request body: %.200s", err), Err: err}
}

// User is who asks. The zero value is nobody in particular. One that was given to
// a request must not be changed any more.
type User struct {
	ID          int64
	Name        string
	Superuser   bool     // has every permission
	Permissions []string // those of the user's groups included
}

// Anonymous says whether the user is unknown: neither an ID nor a name.
func (u User) Anonymous() bool { return u.ID == 0 && u.Name == "" }

// Has says whether the user has a permission. The anonymous user has none.
func (u User) Has(permission string) bool {
	return !u.Anonymous() && (u.Superuser || slices.Contains(u.Permissions, permission))
}

// User returns who asks: what middleware set, else the anonymous user, ID 0.
func (r *Request) User() User {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.user
}

// SetUser says who asks; for middleware that has found out.
func (r *Request) SetUser(u User) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.user = u
}

// LastHeader has f called with the answer's header just before it goes out, when
// the response and all middleware have set theirs: for what must not be lost to a
// Set of theirs, such as one more cookie. f is called once, on the request's
// goroutine, also for errors, with none of the request's locks held; those given
// first are called last. An answer whose client has gone may go without.
func (r *Request) LastHeader(f func(http.Header)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.limit != nil && r.limit.abandoned {
		return // the answer is another's
	}
	if before := r.out.last; before != nil {
		r.out.last = func(h http.Header) { f(h); before(h) }
		return
	}
	r.out.last = f
}

// Set keeps a value with the request. Unlike a context's values these go both
// ways: what a view sets its middleware sees, in either mode. Keys are of types
// of the setter's own, as with contexts.
func (r *Request) Set(key, value any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.values == nil {
		r.values = make(map[any]any)
	}
	r.values[key] = value
}

// Value returns the value that was Set for the key, else that of the request's
// context, as [RequestContext] and net/http middleware have made it, if it is a T.
func Value[T any](r *Request, key any) (T, bool) {
	r.mu.Lock()
	value, set := r.values[key]
	r.mu.Unlock()
	if !set && r.ctx != nil {
		value = r.ctx.Value(key)
	}
	v, ok := value.(T)
	return v, ok
}

// ID is the request's id: the client's X-Request-Id if that is sane, else one of
// our own, which under a worker is the one that its supervisor names.
func (r *Request) ID() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.id == "" {
		r.id = r.newID()
	}
	return r.id
}

func (r *Request) newID() string {
	if id := givenID(r.http, r.out.ResponseWriter); id != "" {
		return id
	}
	b := make([]byte, 0, 16)
	b = binary.BigEndian.AppendUint64(b, rand.Uint64())
	return hex.EncodeToString(binary.BigEndian.AppendUint64(b, rand.Uint64()))
}

// givenID is the id that a request comes with; "" if it has none.
func givenID(r *http.Request, w http.ResponseWriter) string {
	if id := r.Header.Get(requestid.Header); requestid.Sane(id) {
		return id
	}
	if w, ok := told[interface{ RequestID() string }](w); ok {
		return w.RequestID()
	}
	return ""
}

// told finds what a server's own writer can be told or asked, below what
// middleware has put around it.
func told[T any](w http.ResponseWriter) (T, bool) {
	for {
		if t, ok := w.(T); ok {
			return t, true
		}
		u, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			var none T
			return none, false
		}
		w = u.Unwrap()
	}
}
