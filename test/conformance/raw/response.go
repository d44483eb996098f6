package raw

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"strconv"
	"strings"
)

// Response is one answer.
type Response struct {
	Status int // 0: it is no HTTP
	Proto  string
	Header []Field
	Body   []byte
	Whole  bool // the body is
}

// Field is a header field.
type Field struct{ Name, Value string }

// Values are those of a header field, in their order.
func (r *Response) Values(name string) []string {
	var values []string
	for _, f := range r.Header {
		if strings.EqualFold(f.Name, name) {
			values = append(values, f.Value)
		}
	}
	return values
}

// Get is the first value of a header field; "" if there is none.
func (r *Response) Get(name string) string {
	if values := r.Values(name); len(values) > 0 {
		return values[0]
	}
	return ""
}

// Closing says whether the server has announced to close the connection.
func (r *Response) Closing() bool {
	connection := strings.ToLower(r.Get("Connection"))
	return connection == "close" || r.Proto == "HTTP/1.0" && connection != "keep-alive"
}

func (r *Response) final() bool { return r.Status >= 200 || r.Status == 0 || r.Status == 101 }

var statusLine = regexp.MustCompile(`^(HTTP/\d\.\d) (\d{3})`)

// errShort is of a body of which more is to come.
var errShort = errors.New("the body is not whole")

// cut takes one answer off b; nil: there is no whole one. At the end of the
// connection one that lacks some of its body is given too.
func cut(b []byte, ended, head bool) (r *Response, rest []byte) {
	block, rest, found := bytes.Cut(b, []byte("\r\n\r\n"))
	if !found {
		return nil, b
	}
	lines := strings.Split(string(block), "\r\n")
	status := statusLine.FindStringSubmatch(lines[0])
	if status == nil {
		return &Response{Body: b}, nil
	}
	r = &Response{Proto: status[1]}
	r.Status, _ = strconv.Atoi(status[2]) // three digits
	for _, line := range lines[1:] {
		name, value, _ := strings.Cut(line, ":")
		r.Header = append(r.Header, Field{name, strings.Trim(value, " \t")})
	}
	if head || r.Status < 200 || r.Status == 204 || r.Status == 304 {
		r.Whole = true
		return r, rest
	}
	body := bytes.NewReader(rest)
	var err error
	r.Body, err = r.body(body, ended)
	switch {
	case err == nil:
		r.Whole = true
		return r, rest[len(rest)-body.Len():]
	case ended:
		return r, nil
	}
	return nil, b
}

func (r *Response) body(from *bytes.Reader, ended bool) ([]byte, error) {
	if strings.EqualFold(r.Get("Transfer-Encoding"), "chunked") {
		return chunked(from)
	}
	if length := r.Get("Content-Length"); length != "" {
		n, err := strconv.ParseUint(length, 10, 31)
		if err != nil {
			return nil, errShort
		}
		return take(from, int(n))
	}
	all, _ := io.ReadAll(from) // of memory
	if !ended {
		return all, errShort
	}
	return all, nil
}

// take reads n octets, or what there is.
func take(from *bytes.Reader, n int) ([]byte, error) {
	b := make([]byte, min(n, from.Len()))
	_, _ = io.ReadFull(from, b) // of memory
	if len(b) < n {
		return b, errShort
	}
	return b, nil
}

// chunked reads chunks and trailer.
func chunked(from *bytes.Reader) (body []byte, err error) {
	for {
		line, err := readLine(from)
		if err != nil {
			return body, err
		}
		size, _, _ := strings.Cut(line, ";")
		n, err := strconv.ParseUint(size, 16, 31)
		if err != nil {
			return body, errShort
		}
		if n == 0 {
			break
		}
		chunk, err := take(from, int(n)+len("\r\n"))
		body = append(body, chunk[:min(len(chunk), int(n))]...)
		if err != nil {
			return body, err
		}
	}
	for { // the trailer
		line, err := readLine(from)
		if err != nil || line == "" {
			return body, err
		}
	}
}

func readLine(from *bytes.Reader) (string, error) {
	line := make([]byte, 0, 16)
	for {
		b, err := from.ReadByte()
		switch {
		case err != nil:
			return "", errShort
		case b == '\n':
			return strings.TrimSuffix(string(line), "\r"), nil
		}
		line = append(line, b)
	}
}

// All reads every answer of a connection that has ended. To which requests they
// are need not be known: an answer that another one follows at once has no body,
// whatever its header says of one. It is for servers whose bodies do not begin
// like an answer.
func All(b []byte) []*Response {
	var all []*Response
	for len(b) > 0 {
		_, after, _ := bytes.Cut(b, []byte("\r\n\r\n"))
		r, rest := cut(b, true, len(after) == 0 || statusLine.Match(after))
		if r == nil {
			return append(all, &Response{Body: b}) // half a header
		}
		all, b = append(all, r), rest
	}
	return all
}
