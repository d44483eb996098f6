package view

import (
	"errors"
	"net/http"
)

// FullDuplex is a response that may read the request's body while it is sent, as a
// [Stream] does that answers chunk by chunk. Without it HTTP/1.1 has one direction at a
// time: what is left of the body when the answer begins is thrown away. HTTP/2
// always has both. Not every HTTP/1.1 client reads before it has sent all.
func FullDuplex(resp Response) Response {
	if resp == nil {
		return nil
	}
	return &duplex{resp}
}

type duplex struct{ Response }

func (d *duplex) inner() Response { return d.Response }

func (d *duplex) Respond(w http.ResponseWriter, r *http.Request) error {
	// A server that knows no such thing does not hold the two apart, as httptest's recorder.
	if err := http.NewResponseController(w).EnableFullDuplex(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	return d.Response.Respond(w, r)
}

// WithTrailer has header fields sent behind the body: those that fields returns once the
// body is written, of which the answer's header says the names beforehand. HTTP/1.1
// has room for them only in a body whose length is not known when it begins, such as a
// [Stream]'s; clients may drop them.
func WithTrailer(resp Response, fields func() http.Header, names ...string) Response {
	if resp == nil {
		return nil
	}
	return &trailer{resp, fields, names}
}

type trailer struct {
	Response
	fields func() http.Header
	names  []string
}

func (t *trailer) inner() Response { return t.Response }

func (t *trailer) Respond(w http.ResponseWriter, r *http.Request) error {
	h := w.Header()
	for _, name := range t.names {
		h.Add("Trailer", name)
	}
	if err := t.Response.Respond(w, r); err != nil {
		return err
	}
	values := t.fields()
	for _, name := range t.names {
		if v := values.Values(name); len(v) > 0 {
			h[http.CanonicalHeaderKey(name)] = v
		}
	}
	return nil
}

// Trailer is what came behind the request's body: complete once the body has been read to
// its end, empty before. Names that the client has not announced are missing.
func (r *Request) Trailer() http.Header { return r.http.Trailer }
