package view

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"time"
)

// output is the connection's writer, and remembers whether anything has been
// written: as long as not, an error can still be answered. It passes on what
// handlers look for in a writer.
type output struct {
	http.ResponseWriter
	wrote  bool
	status int               // once wrote
	bytes  int64             // of the body
	timed  bool              // wants to know:
	begun  time.Time         // when the answer began
	of     *Request          // nil in front of middleware
	last   func(http.Header) // what has the last word on the header; nil once it had
}

// begin is called before the first byte of an answer.
func (o *output) begin(code int) {
	if !o.wrote {
		o.answers(code)
	}
	if f := o.last; f != nil {
		o.last = nil
		f(o.Header())
	}
}

func (o *output) answers(code int) {
	o.wrote, o.status = true, code
	if o.timed {
		o.begun = time.Now()
	}
}

// cancel ends the ctx of the request that is answered.
func (o *output) cancel(cause error) {
	if o.of != nil {
		o.of.scope.Cancel(cause)
	}
}

func (o *output) Unwrap() http.ResponseWriter { return o.ResponseWriter }

func (o *output) WriteHeader(code int) {
	// What is beyond three digits net/http refuses with a panic, and an answer has not begun.
	if code >= 200 && code <= 999 || code == http.StatusSwitchingProtocols {
		o.begin(code)
	}
	o.ResponseWriter.WriteHeader(code)
}

func (o *output) Write(b []byte) (int, error) {
	o.begin(http.StatusOK)
	n, err := o.ResponseWriter.Write(b)
	o.bytes += int64(n)
	return n, err
}

// WriteString saves io.WriteString a copy.
func (o *output) WriteString(s string) (int, error) {
	o.begin(http.StatusOK)
	n, err := io.WriteString(o.ResponseWriter, s)
	o.bytes += int64(n)
	return n, err
}

// ReadFrom lets files go out by sendfile.
func (o *output) ReadFrom(r io.Reader) (int64, error) {
	o.begin(http.StatusOK)
	n, err := io.Copy(o.ResponseWriter, r)
	o.bytes += n
	return n, err
}

// Flush is http.Flusher's.
func (o *output) Flush() { _ = o.FlushError() }

// FlushError is what http.ResponseController looks for.
func (o *output) FlushError() error {
	o.begin(http.StatusOK)
	return http.NewResponseController(o.ResponseWriter).Flush()
}

// Hijack is http.Hijacker's; on HTTP/2 it gives http.ErrNotSupported.
func (o *output) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(o.ResponseWriter).Hijack()
	if err == nil && !o.wrote {
		o.answers(http.StatusSwitchingProtocols) // what is hijacked speaks another one
	}
	return conn, rw, err
}
