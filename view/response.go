package view

import (
	"bytes"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"slices"
	"strconv"
	"sync"
)

// Response is what a view returns. Respond is called once, after all sync code of
// the request has returned; an error means that the client did not get all of
// it. A Response may be kept and returned for many requests if its Respond may be
// called at once from several goroutines, as may those of this package whose
// parts are not changed meanwhile.
type Response interface {
	Respond(w http.ResponseWriter, r *http.Request) error
}

type encoder struct {
	buf bytes.Buffer
	enc *json.Encoder
}

var encoders = sync.Pool{New: func() any {
	e := new(encoder)
	e.enc = json.NewEncoder(&e.buf)
	return e
}}

const keepBuffer = 64 << 10 // larger ones are not kept for the next response

type jsonResponse struct {
	v      any
	status int
}

// JSON answers 200 with v as JSON. v is encoded when the response is written and
// must not be changed after the view has returned; a v that cannot be encoded
// becomes a 500.
func JSON(v any) Response { return jsonResponse{v, http.StatusOK} }

// Content types as header values, shared so that setting one costs nothing.
var (
	typeJSON  = []string{"application/json"}
	typeText  = []string{"text/plain; charset=utf-8"}
	typeHTML  = []string{"text/html; charset=utf-8"}
	typeBytes = []string{"application/octet-stream"}
)

func (j jsonResponse) Respond(w http.ResponseWriter, _ *http.Request) error {
	e := encoders.Get().(*encoder)
	defer func() {
		if e.buf.Cap() <= keepBuffer {
			e.buf.Reset()
			encoders.Put(e)
		}
	}()
	if err := e.enc.Encode(j.v); err != nil {
		e.buf.Reset()
		return fmt.Errorf("encode response of type %T as JSON: %w", j.v, err)
	}
	b := e.buf.Bytes()
	return send(w, j.status, typeJSON, b[:len(b)-1]) // less Encode's newline
}

// send writes a body that is all there.
func send(w http.ResponseWriter, status int, ctype []string, body []byte) error {
	h := w.Header()
	if ctype != nil && h["Content-Type"] == nil {
		h["Content-Type"] = ctype
	}
	if len(body) > 2<<10 { // below that net/http counts for itself
		h["Content-Length"] = []string{strconv.Itoa(len(body))}
	}
	if status != http.StatusOK {
		w.WriteHeader(status)
	}
	if len(body) == 0 {
		return nil
	}
	_, err := w.Write(body)
	return err
}

type bytesResponse struct {
	status int
	ctype  []string
	body   []byte
}

func (b *bytesResponse) Respond(w http.ResponseWriter, _ *http.Request) error {
	return send(w, b.status, b.ctype, b.body)
}

// Text answers 200 with plain text.
func Text(s string) Response { return &bytesResponse{http.StatusOK, typeText, []byte(s)} }

// HTML answers 200 with a page.
func HTML(s string) Response { return &bytesResponse{http.StatusOK, typeHTML, []byte(s)} }

// Bytes answers 200 with b of the given content type ("" is
// application/octet-stream). b must not be changed afterwards.
func Bytes(contentType string, b []byte) Response {
	ctype := typeBytes
	if contentType != "" {
		ctype = []string{contentType}
	}
	return &bytesResponse{http.StatusOK, ctype, b}
}

// Status answers with a status and no body.
func Status(code int) Response { return &bytesResponse{status: code} }

// NoContent answers 204.
func NoContent() Response { return Status(http.StatusNoContent) }

type redirect struct {
	url  string
	code int
}

// Redirect sends the client to another URL with a 3xx code. A relative URL is
// taken from the request's path.
func Redirect(url string, code int) Response { return redirect{url, code} }

func (d redirect) Respond(w http.ResponseWriter, r *http.Request) error {
	http.Redirect(w, r, d.url, d.code)
	return nil
}

type header struct {
	Response
	key   string
	value [1]string // as net/http keeps it
}

func (h *header) inner() Response { return h.Response }

// WithHeader returns resp with a header set; it comes before one that resp sets
// itself, except Vary, which is added to what is there: what others vary by they
// go on to. A nil resp stays nil, so that it may be called beside an error.
func WithHeader(resp Response, key, value string) Response {
	if resp == nil {
		return nil
	}
	return &header{resp, http.CanonicalHeaderKey(key), [1]string{value}}
}

func (h *header) Respond(w http.ResponseWriter, r *http.Request) error {
	put(w.Header(), h.key, h.value[:])
	return h.Response.Respond(w, r)
}

// put sets a header; values may be shared, as long as nobody can append to it.
func put(h http.Header, key string, values []string) {
	if there := h[key]; there != nil && key == "Vary" {
		values = append(slices.Clip(there), values...)
	}
	h[key] = values
}

type headers struct {
	Response
	set http.Header
}

func (h *headers) inner() Response { return h.Response }

// WithHeaders is [WithHeader] for several headers at once. Their names must be
// canonical, and nobody may change them any more.
func WithHeaders(resp Response, set http.Header) Response {
	if resp == nil {
		return nil
	}
	return &headers{resp, set}
}

func (h *headers) Respond(w http.ResponseWriter, r *http.Request) error {
	dst := w.Header()
	for key, values := range h.set {
		put(dst, key, slices.Clip(values))
	}
	return h.Response.Respond(w, r)
}

type withStatus struct {
	Response
	code int
}

func (s *withStatus) inner() Response { return s.Response }

// WithStatus returns resp with another status.
func WithStatus(resp Response, code int) Response {
	if resp == nil {
		return nil
	}
	return &withStatus{resp, code}
}

func (s *withStatus) Respond(w http.ResponseWriter, r *http.Request) error {
	switch v := s.Response.(type) {
	case jsonResponse:
		v.status = s.code
		return v.Respond(w, r)
	case *bytesResponse:
		c := *v
		c.status = s.code
		return c.Respond(w, r)
	}
	sw := &statusWriter{ResponseWriter: w, code: s.code}
	if err := s.Response.Respond(sw, r); err != nil {
		return err
	}
	if o, ok := told[*output](w); !sw.wrote && (!ok || !o.wrote) { // it had nothing to write, and has not hijacked
		sw.WriteHeader(s.code)
	}
	return nil
}

// statusWriter writes one status in the place of another.
type statusWriter struct {
	http.ResponseWriter
	code  int
	wrote bool
}

func (s *statusWriter) Unwrap() http.ResponseWriter { return s.ResponseWriter }

func (s *statusWriter) WriteHeader(code int) {
	if code < 200 { // informational ones are not the answer
		s.ResponseWriter.WriteHeader(code)
		return
	}
	if !s.wrote {
		s.wrote = true
		s.ResponseWriter.WriteHeader(s.code)
	}
}

func (s *statusWriter) Write(b []byte) (int, error) {
	s.WriteHeader(s.code)
	return s.ResponseWriter.Write(b)
}

func (s *statusWriter) Flush() {
	s.WriteHeader(s.code)
	_ = http.NewResponseController(s.ResponseWriter).Flush()
}

type stream struct{ chunks iter.Seq2[[]byte, error] }

// Stream answers 200 with the chunks of a sequence, each flushed to the client
// before the next is asked for. The sequence runs on the request's goroutine,
// after all sync code has returned; it is stopped when the client goes away. An
// error before the first chunk becomes a response; a later one cuts the
// connection, so that the client can tell the body from a whole one. A HEAD
// request is answered when the first chunk is there, and asks for no other.
func Stream(chunks iter.Seq2[[]byte, error]) Response { return stream{chunks} }

func (s stream) Respond(w http.ResponseWriter, r *http.Request) error {
	rc := http.NewResponseController(w)
	begun := false
	for chunk, err := range s.chunks {
		if err == nil {
			err = r.Context().Err()
		}
		if err != nil {
			return fmt.Errorf("stream response: %w", err)
		}
		if !begun && w.Header()["Content-Type"] == nil {
			w.Header()["Content-Type"] = typeBytes
		}
		begun = true
		if r.Method == http.MethodHead {
			w.WriteHeader(http.StatusOK)
			return nil
		}
		if _, err = w.Write(chunk); err == nil {
			err = rc.Flush()
		}
		if err != nil {
			return fmt.Errorf("stream response: %w", err)
		}
	}
	return nil
}

type httpResponse struct{ h http.Handler }

// HTTP answers with what a handler writes. It gets the connection's own writer,
// so it may stream, upgrade and hijack. It runs after middleware has returned.
func HTTP(h http.Handler) Response { return httpResponse{h} }

func (h httpResponse) Respond(w http.ResponseWriter, r *http.Request) error {
	h.h.ServeHTTP(w, r)
	return nil
}
