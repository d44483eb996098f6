package view

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// ServerTiming has answers carry Server-Timing where asked says so of the request;
// a nil asked means all. Browsers show it beside the request. It names, in
// milliseconds and as known when the header goes out:
//
//	total       from the request's arrival at its view and middleware
//	view        of that, until the view and all typed middleware had returned
//	queue       of that, waiting for turns and permits
//	crossings   how many, with the limiter of its sync code
//	db          in database queries, and how many there were; nothing if none
//	route       the view with its colour
//	middleware  with the mode that each runs in
//
// It tells whoever asks how the program is built and when it is busy, so asked
// should know who may. What net/http middleware answers by itself has none.
func ServerTiming(asked func(*http.Request) bool) Option {
	if asked == nil {
		asked = func(*http.Request) bool { return true }
	}
	return func(a *App) { a.timed = asked }
}

// stopwatch times one request for its Server-Timing. A nil one does nothing.
type stopwatch struct {
	r        *Request
	plan     *RoutePlan
	began    time.Time
	returned time.Time // all layers have
}

// startClock times r, and adds the header when the answer begins.
func (r *Request) startClock(p *RoutePlan) *stopwatch {
	s := &stopwatch{r: r, plan: p, began: time.Now()}
	r.LastHeader(s.put)
	return s
}

func (s *stopwatch) viewReturned() {
	if s != nil {
		s.returned = time.Now()
	}
}

func (s *stopwatch) put(h http.Header) {
	now := time.Now()
	if s.returned.IsZero() { // it writes before it returns
		s.returned = now
	}
	b := make([]byte, 0, 256)
	b = appendDuration(b, "total", now.Sub(s.began))
	b = appendDuration(append(b, ", "...), "view", s.returned.Sub(s.began))
	b = appendDuration(append(b, ", "...), "queue", s.r.scope.Waited())
	crossings := strconv.Itoa(s.r.Crossings())
	if s.plan.Limiter != "" {
		crossings += " (" + s.plan.Limiter + ")"
	}
	b = appendDesc(append(b, ", "...), "crossings", crossings)
	if n, spent := s.r.queries.record.Load().Total(); n > 0 {
		queries := " queries"
		if n == 1 {
			queries = " query"
		}
		b = appendDesc(appendDuration(append(b, ", "...), "db", spent), "", strconv.Itoa(n)+queries)
	}
	b = appendDesc(append(b, ", "...), "route", s.plan.Colour.String()+" "+s.plan.Name)
	if len(s.plan.Layers) > 0 {
		b = appendDesc(append(b, ", "...), "middleware", s.plan.middleware())
	}
	h.Add("Server-Timing", string(b))
}

func appendDuration(b []byte, name string, d time.Duration) []byte {
	b = append(append(b, name...), ";dur="...)
	return strconv.AppendFloat(b, float64(d)/float64(time.Millisecond), 'f', 3, 64)
}

// appendDesc appends a metric with a description as a quoted string, which takes
// neither controls nor, for the sake of browsers, anything beyond ASCII.
func appendDesc(b []byte, name, desc string) []byte {
	b = append(append(b, name...), `;desc="`...)
	desc = strings.Map(func(c rune) rune {
		if c < ' ' || c > '~' {
			return '?'
		}
		return c
	}, desc)
	for i := range len(desc) {
		if desc[i] == '"' || desc[i] == '\\' {
			b = append(b, '\\')
		}
		b = append(b, desc[i])
	}
	return append(b, '"')
}
