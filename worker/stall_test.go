package worker_test

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tandem-go/tandem/worker"
)

const stall = 100 * time.Millisecond

// net/http itself would wait for such a client for ever, in the handler or, where
// that does not read the body, before it sends the answer.
func TestABodyThatStopsComingIsGivenUp(t *testing.T) {
	read := make(chan error, 1)
	addr, drain := alone(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/read" {
			_, err := io.ReadAll(r.Body)
			read <- err
		}
	}), worker.StallTimeout(stall))
	for _, path := range []string{"/read", "/ignore"} {
		c := dial(t, addr)
		if _, err := io.WriteString(c, "POST "+path+" HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf"); err != nil {
			t.Fatal(err)
		}
		if status, _, closing, err := c.receive(); status != http.StatusOK || !closing || err != nil {
			t.Errorf("%s: %d, closing %v, %v", path, status, closing, err)
		}
	}
	if err := <-read; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the handler read: %v", err)
	}
	if err := drain(); err != nil {
		t.Error(err)
	}
}

// Each read would wait for another stall, net/http's before the answer and after it
// among them; a thousand of them last longer than a test may.
func TestOfWhoHasStalledNothingMoreIsRead(t *testing.T) {
	addr, drain := alone(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		for range 1000 {
			if _, err := r.Body.Read(make([]byte, 10)); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("the handler read: %v", err)
			}
		}
	}), worker.StallTimeout(stall))
	c := dial(t, addr)
	if _, err := io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf"); err != nil {
		t.Fatal(err)
	}
	if status, _, closing, err := c.receive(); status != http.StatusOK || !closing || err != nil {
		t.Errorf("%d, closing %v, %v", status, closing, err)
	}
	if err := drain(); err != nil {
		t.Error(err)
	}
}

// The body is there; what takes its time is the handler.
func TestAHandlerMayTakeLongerThanAStall(t *testing.T) {
	addr, drain := alone(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if _, err := io.ReadAll(r.Body); err != nil {
			t.Error(err)
		}
		select {
		case <-r.Context().Done():
			t.Error("the request's context ended")
		case <-time.After(4 * stall):
		}
	}), worker.StallTimeout(stall))
	c := dial(t, addr)
	for range 2 { // the second one on the kept connection
		if _, closing := c.must(t, "/", "body"); closing {
			t.Error("the connection is closed")
		}
	}
	if err := drain(); err != nil {
		t.Error(err)
	}
}

// A deadline that a handler sets is its own, shorter or longer.
func TestAHandlersOwnReadDeadlineStays(t *testing.T) {
	read := make(chan error, 1)
	addr, drain := alone(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := http.NewResponseController(w).SetReadDeadline(time.Now().Add(stall)); err != nil {
			t.Error(err)
		}
		_, err := io.ReadAll(r.Body)
		read <- err
	}), worker.StallTimeout(time.Hour))
	c := dial(t, addr)
	if _, err := io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf"); err != nil {
		t.Fatal(err)
	}
	if err := <-read; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("read: %v", err)
	}
	if err := drain(); err != nil {
		t.Error(err)
	}
}

func TestTheKernelGivesUpWhoTakesNothing(t *testing.T) {
	bound := make(chan int, 1)
	addr, drain := alone(t, http.NotFoundHandler(), worker.ConfigureServer(func(s *http.Server) {
		s.ConnState = func(c net.Conn, state http.ConnState) {
			if state != http.StateNew {
				return
			}
			raw, err := c.(syscall.Conn).SyscallConn()
			if err != nil {
				t.Error(err)
				return
			}
			_ = raw.Control(func(fd uintptr) {
				ms, err := unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT)
				if err != nil {
					t.Error(err)
				}
				bound <- ms
			})
		}
	}))
	dial(t, addr)
	if ms := <-bound; ms != 60_000 {
		t.Errorf("the bound is %d ms, want a minute", ms)
	}
	if err := drain(); err != nil {
		t.Error(err)
	}
}

// A client that takes nothing of an answer ends the handler's write, and that is said.
func TestAnAnswerThatNobodyTakesIsGivenUp(t *testing.T) {
	var log bytes.Buffer
	wrote := make(chan error, 1)
	addr, drain := alone(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		piece := make([]byte, 1<<20)
		for {
			if _, err := w.Write(piece); err != nil {
				wrote <- err
				return
			}
		}
	}), worker.StallTimeout(stall), worker.Logger(slog.New(slog.NewTextHandler(&log, nil))))
	c := dial(t, addr)
	if err := c.send("GET", "/", ""); err != nil {
		t.Fatal(err)
	}
	if err := <-wrote; err == nil {
		t.Error("the write went on")
	}
	if err := drain(); err != nil {
		t.Error(err)
	}
	if said := log.String(); strings.Count(said, "a client was given up") != 1 || !strings.Contains(said, "it took nothing of its answer") {
		t.Errorf("said: %s", said)
	}
}
