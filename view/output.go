package view

import (
	"bufio"
	"io"
	"net"
	"net/http"
)

// output is the connection's writer, and remembers whether anything has been
// written: as long as not, an error can still be answered. It passes on what
// handlers look for in a writer.
type output struct {
	http.ResponseWriter
	wrote bool
	last  func(http.Header) // what has the last word on the header; nil once it had
}

// begin is called before the first byte of an answer.
func (o *output) begin() {
	o.wrote = true
	if f := o.last; f != nil {
		o.last = nil
		f(o.Header())
	}
}

func (o *output) Unwrap() http.ResponseWriter { return o.ResponseWriter }

func (o *output) WriteHeader(code int) {
	if code >= 200 || code == http.StatusSwitchingProtocols {
		o.begin()
	}
	o.ResponseWriter.WriteHeader(code)
}

func (o *output) Write(b []byte) (int, error) {
	o.begin()
	return o.ResponseWriter.Write(b)
}

// WriteString saves io.WriteString a copy.
func (o *output) WriteString(s string) (int, error) {
	o.begin()
	return io.WriteString(o.ResponseWriter, s)
}

// ReadFrom lets files go out by sendfile.
func (o *output) ReadFrom(r io.Reader) (int64, error) {
	o.begin()
	return io.Copy(o.ResponseWriter, r)
}

// Flush is http.Flusher's.
func (o *output) Flush() { _ = o.FlushError() }

// FlushError is what http.ResponseController looks for.
func (o *output) FlushError() error {
	o.begin()
	return http.NewResponseController(o.ResponseWriter).Flush()
}

// Hijack is http.Hijacker's; on HTTP/2 it gives http.ErrNotSupported.
func (o *output) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(o.ResponseWriter).Hijack()
	o.wrote = o.wrote || err == nil
	return conn, rw, err
}
