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
}

func (o *output) Unwrap() http.ResponseWriter { return o.ResponseWriter }

func (o *output) WriteHeader(code int) {
	o.wrote = o.wrote || code >= 200 || code == http.StatusSwitchingProtocols
	o.ResponseWriter.WriteHeader(code)
}

func (o *output) Write(b []byte) (int, error) {
	o.wrote = true
	return o.ResponseWriter.Write(b)
}

// WriteString saves io.WriteString a copy.
func (o *output) WriteString(s string) (int, error) {
	o.wrote = true
	return io.WriteString(o.ResponseWriter, s)
}

// ReadFrom lets files go out by sendfile.
func (o *output) ReadFrom(r io.Reader) (int64, error) {
	o.wrote = true
	return io.Copy(o.ResponseWriter, r)
}

// Flush is http.Flusher's.
func (o *output) Flush() { _ = o.FlushError() }

// FlushError is what http.ResponseController looks for.
func (o *output) FlushError() error {
	o.wrote = true
	return http.NewResponseController(o.ResponseWriter).Flush()
}

// Hijack is http.Hijacker's; on HTTP/2 it gives http.ErrNotSupported.
func (o *output) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(o.ResponseWriter).Hijack()
	o.wrote = o.wrote || err == nil
	return conn, rw, err
}
