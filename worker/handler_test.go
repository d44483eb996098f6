package worker

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/tandem-go/tandem/bridge"
	"github.com/tandem-go/tandem/internal/http1"
	"github.com/tandem-go/tandem/internal/scoreboard"
)

// counted serves h as Run does, over HTTP/1 or 2, and gives its scoreboard.
func counted(t *testing.T, h http.Handler, http2 bool) (*httptest.Server, *scoreboard.Board) {
	t.Helper()
	s := &server{board: scoreboard.Local(), logger: slog.New(slog.DiscardHandler), events: make(chan struct{}, 1), crowd: crowd{Limits: Limits{}.settled()}}
	s.guards.clear = http1.DefaultLimits()
	ts := httptest.NewUnstartedServer(newHandler(s, h))
	ts.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	ts.EnableHTTP2 = http2
	if http2 {
		ts.StartTLS()
	} else {
		ts.Start()
	}
	t.Cleanup(ts.Close)
	return ts, s.board
}

func TestRequestsAreCountedByMethodAndCode(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("/nothing", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/text", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "text") })
	mux.HandleFunc("/twice", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204); w.WriteHeader(500) })
	mux.HandleFunc("/early", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(103); w.WriteHeader(201) })
	mux.HandleFunc("/flush", func(w http.ResponseWriter, _ *http.Request) {
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Error(err)
		}
		w.WriteHeader(500) // too late
	})
	mux.HandleFunc("/panic", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	mux.HandleFunc("/half", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(418); panic(http.ErrAbortHandler) })
	for _, http2 := range []bool{false, true} {
		t.Run(fmt.Sprintf("http2=%v", http2), func(t *testing.T) {
			ts, board := counted(t, mux, http2)
			for _, r := range []string{
				"GET /nothing", "GET /text", "GET /text", "HEAD /text", "POST /twice", "PUT /early", "GET /flush",
				"GET /missing", "DELETE /panic", "PATCH /half", "BREW /text",
			} {
				method, path, _ := strings.Cut(r, " ")
				req, err := http.NewRequestWithContext(t.Context(), method, ts.URL+path, nil)
				if err != nil {
					t.Fatal(err)
				}
				resp, err := ts.Client().Do(req)
				if err == nil {
					_, _ = io.Copy(io.Discard, resp.Body) // cut in the middle, some of them
					_ = resp.Body.Close()
				}
			}
			ts.Close() // which waits for the handlers
			got := board.Read()
			want := "[{GET 200 4} {GET 404 1} {HEAD 200 1} {POST 204 1} {PUT 201 1} {PATCH 418 1} {DELETE 0 1} {other 200 1}]"
			if codes := fmt.Sprint(got.ByCode); codes != want {
				t.Errorf("counted %s\nwant    %s", codes, want)
			}
			if got.Duration.Count() != 11 || got.InFlight != 0 || len(board.InFlight()) != 0 {
				t.Errorf("counted %+v", got)
			}
		})
	}
}

// A refused one has no method that anybody could rely on.
func TestARefusedRequestOfHTTP2IsCountedByItsStatus(t *testing.T) {
	ts, board := counted(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("it has reached the handler") }), true)
	req, err := http.NewRequestWithContext(t.Context(), "GET", ts.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Expect", "more")
	resp, err := ts.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if want := "417 Expectation Failed: an expectation other than 100-continue\n"; string(body) != want || err != nil ||
		resp.Header.Get("Content-Type") != "text/plain; charset=utf-8" || resp.ContentLength != int64(len(want)) {
		t.Errorf("%q, %v, %v", body, err, resp)
	}
	ts.Close()
	if codes := fmt.Sprint(board.Read().ByCode); codes != "[{other 417 1}]" {
		t.Errorf("counted %s", codes)
	}
}

// What takes a connection over keeps its request, and a drain, until it is done.
func TestARequestThatIsHeldOutlivesItsHandler(t *testing.T) {
	releases, returned := make(chan func(), 1), make(chan struct{})
	h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		t.Cleanup(func() { _ = conn.Close() })
		releases <- w.(interface{ Hold() func() }).Hold()
	})
	s := &server{board: scoreboard.Local(), logger: slog.New(slog.DiscardHandler), events: make(chan struct{}, 1), crowd: crowd{Limits: Limits{}.settled()}}
	s.draining.Store(true)
	inner := newHandler(s, h)
	ts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		inner.ServeHTTP(w, r)
		close(returned)
	}))
	t.Cleanup(ts.Close)
	conn, err := net.Dial("tcp", ts.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, "GET /ws HTTP/1.1\r\nHost: x\r\n\r\n")
	release := <-releases
	<-returned
	if s.board.Idle() || len(s.board.InFlight()) != 1 || s.board.Read().ByCode != nil {
		t.Errorf("it is over with its handler: %+v", s.board.Read())
	}
	release()
	if !s.board.Idle() || fmt.Sprint(s.board.Read().ByCode) != "[{GET 101 1}]" {
		t.Errorf("it is not over: %+v", s.board.Read())
	}
	select {
	case <-s.events:
	default:
		t.Error("the drain is not told")
	}
}

func TestAHijackedConnectionCountsAsSwitched(t *testing.T) {
	hijack := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: lines\r\n\r\n")
		_ = conn.Close()
	})
	ts, board := counted(t, hijack, false)
	// A server that closes does not wait for a handler whose connection is its own.
	counting, returned := ts.Config.Handler, make(chan struct{})
	ts.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(returned)
		counting.ServeHTTP(w, r)
	})
	resp, err := ts.Client().Get(ts.URL)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	<-returned
	if codes := fmt.Sprint(board.Read().ByCode); codes != "[{GET 101 1}]" {
		t.Errorf("counted %s", codes)
	}
}

// What is in flight has the pattern of its route, which tells no secret, and the
// id that its handler logs.
func TestRequestsInFlightHaveRouteAndID(t *testing.T) {
	here, leave := make(chan string), make(chan struct{})
	stay := func(w http.ResponseWriter, _ *http.Request) {
		here <- w.(interface{ RequestID() string }).RequestID()
		<-leave
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /reset/{token}/", stay)
	router := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.(interface{ Route(pattern string) }).Route("/by-another-router/:token")
		stay(w, r)
	})
	plain := http.HandlerFunc(stay)
	for name, c := range map[string]struct {
		h         http.Handler
		id, route string
	}{
		"ServeMux":       {mux, "client-1", "GET /reset/{token}/"},
		"another router": {router, "", "/by-another-router/:token"},
		"none":           {plain, "<b>\"", "/reset/secret"},
	} {
		t.Run(name, func(t *testing.T) {
			ts, board := counted(t, c.h, false)
			done := make(chan struct{})
			go func() {
				defer close(done)
				req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, ts.URL+"/reset/secret/?password=x", nil)
				if err != nil {
					t.Error(err)
					return
				}
				req.Header.Set("X-Request-Id", c.id)
				if resp, err := ts.Client().Do(req); err != nil {
					t.Error(err)
				} else {
					_ = resp.Body.Close()
				}
			}()
			id := <-here
			list := board.InFlight()
			if len(list) != 1 || list[0].Method != "GET" || list[0].Route != c.route || list[0].ID != id {
				t.Errorf("listed %+v, the handler's id is %q", list, id)
			}
			if taken := id == c.id; taken != (name == "ServeMux") || id == "" {
				t.Errorf("the client's id %q became %q", c.id, id)
			}
			leave <- struct{}{}
			<-done
		})
	}
}

// A worker says the same of its limiters as they say themselves, in the same
// buckets.
func TestWaitBucketsAreThoseOfTheScoreboard(t *testing.T) {
	var seconds []float64
	for _, d := range bridge.WaitBounds() {
		seconds = append(seconds, d.Seconds())
	}
	if !slices.Equal(seconds, scoreboard.WaitBounds[:]) {
		t.Errorf("bridge has %v, the scoreboard %v", seconds, scoreboard.WaitBounds)
	}
}
