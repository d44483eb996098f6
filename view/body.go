package view

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/tandem-go/tandem/internal/coding"
	"github.com/tandem-go/tandem/internal/http1"
)

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

// Body is the request's body, bounded. An error of reading it is an answer, if
// returned: past the bound it is a [*http.MaxBytesError], a 413, else an [*Error]
// that says 408 for a body that came too slowly, and 400 for one that is malformed or
// was cut. Where sync code is on the way the body has been read before, so that
// reading it never waits.
func (r *Request) Body() io.ReadCloser {
	switch b := r.http.Body; b {
	case nil, http.NoBody:
		return http.NoBody
	default:
		return answering{b}
	}
}

// answering makes answers of a body's errors.
type answering struct{ io.ReadCloser }

func (a answering) Read(b []byte) (int, error) {
	n, err := a.ReadCloser.Read(b)
	if err != nil && err != io.EOF && !errors.Is(err, http.ErrBodyReadAfterClose) { // which is the view's own mistake
		err = unreadable(err)
	}
	return n, err
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
		tooBig  *http.MaxBytesError
		said    *Error // of middleware that decodes it
		refused *http1.Refusal
	)
	switch {
	case errors.As(err, &said):
		return said
	case errors.Is(err, os.ErrDeadlineExceeded): // the request's, or the server's bound on silence
		return &Error{Status: http.StatusRequestTimeout, Message: "the request's body took too long", Err: fmt.Errorf("%w: %w", errBodyLate, err)}
	case errors.As(err, &tooBig), errors.Is(err, errSpool):
		return err
	case errors.As(err, &refused):
		return &Error{Status: refused.Status, Message: refused.Reason, Err: err}
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
