// Package protocols asks a worker's views for all that HTTP can do, in clear and over
// TLS, and floods its HTTP/2 while a client beside the flood counts on being served.
package protocols

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/tandem-go/tandem/test/h2raw"
	"github.com/tandem-go/tandem/test/served"
)

func TestMain(m *testing.M) { served.Main(m) }

// speak opens a connection of HTTP/2.
func speak(t *testing.T, s *served.Server, settings ...uint32) *h2raw.Conn {
	t.Helper()
	c, err := begin(s, settings...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func begin(s *served.Server, settings ...uint32) (*h2raw.Conn, error) {
	conn, err := s.Connect("h2")
	if err != nil {
		return nil, err
	}
	c := h2raw.New(conn)
	if _, err := c.Begin(settings...); err != nil {
		_ = c.Close()
		return nil, fmt.Errorf("begin to speak HTTP/2: %w", err)
	}
	return c, nil
}

// ask sends a request without a body and reads its answer to the end.
func ask(c *h2raw.Conn, stream uint32, path string) (string, error) {
	if err := c.Send(h2raw.Request(stream, "GET", path, h2raw.EndStream)); err != nil {
		return "", err
	}
	return answer(c, stream)
}

// answer reads an answer with status 200 to its end, its trailer included.
func answer(c *h2raw.Conn, stream uint32) (string, error) {
	f, err := c.Until(h2raw.Headers, stream)
	if err != nil || !f.OK() {
		return "", fmt.Errorf("stream %d begins with %+v, %w", stream, f, err)
	}
	body := ""
	for f.Flags&h2raw.EndStream == 0 {
		if f, err = c.Until(h2raw.Data, stream); err != nil {
			return body, err
		}
		body += string(f.Payload)
		if len(f.Payload) > 0 {
			update := h2raw.Number(h2raw.WindowUpdate, stream, uint32(len(f.Payload)))
			whole := update
			whole.Stream = 0
			if err := c.Send(update, whole); err != nil {
				return body, err
			}
		}
	}
	return body, nil
}

// beside runs f while a client on a connection of its own asks one thing after the other:
// all of it must be answered, and some of it while f runs.
func beside(t *testing.T, s *served.Server, f func()) {
	t.Helper()
	c := speak(t, s)
	stop := make(chan struct{})
	var client sync.WaitGroup
	answered := 0
	once := func(stream uint32) bool {
		body, err := ask(c, stream, "/bytes/10")
		if body != "0123456789" || err != nil {
			t.Errorf("beside it, after %d answers: %q, %v", answered, body, err)
			return false
		}
		answered++
		return true
	}
	client.Go(func() {
		for stream := uint32(1); once(stream); stream += 2 {
			select {
			case <-stop:
				return
			default:
			}
		}
	})
	f()
	close(stop)
	client.Wait()
	if answered < 2 {
		t.Errorf("beside it %d requests were answered", answered)
	}
	_ = c.Close()
}

// goroutines is how many the worker has, the one that answers included.
func goroutines(t *testing.T, s *served.Server) int {
	t.Helper()
	c := s.Dial(t, "http/1.1")
	defer c.Close()
	if _, err := io.WriteString(c, "GET /goroutines HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	all, err := io.ReadAll(c)
	if err != nil || !strings.HasPrefix(string(all), fmt.Sprint("HTTP/1.1 ", http.StatusOK)) {
		t.Fatalf("%q, %v", all, err)
	}
	_, body, _ := strings.Cut(string(all), "\r\n\r\n")
	n, err := strconv.Atoi(body)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
