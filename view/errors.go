package view

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"

	"github.com/tandem-go/tandem/bridge"
	"github.com/tandem-go/tandem/internal/http1"
)

// StatusClientGone is the status of requests whose client went away before there
// was an answer: logged, and received by nobody. An answer that is there is written
// all the same, for clients that have only closed their sending side.
const StatusClientGone = 499

// ErrNoResponse is the error of a view or middleware that returned neither a
// Response nor an error.
var ErrNoResponse = errors.New("the view returned neither a response nor an error")

// Error is an error with an answer of its own. Its Message goes to the client;
// its cause goes to the log alone, as "cause" beside the error.
//
// Like every error it is answered in the form that the client's Accept prefers: a
// page in HTML, [Problem], plain text, or else the JSON of [ErrorBody].
type Error struct {
	Status  int    // 400 to 599
	Code    string // for programs; "code" in the body; may be empty
	Message string // for people; the status text if empty
	Err     error  // the cause; may be nil

	// Header is what the answer's header has besides, by canonical names: a
	// challenge, how long to wait. It must not be changed any more.
	Header http.Header

	Fields []FieldError // what of the input is wrong; may be nil
}

// methodNotAllowed is a 405 that says what is allowed.
func methodNotAllowed(allow string) *Error {
	return &Error{Status: http.StatusMethodNotAllowed, Message: "method not allowed", Header: http.Header{"Allow": {allow}}}
}

// Errorf makes an Error with a formatted message, shown to the client. A wrapped
// error (%w) is its cause.
func Errorf(status int, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Status: status, Message: err.Error(), Err: errors.Unwrap(err)}
}

// Error gives the message; without one the status text and the cause.
func (e *Error) Error() string {
	msg := e.Message
	if msg == "" {
		msg = http.StatusText(e.Status)
	}
	if e.Err != nil && e.Message == "" {
		return msg + ": " + e.Err.Error()
	}
	return msg
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// HTTPStatus returns the status.
func (e *Error) HTTPStatus() int { return e.Status }

// answer is what an error becomes.
type answer struct {
	status        int
	code, message string
	header        http.Header
	fields        []FieldError
}

// answerTo maps an error to its answer. Errors of other packages may say their
// status with a method HTTPStatus() int; the client then sees the status text. A
// 503 has a Retry-After, whoever says it.
func answerTo(err error) answer {
	var (
		e      *Error
		tooBig *http.MaxBytesError
		status interface{ HTTPStatus() int }
		panicd *bridge.PanicError
	)
	switch {
	case errors.As(err, &panicd):
		return answer{status: http.StatusInternalServerError}
	case errors.As(err, &tooBig):
		return answer{status: http.StatusRequestEntityTooLarge, message: fmt.Sprintf("request body is larger than %d bytes", tooBig.Limit)}
	case errors.As(err, &e):
		return answer{status: e.Status, code: e.Code, message: e.Message, header: e.Header, fields: e.Fields}
	case errors.Is(err, bridge.ErrSaturated):
		return answer{status: http.StatusServiceUnavailable, message: "busy, try again"}
	case errors.Is(err, context.DeadlineExceeded):
		return answer{status: http.StatusGatewayTimeout}
	case errors.As(err, &status):
		return answer{status: status.HTTPStatus()}
	}
	return answer{status: http.StatusInternalServerError}
}

// failed makes the response of an error.
func (r *Request) failed(err error) Response { return &failure{err, r} }

// settle makes sure that there is a response: an error wins over a response
// unless that response is the error's own, perhaps with headers added.
func (r *Request) settle(resp Response, err error) (Response, error) {
	if err == nil {
		if resp == nil {
			return r.failed(ErrNoResponse), ErrNoResponse
		}
		return resp, nil
	}
	if f, ok := innermost(resp).(*failure); ok && errors.Is(err, f.err) {
		return resp, err
	}
	return r.failed(err), err
}

// innermost is what headers and statuses have been added to.
func innermost(resp Response) Response {
	for {
		w, ok := resp.(interface{ inner() Response })
		if !ok {
			return resp
		}
		resp = w.inner()
	}
}

// caught turns a panic into an error and its response. http.ErrAbortHandler is
// net/http's own and passes. It is to be deferred.
func (r *Request) caught(resp *Response, err *error) {
	if v := recover(); v != nil {
		p := r.panicked(v)
		*resp, *err = r.failed(p), p
	}
}

// panicked logs a panic as one record.
func (r *Request) panicked(v any) error {
	p := bridge.Caught(v)
	if errors.Is(p, http.ErrAbortHandler) {
		panic(http.ErrAbortHandler)
	}
	r.note(p)
	r.logger().LogAttrs(r.ctx, slog.LevelError, "view panicked",
		slog.String("request_id", r.ID()), slog.String("method", r.http.Method), slog.String("path", r.http.URL.Path),
		slog.Any("panic", p.Value), slog.String("stack", string(p.Stack)))
	return p
}

func (r *Request) logger() *slog.Logger { return r.app.logger() }

// write ends the request. All permits are back by now.
func (r *Request) write(resp Response, err error) {
	r.answering()
	if err != nil {
		// net/http takes a body that it could not read for a client that has left.
		if errors.Is(r.http.Context().Err(), context.Canceled) && !errors.Is(err, errBodyLate) && !refusedBody(err) {
			refusal := r.refusal()
			if refusal == nil {
				r.report(StatusClientGone, err)
				r.out.WriteHeader(StatusClientGone) // else net/http would say 200 to whoever logs it
				return
			}
			err = unreadable(refusal)
			if f, ok := innermost(resp).(*failure); ok {
				f.err = err // what middleware has put around it stays
			} else {
				resp = r.failed(err)
			}
		}
		r.report(answerTo(err).status, err)
	}
	err = r.respond(resp)
	if err == nil {
		r.out.begin(http.StatusOK) // an empty answer has not written any
	}
	gone := r.http.Context().Err() != nil
	switch {
	case err == nil:
		return
	case gone:
		r.report(StatusClientGone, err)
	case r.out.wrote && answerTo(err).status != StatusClientGone:
		r.report(http.StatusInternalServerError, err)
	default:
		r.report(answerTo(err).status, err)
	}
	switch {
	case r.out.wrote:
		// Half of it is out: cut the connection, or it would look whole. Also
		// where the client seems gone: it may only have closed its sending side,
		// or it is the server that ends.
		panic(http.ErrAbortHandler)
	case gone:
		r.out.WriteHeader(StatusClientGone)
	default:
		for _, key := range ofBody {
			delete(r.out.Header(), key)
		}
		if err := r.failed(err).Respond(&r.out, r.http); err != nil {
			r.report(StatusClientGone, err)
		}
	}
}

// refusedBody reports whether an error is that of a body of which the server has
// refused the rest, while its client waits for the answer.
func refusedBody(err error) bool {
	var tooBig *http.MaxBytesError
	var refused *http1.Refusal
	return errors.As(err, &tooBig) || errors.As(err, &refused)
}

// refusal is why the server has refused the rest of the body, where net/http has made
// another error of it, as of what is wrong in a trailer; nil if it has not.
func (r *Request) refusal() error {
	if w, ok := told[interface{ BodyRefused() error }](&r.out); ok {
		return w.BodyRefused()
	}
	return nil
}

// ofBody are the headers that describe a body: that of another answer is not so.
var ofBody = []string{
	"Content-Type", "Content-Length", "Content-Encoding", "Content-Disposition", "Content-Language", "Content-Range",
	"Accept-Ranges", "Etag", "Last-Modified", "Trailer", "Transfer-Encoding",
}

// respond lets resp write itself, and makes a panic of it an error.
func (r *Request) respond(resp Response) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = r.panicked(v)
		}
	}()
	switch innermost(resp).(type) {
	case jsonResponse, *bytesResponse, *failure, redirect, stream:
		return resp.Respond(&r.out, r.served())
	}
	ours := r.http
	if r.limit != nil && r.limit.apart {
		ours = r.limit.served // the other is its abandoned sync code's
	}
	req, done := r.lend(ours)
	defer done()
	return resp.Respond(&r.out, req)
}

// report logs a request that failed. Panics were logged with their stacks where
// they were caught.
func (r *Request) report(status int, err error) {
	r.note(err)
	var p *bridge.PanicError
	if errors.As(err, &p) {
		return
	}
	level := slog.LevelDebug // the client's fault
	switch {
	case status == StatusClientGone:
		level = slog.LevelInfo
	case status == http.StatusServiceUnavailable, status == http.StatusGatewayTimeout:
		level = slog.LevelWarn
	case status >= 500:
		level = slog.LevelError
	}
	attrs := []slog.Attr{
		slog.Int("status", status), slog.String("request_id", r.ID()),
		slog.String("method", r.http.Method), slog.String("path", r.http.URL.Path), slog.Any("error", err),
	}
	if cause := untold(err); cause != "" {
		attrs = append(attrs, slog.String("cause", cause))
	}
	r.logger().LogAttrs(r.ctx, level, "request failed", attrs...)
}

// untold is what err does not say of the causes of the Errors in it: their text may
// become a message, so it is without them.
func untold(err error) string {
	said := err.Error()
	var causes []string
	for e := (*Error)(nil); errors.As(err, &e) && e.Err != nil; err = e.Err {
		if cause := e.Err.Error(); !strings.Contains(said, cause) {
			causes = append(causes, fmt.Sprintf("%.1000s", cause))
		}
	}
	return strings.Join(causes, ": ")
}
