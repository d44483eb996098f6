package protocols

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tandem-go/tandem/test/served"
)

// way is one way to speak HTTP.
type way struct {
	name  string
	mode  served.Mode
	http2 bool
}

var ways = []way{
	{"HTTP/1.1 in clear", served.Clear, false},
	{"HTTP/1.1 over TLS", served.TLS, false},
	{"HTTP/1.1 on a Unix socket", served.Unix, false},
	{"HTTP/2 by prior knowledge", served.Clear, true},
	{"HTTP/2 by ALPN", served.TLS, true},
}

// client is one that repeats nothing and follows nothing. base is what its URLs begin with.
func (w way) client(t *testing.T, s *served.Server) (c *http.Client, base string) {
	t.Helper()
	transport := &http.Transport{
		Protocols:             new(http.Protocols),
		TLSClientConfig:       s.Config(),
		ExpectContinueTimeout: time.Minute,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			network := "tcp"
			if s.Mode == served.Unix {
				network = "unix"
			}
			return new(net.Dialer).DialContext(ctx, network, s.Addr)
		},
	}
	transport.Protocols.SetHTTP1(!w.http2)
	transport.Protocols.SetHTTP2(w.http2 && w.mode == served.TLS)
	transport.Protocols.SetUnencryptedHTTP2(w.http2 && w.mode == served.Clear)
	t.Cleanup(transport.CloseIdleConnections)
	base = "http://localhost"
	if w.mode == served.TLS {
		base = "https://localhost"
	}
	return &http.Client{Transport: transport, Timeout: time.Minute}, base
}

// inEveryWay runs a test against a server of its own in each of the ways.
func inEveryWay(t *testing.T, test func(t *testing.T, w way, s *served.Server, c *http.Client, base string)) {
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			s := served.Start(t, w.mode)
			c, base := w.client(t, s)
			test(t, w, s, c, base)
		})
	}
}

// streamed is a body whose length nobody knows, so that it has room for a trailer.
type streamed struct{ io.Reader }

func post(t *testing.T, url string, body io.Reader) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, body)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// do sends a request and reads the answer to its end.
func do(c *http.Client, r *http.Request) (*http.Response, string, error) {
	resp, err := c.Do(r)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp, string(b), err
}

func TestAViewKnowsWhatIsSpoken(t *testing.T) {
	inEveryWay(t, func(t *testing.T, w way, _ *served.Server, c *http.Client, base string) {
		resp, body, err := do(c, post(t, base+"/seen", strings.NewReader("12345")))
		if err != nil {
			t.Fatal(err)
		}
		var seen struct {
			Method, Proto, ALPN string
			Length              int
		}
		if err := json.Unmarshal([]byte(body), &seen); err != nil {
			t.Fatal(err)
		}
		proto, alpn := "HTTP/1.1", ""
		if w.http2 {
			proto = "HTTP/2.0"
		}
		if w.mode == served.TLS {
			if alpn = "http/1.1"; w.http2 {
				alpn = "h2"
			}
		}
		if seen.ALPN == "" && !w.http2 {
			alpn = "" // a client that offers nothing speaks HTTP/1.1 as well
		}
		if seen.Method != "POST" || seen.Length != 5 || seen.Proto != proto || seen.ALPN != alpn || resp.Proto != proto {
			t.Errorf("%+v, answered by %s", seen, resp.Proto)
		}
	})
}

func TestTrailersGoBothWays(t *testing.T) {
	inEveryWay(t, func(t *testing.T, _ way, _ *served.Server, c *http.Client, base string) {
		r := post(t, base+"/trailers", nil)
		r.Trailer = http.Header{"X-Sum": nil}
		r.ContentLength = -1
		r.Body = io.NopCloser(io.MultiReader(strings.NewReader("content"), &atEnd{func() { r.Trailer.Set("X-Sum", "of the content") }}))
		resp, body, err := do(c, r)
		if err != nil || body != "content" || resp.Trailer.Get("X-Sum") != "of the content" || len(resp.Trailer) != 1 {
			t.Errorf("%q, %v, %v", body, resp, err)
		}
	})
}

// atEnd is an empty reader that does something when it is reached.
type atEnd struct{ do func() }

func (a *atEnd) Read([]byte) (int, error) { a.do(); return 0, io.EOF }

// The body is sent when the server asks for it, and not at all when it answers first.
func TestABodyIsAskedForOrNotSent(t *testing.T) {
	inEveryWay(t, func(t *testing.T, w way, _ *served.Server, c *http.Client, base string) {
		for path, want := range map[string]int{"/echo": http.StatusOK, "/refuse": http.StatusForbidden} {
			sent := 0
			r := post(t, base+path, streamed{io.MultiReader(&atEnd{func() { sent++ }}, strings.NewReader("body"))})
			r.Header.Set("Expect", "100-continue")
			resp, _, err := do(c, r)
			if err != nil || resp.StatusCode != want {
				t.Errorf("%s: %v, %v", path, resp, err)
			}
			if path == "/refuse" && sent > 0 {
				t.Error("the body of a request that was refused was sent")
			}
		}
	})
}

// Each piece is answered before the next is sent: both directions are open at once.
func TestBothDirectionsAtOnce(t *testing.T) {
	inEveryWay(t, func(t *testing.T, _ way, _ *served.Server, c *http.Client, base string) {
		body, pen := io.Pipe()
		answered := make(chan error, 1)
		pieces := make(chan string)
		go func() {
			defer pen.Close()
			for p := range pieces {
				if _, err := io.WriteString(pen, p); err != nil {
					answered <- err
					return
				}
			}
		}()
		pieces <- "first"
		resp, err := c.Do(post(t, base+"/duplex", body))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		for i, p := range []string{"first", "second", strings.Repeat("third", 10_000)} {
			if i > 0 {
				pieces <- p
			}
			got := make([]byte, len(p))
			if _, err := io.ReadFull(resp.Body, got); err != nil || string(got) != p {
				t.Fatalf("piece %d: %.20q, %v", i, got, err)
			}
		}
		close(pieces)
		if rest, err := io.ReadAll(resp.Body); len(rest) > 0 || err != nil {
			t.Errorf("behind it %q, %v", rest, err)
		}
	})
}

func TestLargeBodiesGoBothWays(t *testing.T) {
	inEveryWay(t, func(t *testing.T, _ way, _ *served.Server, c *http.Client, base string) {
		body := strings.Repeat("0123456789abcdef", 1<<18) // 4 MiB
		for _, path := range []string{"/echo", "/duplex"} {
			if _, got, err := do(c, post(t, base+path, streamed{strings.NewReader(body)})); err != nil || got != body {
				t.Errorf("%s: %d bytes came back, %v", path, len(got), err)
			}
		}
	})
}

// A client of events goes on where it was.
func TestEventsGoOnBehindTheLastOne(t *testing.T) {
	inEveryWay(t, func(t *testing.T, _ way, _ *served.Server, c *http.Client, base string) {
		for last, want := range map[string]string{
			"":  "id: 1\ndata: event 1\n\nid: 2\ndata: event 2\n\n",
			"2": "id: 3\ndata: event 3\n\nid: 4\ndata: event 4\n\n",
		} {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+"/events?n=2", nil)
			if err != nil {
				t.Fatal(err)
			}
			if last != "" {
				r.Header.Set("Last-Event-Id", last)
			}
			resp, body, err := do(c, r)
			if err != nil || body != want || resp.Header.Get("Content-Type") != "text/event-stream" {
				t.Errorf("behind %q: %q, %v", last, body, err)
			}
		}
	})
}

// What has begun when the drain begins is finished: a stream that heeds the drain, events
// that end as a whole answer, a body that is still being sent. Another worker has the socket.
func TestADrainFinishesWhatHasBegun(t *testing.T) {
	inEveryWay(t, func(t *testing.T, w way, s *served.Server, c *http.Client, base string) {
		open := func(path string) *http.Response {
			t.Helper()
			resp, err := c.Get(base + path)
			if err != nil {
				t.Fatal(err)
			}
			return resp
		}
		stream, events := open("/until-drain"), open("/events?n=1&hold")
		first := make([]byte, len("id: 1\ndata: event 1\n\n"))
		if _, err := io.ReadFull(events.Body, first); err != nil {
			t.Fatal(err)
		}
		body, pen := io.Pipe()
		type result struct {
			resp *http.Response
			body string
			err  error
		}
		uploaded := make(chan result, 1)
		go func() {
			resp, body, err := do(c, post(t, base+"/duplex", body))
			uploaded <- result{resp, body, err}
		}()
		if _, err := io.WriteString(pen, "before,"); err != nil { // it is on its way
			t.Fatal(err)
		}
		ended := s.Replace(t)
		if b, err := io.ReadAll(stream.Body); string(b) != "begun,finished" || err != nil {
			t.Errorf("the stream: %q, %v", b, err)
		}
		if b, err := io.ReadAll(events.Body); !strings.HasPrefix(string(b), "retry: ") || !strings.HasSuffix(string(b), "\n\n") || err != nil {
			t.Errorf("the events: %q, %v", b, err)
		}
		if _, err := io.WriteString(pen, "after"); err != nil {
			t.Error(err)
		}
		_ = pen.Close()
		if r := <-uploaded; r.err != nil || r.body != "before,after" {
			t.Errorf("the upload: %q, %v", r.body, r.err)
		}
		for _, resp := range []*http.Response{stream, events} {
			_ = resp.Body.Close()
		}
		if _, b, err := do(c, post(t, base+"/echo", strings.NewReader("next"))); b != "next" || err != nil {
			t.Errorf("the next worker: %q, %v", b, err)
		}
		ended()
	})
}

// A client of HTTP/2 that repeats nothing loses nothing over several workers: what it
// has sent when GOAWAY comes is answered, and what it was told is unprocessed was not begun.
func TestNoRequestIsLostToAGoAway(t *testing.T) {
	for _, mode := range []served.Mode{served.Clear, served.TLS} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			s := served.Start(t, mode)
			stop, done := make(chan struct{}), make(chan error, 4)
			for client := range cap(done) {
				go func() { done <- pipeline(s, client, stop) }()
			}
			for range 3 {
				s.Replace(t)()
			}
			close(stop)
			for range cap(done) {
				if err := <-done; err != nil {
					t.Error(err)
				}
			}
			t.Logf("%d answers so far", answers.Load())
		})
	}
}
