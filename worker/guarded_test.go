package worker_test

import (
	"bufio"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/tandem-go/tandem/worker"
)

// onBoth runs a test in clear and over TLS.
func onBoth(t *testing.T, test func(t *testing.T, dial func(*testing.T, string) *client, opts ...worker.Option)) {
	t.Run("clear", func(t *testing.T) { test(t, dial) })
	t.Run("TLS", func(t *testing.T) { test(t, dialTLS, withTLS()) })
}

func (c *client) write(t *testing.T, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
}

// refused reads the answer to what was refused, and the end of the connection.
func (c *client) refused(t *testing.T, want int, because string) {
	t.Helper()
	status, body, closing, err := c.receive()
	if status != want || !closing || err != nil || !strings.Contains(body, because) {
		t.Errorf("answered %d %q, closing %v, %v; want %d, %q", status, body, closing, err, want, because)
	}
	if _, err := c.r.ReadByte(); err != io.EOF {
		t.Errorf("behind the answer: %v", err)
	}
}

// Requests before the one that is refused are answered as if nothing were, also one
// whose handler takes its time, and its context does not end.
func TestARefusedRequestReachesNoHandler(t *testing.T) {
	onBoth(t, func(t *testing.T, dial func(*testing.T, string) *client, opts ...worker.Option) {
		begun, end := make(chan struct{}), make(chan struct{})
		addr, drain := alone(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch r.URL.Path {
			case "/slow":
				close(begun)
				<-end
				if err := r.Context().Err(); err != nil {
					t.Errorf("the context of the request before: %v", err)
				}
			case "/refused":
				t.Error("a refused request has reached the handler")
			}
			io.WriteString(w, r.URL.Path)
		}), opts...)
		c := dial(t, addr)
		c.write(t, "GET /first HTTP/1.1\r\nHost: x\r\n\r\nGET /slow HTTP/1.1\r\nHost: x\r\n\r\nGET /refused HTTP/1.1\r\nHost: x\r\nA : b\r\n\r\n")
		<-begun
		c.write(t, "GET /refused HTTP/1.1\r\nHost: x\r\n\r\n")
		close(end)
		for _, path := range []string{"/first", "/slow"} {
			if answer, closing := c.answered(t); closing || answer != path {
				t.Errorf("answered %q, closing %v", answer, closing)
			}
		}
		c.refused(t, http.StatusBadRequest, "before the colon")

		// In pieces, each of them alone.
		c = dial(t, addr)
		for _, piece := range []string{"P", "OST /refused HTTP", "/1.1\r\nHost", ": x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r", "\n\r\n", "0\r\n\r\n"} {
			c.write(t, piece)
		}
		c.refused(t, http.StatusBadRequest, "Content-Length with Transfer-Encoding")
		if err := drain(); err != nil {
			t.Error(err)
		}
	})
}

func TestLimitsHaveTheirStatus(t *testing.T) {
	onBoth(t, func(t *testing.T, dial func(*testing.T, string) *client, opts ...worker.Option) {
		addr, drain := alone(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			t.Errorf("%s has reached the handler", r.URL.Path)
		}), append(opts, worker.Limit(worker.Limits{RequestLine: 100, HeaderLine: 100, HeaderBytes: 300, HeaderFields: 5, Body: 10}))...)
		for name, tc := range map[string]struct {
			request string
			status  int
		}{
			"target":      {"GET /" + strings.Repeat("a", 100) + " HTTP/1.1\r\nHost: x\r\n\r\n", 414},
			"field":       {"GET /1 HTTP/1.1\r\nHost: x\r\nA: " + strings.Repeat("a", 100) + "\r\n\r\n", 431},
			"header":      {"GET /2 HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("A: "+strings.Repeat("a", 90)+"\r\n", 4) + "\r\n", 431},
			"fields":      {"GET /3 HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("A: a\r\n", 5) + "\r\n", 431},
			"body":        {"POST /4 HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\n", 413},
			"expected":    {"POST /5 HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\nExpect: 100-continue\r\n\r\n", 413},
			"expectation": {"POST /6 HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nExpect: more\r\n\r\n", 417},
			"coding":      {"POST /7 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", 501},
			"version":     {"GET /8 HTTP/2.0\r\nHost: x\r\n\r\n", 505},
			"short":       {"GET /\r\n", 400},
		} {
			t.Run(name, func(t *testing.T) {
				c := dial(t, addr)
				c.write(t, tc.request)
				c.refused(t, tc.status, http.StatusText(tc.status))
			})
		}
		if err := drain(); err != nil {
			t.Error(err)
		}
	})
	if err := worker.Run(t.Context(), http.NotFoundHandler(), worker.Limit(worker.Limits{HeaderBytes: -1})); err == nil || !strings.Contains(err.Error(), "HeaderBytes") {
		t.Errorf("a limit that is none: %v", err)
	}
}

// A body is known to be wrong when its handler has it already: its reader is told.
func TestAFaultInABodyIsItsReadersError(t *testing.T) {
	onBoth(t, func(t *testing.T, dial func(*testing.T, string) *client, opts ...worker.Option) {
		begun, read := make(chan struct{}), make(chan error)
		addr, drain := alone(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			begun <- struct{}{}
			_, err := io.ReadAll(r.Body)
			read <- err
			w.WriteHeader(http.StatusTeapot)
		}), append(opts, worker.Limit(worker.Limits{Body: 5}))...)
		for name, tc := range map[string]struct {
			then    string
			tooLong bool
		}{
			"framing": {"2\r\nabXX", false},
			"length":  {"6\r\nabcdef\r\n0\r\n\r\n", true},
		} {
			t.Run(name, func(t *testing.T) {
				c := dial(t, addr)
				c.write(t, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
				<-begun
				c.write(t, tc.then)
				err := <-read
				if _, long := errors.AsType[*http.MaxBytesError](err); err == nil || long != tc.tooLong {
					t.Errorf("the body's error: %v", err)
				}
				if status, _, closing, err := c.receive(); status != http.StatusTeapot || !closing || err != nil {
					t.Errorf("answered %d, closing %v, %v", status, closing, err)
				}
				if _, err := c.r.ReadByte(); err != io.EOF {
					t.Errorf("behind the answer: %v", err)
				}
			})
		}
		if err := drain(); err != nil {
			t.Error(err)
		}
	})
}

// watched is a log that says when a text has come.
type watched struct {
	text string
	seen chan struct{}
	once sync.Once
}

func (w *watched) Write(b []byte) (int, error) {
	if strings.Contains(string(b), w.text) {
		w.once.Do(func() { close(w.seen) })
	}
	return len(b), nil
}

// A request before the one with the faulty body is none of it.
func TestAFaultInABodyIsNotThatOfTheRequestBefore(t *testing.T) {
	begun, end := make(chan struct{}), make(chan struct{})
	log := watched{text: "msg=refused", seen: make(chan struct{})}
	addr, drain := alone(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "GET" {
			close(begun)
			<-end
			if err := r.Context().Err(); err != nil {
				t.Errorf("its context: %v", err)
			}
			return
		}
		if _, err := io.ReadAll(r.Body); err == nil {
			t.Error("the faulty body was read")
		}
	}), worker.Logger(slog.New(slog.NewTextHandler(&log, nil))))
	c := dial(t, addr)
	c.write(t, "GET / HTTP/1.1\r\nHost: x\r\n\r\nPOST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab")
	<-begun
	c.write(t, "X") // no end of a chunk
	<-log.seen
	close(end)
	for _, closes := range []bool{false, true} {
		if status, _, closing, err := c.receive(); status != http.StatusOK || closing != closes || err != nil {
			t.Errorf("answered %d, closing %v, %v", status, closing, err)
		}
	}
	if err := drain(); err != nil {
		t.Error(err)
	}
}

// What comes with a request for an upgrade is the next protocol's if it is granted,
// and the next request if not.
func TestWhatFollowsAnUpgrade(t *testing.T) {
	onBoth(t, func(t *testing.T, dial func(*testing.T, string) *client, opts ...worker.Option) {
		addr, drain := alone(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/granted" {
				io.WriteString(w, r.URL.Path)
				return
			}
			conn, rw, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			line, err := bufio.NewReader(io.MultiReader(io.LimitReader(rw, int64(rw.Reader.Buffered())), conn)).ReadString('\n')
			if err != nil {
				t.Error(err)
			}
			io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: lines\r\n\r\n"+line)
		}), opts...)
		const upgrade = " HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: lines\r\n\r\n"
		c := dial(t, addr)
		c.write(t, "GET /granted"+upgrade+"hello, no request\n")
		if all, err := io.ReadAll(c); err != nil || !strings.HasSuffix(string(all), "\r\n\r\nhello, no request\n") {
			t.Errorf("granted: %q, %v", all, err)
		}
		c = dial(t, addr)
		c.write(t, "GET /denied"+upgrade+"GET /next HTTP/1.1\r\nHost: x\r\n\r\nhello, no request\n")
		for _, path := range []string{"/denied", "/next"} {
			if answer, closing := c.answered(t); closing || answer != path {
				t.Errorf("answered %q, closing %v", answer, closing)
			}
		}
		c.refused(t, http.StatusBadRequest, "400")
		if err := drain(); err != nil {
			t.Error(err)
		}
	})
}

// The next protocol may have begun in full before the connection is its handler's: who
// says 101 first, and takes the connection then, gets all of it.
func TestWhatComesBeforeTheConnectionIsTakenIsKept(t *testing.T) {
	onBoth(t, func(t *testing.T, dial func(*testing.T, string) *client, opts ...worker.Option) {
		sent := make(chan struct{})
		addr, drain := alone(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Connection", "upgrade")
			w.Header().Set("Upgrade", "lines")
			w.WriteHeader(http.StatusSwitchingProtocols)
			_ = http.NewResponseController(w).Flush()
			<-sent
			conn, rw, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			_, err = io.CopyN(conn, io.MultiReader(io.LimitReader(rw, int64(rw.Reader.Buffered())), conn), 20_000)
			if err != nil {
				t.Error(err)
			}
		}), opts...)
		c := dial(t, addr)
		c.write(t, "GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: lines\r\n\r\n")
		if resp, err := http.ReadResponse(c.r, nil); err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
			t.Fatal(resp, err)
		}
		all := strings.Repeat("no request at all\r\n", 1000)
		for i := 0; i < 20_000; i += 1000 {
			c.write(t, (all + all)[i:i+1000])
		}
		close(sent)
		if got, err := io.ReadAll(c.r); err != nil || string(got) != (all + all)[:20_000] {
			t.Errorf("%d bytes came back, %v", len(got), err)
		}
		if err := drain(); err != nil {
			t.Error(err)
		}
	})
}
