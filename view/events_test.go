package view_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tandem-go/tandem/view"
)

// dispatched is what a browser's EventSource makes of an event.
type dispatched struct{ id, event, data string }

// source reads an event stream as the WHATWG's standard says, and knows the last
// id, the retry and the comments.
type source struct {
	r        *bufio.Scanner
	id       string
	retry    time.Duration
	comments int
}

func newSource(r io.Reader) *source { return &source{r: bufio.NewScanner(r)} }

// next is false at the end of the stream.
func (s *source) next(t *testing.T) (dispatched, bool) {
	t.Helper()
	var e dispatched
	var data []string
	for s.r.Scan() {
		line := s.r.Text()
		if strings.ContainsAny(line, "\r\x00") {
			t.Errorf("line %q", line)
		}
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case line == "" && data != nil:
			e.id, e.data = s.id, strings.Join(data, "\n")
			return e, true
		case line == "":
			e = dispatched{}
		case name == "":
			s.comments++
		case name == "id":
			s.id = value
		case name == "event":
			e.event = value
		case name == "data":
			data = append(data, value)
		case name == "retry":
			ms, err := strconv.Atoi(value)
			if err != nil {
				t.Errorf("retry: %v", err)
			}
			s.retry = time.Duration(ms) * time.Millisecond
		default:
			t.Errorf("unknown line %q", line)
		}
	}
	return e, false
}

// of is a sequence of some events, and of an error if err is not nil.
func of(err error, all ...view.Event) iter.Seq2[view.Event, error] {
	return func(yield func(view.Event, error) bool) {
		for _, e := range all {
			if !yield(e, nil) {
				return
			}
		}
		if err != nil {
			yield(view.Event{}, err)
		}
	}
}

func eventsAt(seq iter.Seq2[view.Event, error], opts ...view.EventsOption) view.Route {
	return view.Path("GET /events", func(context.Context, *view.Request) (view.Response, error) {
		return view.Events(seq, opts...), nil
	})
}

func TestEventsAreWrittenAsBrowsersReadThem(t *testing.T) {
	tests := []struct {
		event view.Event
		want  string
	}{
		{view.Event{Data: "hello"}, "data: hello\n\n"},
		{view.Event{ID: "7", Event: "tick", Data: "a\nb", Retry: 1500 * time.Millisecond}, "id: 7\nevent: tick\nretry: 1500\ndata: a\ndata: b\n\n"},
		{view.Event{Data: "a\r\nb\rc\n\nd\n"}, "data: a\ndata: b\ndata: c\ndata: \ndata: d\ndata: \n\n"},
		{view.Event{Data: "a\nid: 9\n\nevent: forged"}, "data: a\ndata: id: 9\ndata: \ndata: event: forged\n\n"},
		{view.Event{Data: " led by a space"}, "data:  led by a space\n\n"},
		{view.Event{Event: "bare"}, "event: bare\ndata: \n\n"},
		{view.Event{ID: "only"}, "id: only\n\n"},
		{view.Event{Comment: "for\npeople"}, ": for\n: people\n\n"},
		{view.Event{Retry: time.Microsecond}, "retry: 1\n\n"},
	}
	for _, test := range tests {
		w := newSite(t, 1, []view.Route{eventsAt(of(nil, test.event))}).get("/events")
		expect(t, w, 200, test.want)
		h := w.Header()
		if h.Get("Content-Type") != "text/event-stream" || h.Get("Cache-Control") != "no-cache, no-transform" || h.Get("X-Accel-Buffering") != "no" {
			t.Errorf("%v", h)
		}
	}
	for _, bad := range []view.Event{{ID: "a\nb"}, {ID: "a\rb"}, {ID: "a\x00"}, {Event: "a\nb"}, {Event: "a\r"}, {Retry: -1}} {
		s := newSite(t, 1, []view.Route{eventsAt(of(nil, bad))})
		expectError(t, s.get("/events"), 500, "Internal Server Error")
	}
}

func TestAnErrorBeforeTheFirstEventIsAnAnswer(t *testing.T) {
	for name, seq := range map[string]iter.Seq2[view.Event, error]{
		"error": of(errors.New("no database")),
		"panic": func(func(view.Event, error) bool) { panic("kaboom") },
	} {
		s := newSite(t, 1, []view.Route{eventsAt(seq)})
		w := s.get("/events")
		expectError(t, w, 500, "Internal Server Error")
		if w.Header().Get("X-Accel-Buffering") != "" || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %v", name, w.Header())
		}
		if r := s.log.only(t); r["level"] != "ERROR" {
			t.Errorf("%s: logged %v", name, r)
		}
	}
	s := newSite(t, 1, []view.Route{view.Path("GET /events", func(context.Context, *view.Request) (view.Response, error) {
		return view.Events(of(view.Errorf(409, "the list is gone"))), nil
	})})
	expectError(t, s.get("/events"), 409, "the list is gone")
}

func TestALaterErrorCutsTheStream(t *testing.T) {
	s := newSite(t, 1, []view.Route{eventsAt(of(errors.New("no database"), view.Event{Data: "first"}))})
	resp, err := http.Get(listen(t, s).URL + "/events")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); string(body) != "data: first\n\n" || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%q, %v", body, err)
	}
}

func TestHEADOfEventsIsAnsweredAtOnce(t *testing.T) {
	s := newSite(t, 1, []view.Route{eventsAt(func(func(view.Event, error) bool) { t.Error("the sequence runs") })})
	w := s.do(httptest.NewRequest("HEAD", "/events", nil))
	if expect(t, w, 200, ""); w.Header().Get("Content-Type") != "text/event-stream" {
		t.Errorf("%v", w.Header())
	}
}

// A client that comes back says what it has seen, and gets what follows.
func TestAClientOfEventsComesBack(t *testing.T) {
	s := newSite(t, 1, []view.Route{view.Path("GET /events", func(_ context.Context, r *view.Request) (view.Response, error) {
		last, _ := strconv.Atoi(r.LastEventID())
		return view.Events(func(yield func(view.Event, error) bool) {
			for i := last + 1; i <= last+3; i++ {
				if !yield(view.Event{ID: strconv.Itoa(i), Data: fmt.Sprint("number ", i)}, nil) {
					return
				}
			}
		}), nil
	})})
	server := listen(t, s)
	id, want := "", 0
	for range 3 {
		r, err := http.NewRequestWithContext(t.Context(), "GET", server.URL+"/events", nil)
		if err != nil {
			t.Fatal(err)
		}
		if id != "" {
			r.Header.Set("Last-Event-ID", id)
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		src := newSource(resp.Body)
		for e, ok := src.next(t); ok; e, ok = src.next(t) {
			if want++; e != (dispatched{id: strconv.Itoa(want), data: fmt.Sprint("number ", want)}) {
				t.Errorf("got %+v, want number %d", e, want)
			}
		}
		if err := src.r.Err(); err != nil {
			t.Error(err)
		}
		_ = resp.Body.Close()
		id = src.id
	}
	if want != 9 {
		t.Errorf("%d events", want)
	}
}

func TestEventsEndWhenTheClientLeaves(t *testing.T) {
	ended := make(chan error, 1)
	s := newSite(t, 1, []view.Route{view.Path("GET /events", func(ctx context.Context, _ *view.Request) (view.Response, error) {
		return view.Events(func(yield func(view.Event, error) bool) {
			for yield(view.Event{Data: "more"}, nil) && ctx.Err() == nil {
			}
			<-ctx.Done()
			ended <- context.Cause(ctx)
		}), nil
	})})
	resp, err := http.Get(listen(t, s).URL + "/events")
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if err := <-ended; !errors.Is(err, context.Canceled) || errors.Is(err, view.ErrDraining) {
		t.Errorf("the ctx ended with %v", err)
	}
}

func TestEventsSayGoodbyeWhenTheWorkerDrains(t *testing.T) {
	for name, last := range map[string]error{"returns": nil, "yields its ctx's end": context.Canceled, "yields its ctx's cause": view.ErrDraining} {
		s := newSite(t, 1, []view.Route{view.Path("GET /events", func(ctx context.Context, _ *view.Request) (view.Response, error) {
			return view.Events(func(yield func(view.Event, error) bool) {
				if !yield(view.Event{ID: "1", Data: "hello"}, nil) {
					t.Error("stopped")
				}
				<-ctx.Done()
				if cause := context.Cause(ctx); !errors.Is(cause, view.ErrDraining) {
					t.Errorf("the ctx ended with %v", cause)
				}
				if yield(view.Event{ID: "2", Data: "goodbye"}, nil) && last != nil {
					yield(view.Event{}, last)
				}
			}), nil
		})})
		server := newDraining(s)
		resp, err := http.Get(listen(t, server).URL + "/events")
		if err != nil {
			t.Fatal(err)
		}
		src := newSource(resp.Body)
		if e, ok := src.next(t); !ok || e.data != "hello" {
			t.Errorf("%s: %+v", name, e)
		}
		server.drain()
		if e, ok := src.next(t); !ok || e != (dispatched{id: "2", data: "goodbye"}) {
			t.Errorf("%s: %+v", name, e)
		}
		if e, ok := src.next(t); ok || src.r.Err() != nil {
			t.Errorf("%s: then %+v, %v, want a whole response's end", name, e, src.r.Err())
		}
		if src.retry < time.Second || src.retry > 3*time.Second {
			t.Errorf("%s: come back in %v", name, src.retry)
		}
		_ = resp.Body.Close()
	}
}
