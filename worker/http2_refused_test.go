package worker_test

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/tandem-go/tandem/test/h2raw"
	"github.com/tandem-go/tandem/worker"
)

// Settings, log and answer are those of HTTP/1; the connection goes on.
func TestARefusedRequestOfHTTP2ReachesNoHandler(t *testing.T) {
	log := watched{text: `status=400 because="a fragment in the request target" clause="RFC 9112 3.2"`, seen: make(chan struct{})}
	addr, drain := alone(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/served" {
			t.Errorf("%s has reached the handler", r.URL.Path)
		}
		io.WriteString(w, "served")
	}), worker.Limit(worker.Limits{RequestLine: 100, HeaderLine: 100, HeaderBytes: 300, HeaderFields: 5, Body: 10}),
		worker.Logger(slog.New(slog.NewTextHandler(&log, nil))))
	c := speak(t, addr, h2raw.HeaderTableSize, 0)
	long := strings.Repeat("a", 90)
	send(t, c, h2raw.Request(1, "GET", "/#", h2raw.EndStream))
	<-log.seen // and of the others in the same second their number
	stream := uint32(3)
	for because, r := range map[string]h2raw.Frame{
		"400 Bad Request: a fragment in the request target\n":                            h2raw.Request(0, "GET", "/1#", h2raw.EndStream),
		"414 Request URI Too Long: the request line is too long\n":                       h2raw.Request(0, "GET", "/2"+long, h2raw.EndStream),
		"431 Request Header Fields Too Large: a header line is too long\n":               h2raw.Request(0, "GET", "/3", h2raw.EndStream, "a", long+long),
		"431 Request Header Fields Too Large: the header is too long\n":                  h2raw.Request(0, "GET", "/4", h2raw.EndStream, "a", long, "b", long, "c", long),
		"431 Request Header Fields Too Large: the header has too many lines\n":           h2raw.Request(0, "GET", "/5", h2raw.EndStream, "a", "", "b", "", "c", "", "d", "", "e", ""),
		"413 Request Entity Too Large: the body is too large\n":                          h2raw.Request(0, "POST", "/6", 0, "content-length", "11"),
		"417 Expectation Failed: an expectation other than 100-continue\n":               h2raw.Request(0, "GET", "/7", h2raw.EndStream, "expect", "more"),
		"400 Bad Request: a Content-Length that is not that of the body\n":               h2raw.Request(0, "GET", "/8", h2raw.EndStream, "content-length", "1"),
		"400 Bad Request: more than one Host\n":                                          h2raw.Request(0, "GET", "/9", h2raw.EndStream, "host", "localhost", "host", "localhost"),
		"400 Bad Request: an octet in the request target that must be percent-encoded\n": h2raw.Request(0, "GET", "/\xff", h2raw.EndStream),
	} {
		r.Stream = stream
		send(t, c, r)
		until(t, c, h2raw.Headers, stream)
		if f := until(t, c, h2raw.Data, stream); string(f.Payload) != because || f.Flags&h2raw.EndStream == 0 {
			t.Errorf("answered %q, flags %d; want %q", f.Payload, f.Flags, because)
		}
		if r.Flags&h2raw.EndStream == 0 { // what is still to come is not waited for
			for f, err := c.Next(); f.Type != h2raw.RSTStream || f.Code() != h2raw.NoError; f, err = c.Next() {
				if err != nil {
					t.Fatal(err)
				}
			}
		}
		stream += 2
	}
	send(t, c, h2raw.Request(stream, "GET", "/served", h2raw.EndStream))
	if f := until(t, c, h2raw.Headers, stream); f.Status() != http.StatusOK {
		t.Errorf("one that is in order: %+v", f)
	}
	if err := drain(); err != nil {
		t.Error(err)
	}
}

// A body whose length was not announced is bounded as it comes.
func TestABodyOfHTTP2IsBounded(t *testing.T) {
	read := make(chan error, 1)
	addr, drain := alone(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, err := io.ReadAll(r.Body)
		read <- err
	}), worker.Limit(worker.Limits{Body: 5}))
	c := speak(t, addr)
	for i, length := range []int{5, 6} {
		stream := uint32(2*i + 1)
		send(t, c, h2raw.Request(stream, "POST", "/", 0), h2raw.Frame{Type: h2raw.Data, Flags: h2raw.EndStream, Stream: stream, Payload: make([]byte, length)})
		err := <-read
		if _, long := errors.AsType[*http.MaxBytesError](err); long != (length > 5) {
			t.Errorf("of %d bytes with a bound of 5: %v", length, err)
		}
		until(t, c, h2raw.Headers, stream)
	}
	if err := drain(); err != nil {
		t.Error(err)
	}
}

// Who takes nothing of the refusal is given up, as of any answer.
func TestARefusalOfHTTP2ThatIsNotTakenIsGivenUp(t *testing.T) {
	addr, drain := alone(t, http.NotFoundHandler(), worker.StallTimeout(stall))
	c := speak(t, addr, h2raw.InitialWindowSize, 0)
	send(t, c, h2raw.Request(1, "GET", "/#", h2raw.EndStream))
	for f, err := c.Next(); f.Type != h2raw.RSTStream; f, err = c.Next() {
		if err != nil {
			t.Fatal("it was not reset: ", err)
		}
	}
	if err := drain(); err != nil {
		t.Error(err)
	}
}

// Like every answer of a worker that drains, a refusal tells the client to go.
func TestARefusalOfHTTP2WhileDrainingComesWithAGoAway(t *testing.T) {
	begun, draining, end := make(chan struct{}), make(chan struct{}), make(chan struct{})
	addr, drain := alone(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(begun)
		<-worker.Draining(r.Context())
		close(draining)
		<-end
	}))
	c := speak(t, addr)
	send(t, c, h2raw.Request(1, "GET", "/", h2raw.EndStream))
	<-begun
	drained := make(chan error, 1)
	go func() { drained <- drain() }()
	<-draining
	send(t, c, h2raw.Request(3, "GET", "/#", h2raw.EndStream))
	for answered, told := false, false; !answered || !told; {
		f, err := c.Next()
		if err != nil {
			t.Fatalf("answered: %v, told to go: %v: %v", answered, told, err)
		}
		answered = answered || f.Type == h2raw.Data && f.Stream == 3
		told = told || f.Type == h2raw.GoAway
	}
	close(end)
	if err := <-drained; err != nil {
		t.Error(err)
	}
}
