package strict_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tandem-go/tandem/internal/strict"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fake is a server that does to each request what the test wants: nth counts
// the requests of one connection from 1. When the function returns false the
// connection is closed.
func fake(t *testing.T, serve func(c *net.TCPConn, req *http.Request, body string, nth int) bool) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var conns sync.WaitGroup
	conns.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			conns.Go(func() {
				defer c.Close()
				br := bufio.NewReader(c)
				for nth := 1; ; nth++ {
					req, err := http.ReadRequest(br)
					if err != nil {
						return
					}
					body, err := io.ReadAll(req.Body)
					if err != nil || !serve(c.(*net.TCPConn), req, string(body), nth) {
						return
					}
				}
			})
		}
	})
	t.Cleanup(func() { ln.Close(); conns.Wait() })
	return ln.Addr().String()
}

func idOf(req *http.Request) string { return req.URL.Query().Get("id") }

func say(w io.Writer, status, header, body string) {
	fmt.Fprintf(w, "HTTP/1.1 %s\r\n%sContent-Length: %d\r\n\r\n%s", status, header, len(body), body)
}

// sayTwice gives two answers in one write: of one that comes later nobody can know to
// which request it belongs.
func sayTwice(w io.Writer, body string) {
	var b strings.Builder
	say(&b, "200 OK", "", body)
	_, _ = io.WriteString(w, b.String()+b.String())
}

// TestEveryFaultIsSeen gives the client one fault at a time.
func TestEveryFaultIsSeen(t *testing.T) {
	type serve = func(c *net.TCPConn, req *http.Request, body string, nth int) bool
	for _, tc := range []struct {
		name    string
		mode    strict.Mode
		serve   serve
		outcome strict.Outcome
		how     string
	}{
		{"good", strict.Short, func(c *net.TCPConn, req *http.Request, _ string, _ int) bool {
			say(c, "200 OK", "", idOf(req))
			return false
		}, strict.OK, ""},
		{"good after 103", strict.Short, func(c *net.TCPConn, req *http.Request, _ string, _ int) bool {
			io.WriteString(c, "HTTP/1.1 103 Early Hints\r\n\r\n")
			say(c, "200 OK", "", idOf(req))
			return false
		}, strict.OK, ""},
		{"close before reply", strict.Short, func(*net.TCPConn, *http.Request, string, int) bool {
			return false
		}, strict.Lost, "closed before any reply"},
		{"close before reply, kept", strict.Kept, func(*net.TCPConn, *http.Request, string, int) bool {
			return false
		}, strict.Lost, "closed before any reply"},
		{"reset before reply", strict.Short, func(c *net.TCPConn, _ *http.Request, _ string, _ int) bool {
			c.SetLinger(0)
			return false
		}, strict.Lost, "reset before any reply"},
		{"half a head", strict.Short, func(c *net.TCPConn, _ *http.Request, _ string, _ int) bool {
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Le")
			return false
		}, strict.Lost, "closed within the reply"},
		{"half a body", strict.Kept, func(c *net.TCPConn, req *http.Request, _ string, _ int) bool {
			fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n%s", idOf(req))
			return false
		}, strict.Lost, "closed within the reply"},
		{"half a chunked body", strict.Short, func(c *net.TCPConn, req *http.Request, _ string, _ int) bool {
			id := idOf(req)
			fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n", len(id), id)
			return false
		}, strict.Lost, "closed within the reply"},
		{"body without length", strict.Short, func(c *net.TCPConn, req *http.Request, _ string, _ int) bool {
			fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n%s", idOf(req))
			return false
		}, strict.Lost, "without a length"},
		{"no answer", strict.Short, func(c *net.TCPConn, _ *http.Request, _ string, _ int) bool {
			c.Read(make([]byte, 1)) // until the client gives up
			return false
		}, strict.Lost, "timeout"},
		{"not HTTP", strict.Short, func(c *net.TCPConn, _ *http.Request, _ string, _ int) bool {
			io.WriteString(c, "hello\r\n\r\n")
			return false
		}, strict.Lost, "malformed"},
		{"500", strict.Short, func(c *net.TCPConn, req *http.Request, _ string, _ int) bool {
			say(c, "500 Internal Server Error", "", idOf(req))
			return false
		}, strict.Lost, "status 500"},
		{"503, kept", strict.Kept, func(c *net.TCPConn, req *http.Request, _ string, _ int) bool {
			say(c, "503 Service Unavailable", "", idOf(req))
			return true
		}, strict.Lost, "status 503"},
		{"another's answer", strict.Kept, func(c *net.TCPConn, req *http.Request, _ string, _ int) bool {
			say(c, "200 OK", "", "someone")
			return true
		}, strict.Wrong, "does not name"},
		{"two answers, short", strict.Short, func(c *net.TCPConn, req *http.Request, _ string, _ int) bool {
			sayTwice(c, idOf(req))
			return false
		}, strict.Doubled, "bytes after the answer"},
		{"two answers, kept", strict.Kept, func(c *net.TCPConn, req *http.Request, _ string, nth int) bool {
			if nth > 1 {
				t.Error("the client went on on a connection out of step")
			}
			sayTwice(c, idOf(req))
			return true
		}, strict.Doubled, "bytes after the answer"},
		{"late", strict.Short, func(c *net.TCPConn, req *http.Request, _ string, _ int) bool {
			time.Sleep(150 * time.Millisecond)
			say(c, "200 OK", "", idOf(req))
			return false
		}, strict.Late, "answered after"},
		{"lost on its second request", strict.Kept, func(c *net.TCPConn, req *http.Request, _ string, nth int) bool {
			if nth == 2 {
				return false
			}
			say(c, "200 OK", "X-Who: seven\r\n", idOf(req))
			return true
		}, strict.Lost, "closed before any reply"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			addr := fake(t, tc.serve)
			rep := strict.Start(t.Context(), strict.Load{
				Addr: addr, Requests: 4, Timeout: 400 * time.Millisecond, LateAfter: 100 * time.Millisecond,
				Groups: []strict.Group{{
					Mode: tc.mode, Clients: 1, Target: "/x", ThinkMin: 5 * time.Millisecond, Check: strict.Contains,
					Tag: func(a strict.Answer) string { return a.Header.Get("X-Who") },
				}},
			}).Wait()
			if rep.Counts[tc.outcome] == 0 {
				t.Fatalf("not seen as %s:\n%s", tc.outcome, rep)
			}
			if tc.outcome == strict.OK {
				if err := rep.Err(); err != nil || rep.Counts[strict.OK] != 4 {
					t.Fatalf("want 4 good answers: %v\n%s", err, rep)
				}
				return
			}
			if rep.Err() == nil {
				t.Fatalf("Err is nil although:\n%s", rep)
			}
			for _, e := range rep.Events {
				if e.Outcome != tc.outcome || !strings.Contains(e.How, tc.how) {
					t.Errorf("want %s %q, got %s", tc.outcome, tc.how, e)
				}
				if strings.Contains(tc.name, "second") && (e.Nth != 2 || e.Tag != "seven") {
					t.Errorf("want request 2 of a connection of seven, got %s", e)
				}
			}
		})
	}
}

func TestIdleCloseIsNoLoss(t *testing.T) {
	closesAfterTwo := func(c *net.TCPConn, req *http.Request, _ string, nth int) bool {
		say(c, "200 OK", "", idOf(req))
		return nth < 2 // closes without a word after the second answer
	}
	blind := strict.Start(t.Context(), strict.Load{
		Addr: fake(t, closesAfterTwo), Requests: 20,
		Groups: []strict.Group{{Mode: strict.Kept, Blind: true, Clients: 2, Target: "/", ThinkMin: 20 * time.Millisecond, Check: strict.Contains}},
	}).Wait()
	if n := blind.Counts[strict.Lost]; n < 5 || n > 7 {
		t.Errorf("a blind client loses each third request:\n%s", blind)
	}
	for _, e := range blind.Events {
		if e.Nth != 3 || e.Idle < 20*time.Millisecond {
			t.Errorf("want request 3, after 20 ms or more of idleness: %s", e)
		}
	}
	addr := fake(t, closesAfterTwo)
	rep := strict.Start(t.Context(), strict.Load{
		Addr: addr, Requests: 20,
		Groups: []strict.Group{{Mode: strict.Kept, Clients: 2, Target: "/", ThinkMin: 20 * time.Millisecond, Check: strict.Contains}},
	}).Wait()
	if err := rep.Err(); err != nil || rep.Counts[strict.OK] != 20 {
		t.Fatalf("%v\n%s", err, rep)
	}
	if rep.IdleClosed < 8 || rep.Connections < 9 {
		t.Fatalf("want about 10 connections closed while idle:\n%s", rep)
	}
}

func TestConnectionCloseIsObeyed(t *testing.T) {
	addr := fake(t, func(c *net.TCPConn, req *http.Request, _ string, nth int) bool {
		if nth > 1 {
			t.Error("a request came after Connection: close")
		}
		say(c, "200 OK", "Connection: close\r\n", idOf(req))
		return true
	})
	rep := strict.Start(t.Context(), strict.Load{
		Addr: addr, Requests: 2,
		Groups: []strict.Group{{Mode: strict.Kept, Clients: 1, Target: "/", Check: strict.Contains}},
	}).Wait()
	if err := rep.Err(); err != nil || rep.Connections != 2 {
		t.Fatalf("%v\n%s", err, rep)
	}
}

func TestRefusedIsNoLoss(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
	for _, addr := range []string{ln.Addr().String(), "unix:" + filepath.Join(t.TempDir(), "none")} {
		rep := strict.Start(t.Context(), strict.Load{
			Addr: addr, EndWhenRefused: true,
			Groups: []strict.Group{{Mode: strict.Short, Clients: 3, Target: "/"}},
		}).Wait()
		if rep.Counts[strict.Refused] != 3 || rep.Sent() != 3 {
			t.Errorf("%s: want 3 refused:\n%s", addr, rep)
		}
		if rep.Err() == nil {
			t.Errorf("%s: a run without one answer passes", addr)
		}
	}
}

func TestNetHTTPLosesNothing(t *testing.T) {
	var ledger strict.Ledger
	echo := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ledger.Saw(r.URL.Query().Get("id"))
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %d", idOf(r), len(body))
		if r.Header.Get("Content-Type") == "application/json" {
			fmt.Fprintf(w, " %s", body)
		}
		if r.URL.Query().Get("n") != "" {
			w.(http.Flusher).Flush()
			fmt.Fprint(w, "more")
		}
	})
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			addr := "127.0.0.1:0"
			if network == "unix" {
				addr = filepath.Join(t.TempDir(), "s")
			}
			ln, err := net.Listen(network, addr)
			if err != nil {
				t.Fatal(err)
			}
			srv := httptest.NewUnstartedServer(echo)
			srv.Listener.Close()
			srv.Listener = ln
			srv.Start()
			defer srv.Close()
			addr = ln.Addr().String()
			if network == "unix" {
				addr = "unix:" + addr
			}
			run := strict.Start(t.Context(), strict.Load{
				Addr: addr, Duration: 20 * time.Second,
				Groups: []strict.Group{
					{Mode: strict.Short, Clients: 2, Target: "/s", Check: strict.Contains},
					{Mode: strict.Kept, Clients: 4, Target: "/k", Body: 2000, ThinkMin: time.Millisecond, ThinkMax: 9 * time.Millisecond, Check: strict.Contains},
					{Mode: strict.Kept, Clients: 1, Target: "/stream?n=1", Check: strict.Contains},
					{
						Mode: strict.Kept, Clients: 1, Target: "/j", Check: func(a strict.Answer) error {
							if want := fmt.Sprintf(`{"it":%q}`, a.ID); a.Sent != want || !strings.HasSuffix(string(a.Body), " "+want) {
								return fmt.Errorf("sent %s, got %s", a.Sent, a.Body)
							}
							return nil
						}, JSON: func(id string) string { return fmt.Sprintf(`{"it":%q}`, id) },
					},
					{Mode: strict.Upload, Clients: 2, Target: "/u", Pace: 30 * time.Millisecond, Check: strict.Contains},
				},
			})
			if err := run.Answered(t.Context(), 500); err != nil {
				t.Fatal(err)
			}
			rep := run.Stop()
			if err := rep.Err(); err != nil {
				t.Fatal(err)
			}
			if run.InFlight() != 0 {
				t.Errorf("%d in flight after the end", run.InFlight())
			}
			if got := rep.Counts[strict.OK]; rep.Sent() != got || uint64(got) != rep.Latency.Count() || got < 500 {
				t.Errorf("the account does not add up:\n%s", rep)
			}
		})
	}
	if twice := ledger.Twice(); len(twice) > 0 || ledger.Len() < 1000 {
		t.Errorf("%d seen, twice: %v", ledger.Len(), twice)
	}
}

// TestOpenLoopHidesNoStall holds up one answer: the requests that were due
// meanwhile must show the wait.
func TestOpenLoopHidesNoStall(t *testing.T) {
	stalled := false
	addr := fake(t, func(c *net.TCPConn, req *http.Request, _ string, nth int) bool {
		if !stalled {
			stalled = true
			time.Sleep(300 * time.Millisecond)
		}
		say(c, "200 OK", "", idOf(req))
		return true
	})
	rep := strict.Start(t.Context(), strict.Load{
		Addr: addr, Requests: 20,
		Groups: []strict.Group{{Mode: strict.Kept, Clients: 1, Target: "/", Rate: 100, Check: strict.Contains}},
	}).Wait()
	if err := rep.Err(); err != nil {
		t.Fatal(err)
	}
	if p50 := rep.Latency.Quantile(.5); p50 < 100*time.Millisecond {
		t.Errorf("20 requests due within the first 200 ms of a stall of 300 ms, p50 %s", p50)
	}
}

func TestBounds(t *testing.T) {
	addr := fake(t, func(c *net.TCPConn, req *http.Request, _ string, _ int) bool {
		say(c, "200 OK", "", idOf(req))
		return true
	})
	group := []strict.Group{{Mode: strict.Kept, Clients: 5, Target: "/"}}
	if rep := strict.Start(t.Context(), strict.Load{Addr: addr, Requests: 33, Groups: group}).Wait(); rep.Sent() != 33 {
		t.Errorf("asked for 33, sent %d", rep.Sent())
	}
	rep := strict.Start(t.Context(), strict.Load{Addr: addr, Duration: 50 * time.Millisecond, Groups: group}).Wait()
	if rep.Elapsed > 5*time.Second || rep.Err() != nil {
		t.Errorf("not ended by its duration:\n%s", rep)
	}
	ctx, cancel := context.WithCancel(t.Context())
	run := strict.Start(ctx, strict.Load{Addr: addr, Duration: time.Hour, Groups: group})
	if err := run.Answered(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	cancel()
	if rep := run.Wait(); rep.Counts[strict.Lost] > 0 {
		t.Errorf("what the caller cut short counts as lost:\n%s", rep)
	}
}

func TestMissingServerDirectoryIsRefused(t *testing.T) {
	if _, err := os.Stat("/nonexistent"); err == nil {
		t.Skip("/nonexistent exists")
	}
	rep := strict.Start(t.Context(), strict.Load{
		Addr: "unix:/nonexistent/s", EndWhenRefused: true,
		Groups: []strict.Group{{Mode: strict.Upload, Clients: 1, Target: "/"}},
	}).Wait()
	if rep.Counts[strict.Refused] != 1 {
		t.Error(rep)
	}
}
