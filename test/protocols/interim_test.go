package protocols

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tandem-go/tandem/test/served"
)

// each runs a test with net/http's client over all that there is to speak.
func each(t *testing.T, f func(t *testing.T, c *http.Client, url string)) {
	for _, how := range []struct {
		name, proto string
		mode        served.Mode
	}{
		{"http1", "HTTP/1.1", served.Clear},
		{"h2c", "HTTP/2.0", served.Clear},
		{"http1 over TLS", "HTTP/1.1", served.TLS},
		{"h2", "HTTP/2.0", served.TLS},
	} {
		t.Run(how.name, func(t *testing.T) {
			s := served.Start(t, how.mode)
			url := "http://" + s.Addr
			transport := &http.Transport{Protocols: new(http.Protocols), ExpectContinueTimeout: time.Minute}
			if how.mode == served.TLS {
				url = "https://" + s.Addr
				transport.TLSClientConfig = s.Config()
			}
			transport.Protocols.SetHTTP1(how.proto == "HTTP/1.1")
			transport.Protocols.SetHTTP2(how.proto != "HTTP/1.1")
			transport.Protocols.SetUnencryptedHTTP2(how.proto != "HTTP/1.1")
			defer transport.CloseIdleConnections()
			c := &http.Client{Transport: speaks{t, transport, how.proto}}
			f(t, c, url)
		})
	}
}

// speaks fails the test where another protocol is spoken than it means to.
type speaks struct {
	t     *testing.T
	inner *http.Transport
	proto string
}

func (s speaks) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := s.inner.RoundTrip(r)
	if err == nil && resp.Proto != s.proto {
		s.t.Errorf("it speaks %s", resp.Proto)
	}
	return resp, err
}

// interim are the answers that came before the answer.
type interim []string

// send asks, and returns the answer's status and body and what came before it.
func send(t *testing.T, c *http.Client, method, url string, body io.Reader, header ...string) (string, http.Header, interim) {
	t.Helper()
	var before interim
	trace := &httptrace.ClientTrace{Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
		before = append(before, fmt.Sprint(code, " ", strings.Join(h["Link"], ", ")))
		for name := range h {
			if name != "Link" {
				t.Errorf("%d has the header %s", code, name)
			}
		}
		return nil
	}}
	req, err := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), trace), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := body.(unasked); ok {
		req.ContentLength = 5
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%d %s", resp.StatusCode, b), resp.Header, before
}

func TestEarlyHintsComeBeforeTheAnswer(t *testing.T) {
	var want interim
	for _, link := range served.Hints {
		want = append(want, "103 "+link)
	}
	each(t, func(t *testing.T, c *http.Client, url string) {
		for _, path := range []string{"/hints", "/hints/sync"} {
			for _, method := range []string{"GET", "HEAD"} {
				body := "200 answer"
				if method == "HEAD" {
					body = "200 "
				}
				got, h, before := send(t, c, method, url+path, nil)
				if got != body || !slices.Equal(before, want) {
					t.Errorf("%s %s: %q before %q, want %q", method, path, before, got, want)
				}
				if h.Get("X-Of-Answer") != "yes" || h["Link"] != nil || h.Get("Content-Length") == "0" {
					t.Errorf("%s %s: header %v", method, path, h)
				}
			}
		}
	})
}

// HTTP/1.0 knows of no answer before the answer.
func TestHTTP10GetsNoEarlyHints(t *testing.T) {
	conn := served.Start(t, served.Clear).Dial(t)
	if _, err := io.WriteString(conn, "GET /hints HTTP/1.0\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	all, err := io.ReadAll(conn)
	if err != nil || !strings.HasPrefix(string(all), "HTTP/1.0 200 OK\r\n") || !strings.HasSuffix(string(all), "answer") {
		t.Errorf("%q, %v", all, err)
	}
}

// unasked is a body that may be sent only when it is asked for.
type unasked struct{ t *testing.T }

func (u unasked) Read([]byte) (int, error) {
	u.t.Error("the body was sent")
	return 0, io.EOF
}

// What is refused, or answered without it, does not ask for the body of a client
// that waits for that: not by middleware in front of a sync view, whose body would
// be read ahead, nor by its size, nor where the view does not read it.
func TestABodyIsAskedForWhenItIsRead(t *testing.T) {
	each(t, func(t *testing.T, c *http.Client, url string) {
		for path, want := range map[string]string{"/forbidden": "401 ", "/small": "413 ", "/unread": "200 unread", "/nowhere": "404 "} {
			got, _, before := send(t, c, "POST", url+path, unasked{t}, "Expect", "100-continue")
			if !strings.HasPrefix(got, want) || before != nil {
				t.Errorf("%s: %q before %q", path, before, got)
			}
		}
		got, _, before := send(t, c, "POST", url+"/echo", strings.NewReader("hello"), "Expect", "100-continue")
		if got != "200 hello" || !slices.Equal(before, interim{"100 "}) {
			t.Errorf("/echo: %q before %q", before, got)
		}
	})
}
