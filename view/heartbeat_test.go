package view_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-go/tandem/view"
)

// timedWriter notes when what was written.
type timedWriter struct {
	mu      sync.Mutex
	header  http.Header
	begun   time.Time
	wrote   []string
	stuck   bool // it takes nothing, until its deadline
	bound   time.Time
	flushed int
}

func newTimedWriter() *timedWriter { return &timedWriter{header: http.Header{}, begun: time.Now()} }

func (w *timedWriter) Header() http.Header { return w.header }
func (w *timedWriter) WriteHeader(int)     {}
func (w *timedWriter) Write(b []byte) (int, error) {
	if w.stuck {
		time.Sleep(time.Until(w.bound))
		return 0, os.ErrDeadlineExceeded
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wrote = append(w.wrote, fmt.Sprintf("%v %s", time.Since(w.begun), strings.TrimSpace(string(b))))
	return len(b), nil
}

func (w *timedWriter) FlushError() error {
	w.flushed++
	return nil
}

func (w *timedWriter) SetWriteDeadline(t time.Time) error {
	w.bound = t
	return nil
}

func TestASilentEventStreamBeats(t *testing.T) {
	run := func(opts ...view.EventsOption) string {
		s := newSite(t, 1, []view.Route{eventsAt(func(yield func(view.Event, error) bool) {
			for _, d := range []time.Duration{40 * time.Second, 10 * time.Second, 10 * time.Second, 20 * time.Second} {
				time.Sleep(d)
				if !yield(view.Event{Data: "x"}, nil) {
					return
				}
			}
			time.Sleep(15 * time.Second) // less a moment
		}, opts...)})
		w := newTimedWriter()
		s.ServeHTTP(w, httptest.NewRequest("GET", "/events", nil))
		time.Sleep(time.Hour) // nothing beats any more
		if w.flushed < len(w.wrote) || !w.bound.IsZero() {
			t.Errorf("%d writes, %d flushes, and the deadline %v is left to the next request", len(w.wrote), w.flushed, w.bound)
		}
		return strings.Join(w.wrote, "|")
	}
	synctest.Test(t, func(t *testing.T) {
		if got, want := run(), "15s :|30s :|40s data: x|50s data: x|1m0s data: x|1m15s :|1m20s data: x"; !strings.HasPrefix(got, want) {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		if got, want := run(view.Heartbeat(0)), "40s data: x|50s data: x|1m0s data: x|1m20s data: x"; got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	})
}

func TestASlowReaderOfEventsIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stopped := false
		s := newSite(t, 1, []view.Route{eventsAt(func(yield func(view.Event, error) bool) {
			stopped = !yield(view.Event{Data: "anybody?"}, nil)
		}, view.Heartbeat(0))})
		w := newTimedWriter()
		w.stuck = true
		begun := time.Now()
		func() {
			defer func() {
				if v := recover(); v != http.ErrAbortHandler {
					t.Errorf("the response was not cut: %v", v)
				}
			}()
			s.ServeHTTP(w, httptest.NewRequest("GET", "/events", nil))
		}()
		if took := time.Since(begun); took != 30*time.Second || !stopped {
			t.Errorf("after %v; stopped: %v", took, stopped)
		}
	})
}

// Whoever has had events for long is given up when it takes no more: after 25 to 30 seconds,
// since the deadline is not moved at every event.
func TestAReaderThatStopsIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTimedWriter()
		moved, last := 0, time.Time{}
		s := newSite(t, 1, []view.Route{eventsAt(func(yield func(view.Event, error) bool) {
			for n := 0; ; n++ {
				w.stuck = n == 100
				begun := time.Now()
				if !yield(view.Event{Data: "x"}, nil) {
					if took := time.Since(begun); took < 25*time.Second || took > 30*time.Second {
						t.Errorf("given up after %v", took)
					}
					return
				}
				if w.bound != last {
					moved, last = moved+1, w.bound
				}
				if left := time.Until(w.bound); left < 25*time.Second {
					t.Errorf("event %d: the next would have %v", n, left)
				}
				time.Sleep(time.Second)
			}
		}, view.Heartbeat(0))}) // a heartbeat would wait for the event that waits, on a lock
		func() {
			defer func() { _ = recover() }() // the response is cut
			s.ServeHTTP(w, httptest.NewRequest("GET", "/events", nil))
		}()
		if moved < 15 || moved > 20 {
			t.Errorf("the deadline was moved %d times in 100 events of a second", moved)
		}
	})
}

// One that yields on when its worker drains is stopped, two seconds later.
func TestEventsThatDoNotHeedADrainAreStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		s := newSite(t, 1, []view.Route{eventsAt(func(yield func(view.Event, error) bool) {
			for yield(view.Event{Data: "on and on"}, nil) {
				n++
				time.Sleep(300 * time.Millisecond)
			}
		}, view.Reconnect(10*time.Second))})
		server := newDraining(s)
		time.AfterFunc(10*time.Second, server.drain)
		w := newTimedWriter()
		server.ServeHTTP(w, httptest.NewRequest("GET", "/events", nil))
		if took := time.Since(w.begun); took < 12*time.Second || took > 12*time.Second+300*time.Millisecond {
			t.Errorf("it ended after %v", took)
		}
		var retry int
		last := w.wrote[len(w.wrote)-1]
		if _, err := fmt.Sscanf(last[strings.IndexByte(last, ' ')+1:], "retry: %d", &retry); err != nil || retry < 10_000 || retry > 30_000 {
			t.Errorf("the last that was written is %q", last)
		}
	})
}

func TestAStreamIsNotCutByADrain(t *testing.T) {
	var server *draining
	s := newSite(t, 1, []view.Route{view.Path("GET /", func(ctx context.Context, r *view.Request) (view.Response, error) {
		return view.Stream(func(yield func([]byte, error) bool) {
			_ = yield([]byte("half, "), nil)
			server.drain()
			<-r.Draining() // which an endless one ends by
			if err := ctx.Err(); err != nil {
				t.Errorf("its ctx has ended: %v", err)
			}
			_ = yield([]byte("and the rest"), nil)
		}), nil
	})})
	server = newDraining(s)
	w := httptest.NewRecorder()
	server.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	expect(t, w, 200, "half, and the rest")

	alone := newSite(t, 1, []view.Route{view.Path("GET /", func(_ context.Context, r *view.Request) (view.Response, error) {
		if r.Draining() != nil {
			return nil, errors.New("there is no worker")
		}
		return view.NoContent(), nil
	})})
	expect(t, alone.get("/"), 204, "")
}
