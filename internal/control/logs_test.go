package control

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestLogs(t *testing.T) {
	path, _ := serve(t, &fake{})
	c := NewClient(path)
	var b strings.Builder
	if err := c.Logs(t.Context(), LogQuery{Worker: 7, JSON: true}, &b); err != nil || b.String() != "{Worker:7 Follow:false JSON:true}\n" {
		t.Errorf("%q, %v", b.String(), err)
	}
	var refused *RefusedError
	if err := c.Logs(t.Context(), LogQuery{Worker: 8}, &b); !errors.As(err, &refused) || refused.Code != http.StatusNotFound {
		t.Errorf("%v", err)
	}
	refuses(t, c, "/v1/logs", map[string]string{
		"worker=0": "is not the number of a worker", "follow=maybe": "is not 1 or 0", "format=xml": "is not text or json", "tail=5": "there is no parameter",
	})
}

// refuses says that each query is a bad request, and what the answer says.
func refuses(t *testing.T, c *Client, path string, queries map[string]string) {
	t.Helper()
	for query, want := range queries {
		res, err := c.do(t.Context(), http.MethodGet, path+"?"+query, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if res.StatusCode != http.StatusBadRequest || !strings.Contains(string(text), want) {
			t.Errorf("%s: %d %s", query, res.StatusCode, text)
		}
	}
}

// told is a writer that says that it was written to.
type told func()

func (f told) Write(p []byte) (int, error) { f(); return len(p), nil }

// crowd begins n times to follow something, each of which says that it has begun, and
// gives how they end.
func crowd(t *testing.T, n int, follow func(begun func()) error) (ended <-chan error) {
	t.Helper()
	ends := make(chan error, n)
	for n > 0 {
		begun, over := make(chan struct{}), make(chan error, 1)
		go func() { over <- follow(sync.OnceFunc(func() { close(begun) })) }()
		select {
		case <-begun:
			n--
			go func() { ends <- <-over }()
		case err := <-over:
			// On a busy machine the request itself may come too late for so little patience.
			t.Logf("asked again after %v", err)
		}
	}
	return ends
}

// turnedAway says that there is no place for one more.
func turnedAway(t *testing.T, follow func() error) {
	t.Helper()
	for {
		err := follow()
		if refused, ok := errors.AsType[*RefusedError](err); ok {
			if refused.Code != http.StatusServiceUnavailable {
				t.Errorf("one too many: %v", err)
			}
			return
		}
		if err == nil {
			t.Fatal("one too many had a place")
		}
		t.Logf("asked again after %v", err)
	}
}

// Those who follow are bounded, do not take the commands' place, come to no harm
// by the deadline of a request, and end when the server does.
func TestFollowersAreBounded(t *testing.T) {
	path, stop := serve(t, &fake{}, func(s *Server) { s.patience = 20 * time.Millisecond })
	c := NewClient(path)
	ended := crowd(t, maxFollowers, func(begun func()) error {
		return c.Logs(t.Context(), LogQuery{Follow: true}, told(begun))
	})
	turnedAway(t, func() error { return c.Logs(t.Context(), LogQuery{Follow: true}, io.Discard) })
	for {
		_, err := c.Status(t.Context())
		if err == nil {
			break
		}
		if _, refused := errors.AsType[*RefusedError](err); refused {
			t.Fatalf("status beside them: %v", err)
		}
		t.Logf("asked again after %v", err)
	}
	stop()
	for range maxFollowers {
		if err := <-ended; err != nil {
			t.Errorf("at the end: %v", err)
		}
	}
}

// Who goes away gives the place back.
func TestAFollowerLeaves(t *testing.T) {
	path, _ := serve(t, &fake{})
	c := NewClient(path)
	for range 2 * maxFollowers {
		ctx, cancel := context.WithCancel(t.Context())
		r, w := io.Pipe()
		ended := make(chan error, 1)
		go func() { ended <- c.Logs(ctx, LogQuery{Follow: true}, w) }()
		line, err := bufio.NewReader(r).ReadString('\n')
		cancel()
		err2 := <-ended
		if refused, ok := errors.AsType[*RefusedError](err2); ok {
			// the one before is still being taken away: ask again
			if refused.Code != http.StatusServiceUnavailable {
				t.Fatal(err2)
			}
			continue
		}
		if err != nil || !strings.Contains(line, "Follow") {
			t.Fatalf("%q, %v, %v", line, err, err2)
		}
	}
}
