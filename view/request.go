package view

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/tandem-go/tandem/bridge"
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
