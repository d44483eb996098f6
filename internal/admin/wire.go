package admin

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tandem-go/tandem/internal/control"
	"github.com/tandem-go/tandem/internal/history"
)

// columns are the numbers of a sample as the page gets them, in this order. A
// duration that is not known is -1, and so are all that are counted by workers
// where none does.
var columns = [...]string{
	"at", "other", "s2xx", "s3xx", "s4xx", "s5xx", "p50", "p99", "inFlight", "permits", "inUse", "queue", "ready", "wanted", "connections", "span",
}

func numbers(s *history.Sample) (row [len(columns)]int64) {
	row = [...]int64{
		s.At, int64(s.Ended[history.Other]), int64(s.Ended[history.Successful]), int64(s.Ended[history.Redirected]),
		int64(s.Ended[history.Refused]), int64(s.Ended[history.Failed]), known(s.P50), known(s.P99),
		int64(s.InFlight), int64(s.Permits), int64(s.InUse), int64(s.Queue), int64(s.Ready), int64(s.Wanted), int64(s.Connections), int64(s.Span),
	}
	if !s.Counted {
		for _, i := range []int{1, 2, 3, 4, 5, 8, 9, 10, 11, 14} {
			row[i] = -1
		}
	}
	return row
}

func known(micros uint32) int64 {
	if micros == history.None {
		return -1
	}
	return int64(micros)
}

// appendHour writes samples by column, each number as its difference to the one
// before, and two zeros and more as an array of their number: an hour of little
// news is small. Times are taken to be a second apart.
func appendHour(to []byte, samples []history.Sample, now int64, wall time.Time) []byte {
	to = append(to, `{"now":`...)
	to = strconv.AppendInt(to, now, 10)
	to = append(to, `,"wall":`...)
	to = strconv.AppendInt(to, wall.UnixMilli(), 10)
	to = append(to, `,"n":`...)
	to = strconv.AppendInt(to, int64(len(samples)), 10)
	rows := make([][len(columns)]int64, len(samples))
	for i := range samples {
		rows[i] = numbers(&samples[i])
	}
	for c, name := range columns {
		to = append(to, ",\""...)
		to = append(to, name...)
		to = append(to, "\":"...)
		var d deltas
		for i := range rows {
			n := rows[i][c]
			if c == 0 {
				n -= int64(i) * 1000
			}
			to = d.append(to, n)
		}
		to = d.end(to)
	}
	to = append(to, `,"memory":[`...)
	to = appendMemory(to, samples)
	return append(to, "]}"...)
}

// appendMemory writes the memory of each worker from its first sample on; others
// have the id 0.
func appendMemory(to []byte, samples []history.Sample) []byte {
	type series struct {
		id   uint32
		from int
		d    deltas
		text []byte
		last int
	}
	var all []*series
	open := map[uint32]*series{}
	add := func(i int, m history.Memory) {
		s := open[m.ID]
		if s == nil || s.last != i-1 {
			s = &series{id: m.ID, from: i}
			open[m.ID] = s
			all = append(all, s)
		}
		s.text, s.last = s.d.append(s.text, int64(m.KiB)), i
	}
	for i := range samples {
		for _, m := range samples[i].Workers {
			if m.ID == 0 {
				break
			}
			add(i, m)
		}
		if o := samples[i].Others; o.ID > 0 {
			add(i, history.Memory{KiB: o.KiB})
		}
	}
	for i, s := range all {
		if i > 0 {
			to = append(to, ',')
		}
		to = append(to, `{"id":`...)
		to = strconv.AppendUint(to, uint64(s.id), 10)
		to = append(to, `,"from":`...)
		to = strconv.AppendInt(to, int64(s.from), 10)
		to = append(to, `,"kib":`...)
		to = append(to, s.d.end(s.text)...)
		to = append(to, '}')
	}
	return to
}

// deltas writes a column.
type deltas struct {
	was   int64
	zeros int
	begun bool
}

func (d *deltas) append(to []byte, n int64) []byte {
	delta := n - d.was
	d.was = n
	if delta == 0 {
		d.zeros++
		return to
	}
	to = d.run(to)
	return strconv.AppendInt(d.comma(to), delta, 10)
}

func (d *deltas) run(to []byte) []byte {
	switch {
	case d.zeros == 1:
		to = append(d.comma(to), '0')
	case d.zeros > 1:
		to = append(strconv.AppendInt(append(d.comma(to), '['), int64(d.zeros), 10), ']')
	}
	d.zeros = 0
	return to
}

func (d *deltas) comma(to []byte) []byte {
	c := byte(',')
	if !d.begun {
		d.begun, c = true, '['
	}
	return append(to, c)
}

func (d *deltas) end(to []byte) []byte {
	to = d.run(to)
	if !d.begun {
		to = append(to, '[')
	}
	return append(to, ']')
}

// appendTick writes a tick.
func appendTick(to []byte, t *history.Tick) []byte {
	to = append(to, `{"wall":`...)
	to = strconv.AppendInt(to, t.Wall.UnixMilli(), 10)
	to = append(to, `,"state":`...)
	to = strconv.AppendQuote(to, t.State)
	to = append(to, `,"live":`...)
	to = appendSample(to, &t.Live)
	if t.Whole != nil {
		to = append(to, `,"whole":`...)
		to = appendSample(to, t.Whole)
	}
	return append(to, '}')
}

// appendSample writes the columns, and then the memory as pairs of id and KiB.
func appendSample(to []byte, s *history.Sample) []byte {
	to = append(to, '[')
	for _, n := range numbers(s) {
		to = append(strconv.AppendInt(to, n, 10), ',')
	}
	to = append(to, '[')
	pair := func(id, kib uint32) {
		if to[len(to)-1] != '[' {
			to = append(to, ',')
		}
		to = append(strconv.AppendUint(to, uint64(id), 10), ',')
		to = strconv.AppendUint(to, uint64(kib), 10)
	}
	for _, m := range s.Workers {
		if m.ID == 0 {
			break
		}
		pair(m.ID, m.KiB)
	}
	if s.Others.ID > 0 {
		pair(0, s.Others.KiB)
	}
	return append(to, "]]"...)
}

// once writes what all streams are sent once for all.
type once struct {
	mu       sync.Mutex
	ticked   *history.Tick
	tickText []byte
	asked    *history.Tick
	text     []byte
}

func (o *once) tick(t *history.Tick) []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ticked != t {
		o.ticked, o.tickText = t, appendTick(nil, t)
	}
	return o.tickText
}

// status is that of the tick, or for nil that of this moment.
func (o *once) status(ctx context.Context, t *history.Tick, limit time.Duration, backend Backend) ([]byte, error) {
	o.mu.Lock()
	if t != nil && o.asked == t {
		defer o.mu.Unlock()
		return o.text, nil
	}
	o.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	st, err := backend.Status(ctx)
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(shown(st))
	if err != nil {
		return nil, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.asked, o.text = t, text
	return text, nil
}

// maxRequests is how many requests in flight a page lists.
const maxRequests = 20

// shownStatus is what of a status a page may show.
type shownStatus struct {
	State      string         `json:"state"`
	PID        int            `json:"pid"`
	Version    string         `json:"version"`
	Generation int            `json:"generation"`
	Uptime     float64        `json:"uptime"`
	Workers    []shownWorker  `json:"workers"`
	Requests   []shownRequest `json:"requests"` // the oldest in flight, the oldest first
}

type shownWorker struct {
	ID          uint64  `json:"id"`
	PID         int     `json:"pid"`
	Generation  int     `json:"generation"`
	State       string  `json:"state"`
	Liveness    string  `json:"liveness"`
	Age         float64 `json:"age"`
	Requests    *uint64 `json:"requests"`
	InFlight    *int64  `json:"inFlight"`
	Connections *int64  `json:"connections"`
	Memory      *int64  `json:"memory"`
}

type shownRequest struct {
	Method string  `json:"method"`
	Route  string  `json:"route"` // the pattern; "" without one: a path may hold a secret
	Worker uint64  `json:"worker"`
	Age    float64 `json:"age"`
}

func shown(st control.Status) shownStatus {
	s := shownStatus{
		State: st.State, PID: st.PID, Version: st.Version, Generation: st.Generation, Uptime: st.UptimeSeconds,
		Workers: make([]shownWorker, 0, len(st.Workers)), Requests: []shownRequest{},
	}
	for _, w := range st.Workers {
		s.Workers = append(s.Workers, shownWorker{
			w.ID, w.PID, w.Generation, w.State, w.Liveness, w.AgeSeconds, w.Requests, w.InFlight, w.Connections, w.RSSBytes,
		})
		for _, r := range w.OldestRequests {
			s.Requests = append(s.Requests, shownRequest{r.Method, pattern(r), w.ID, r.AgeSeconds})
		}
	}
	slices.SortStableFunc(s.Requests, func(a, b shownRequest) int { return cmp.Compare(b.Age, a.Age) })
	s.Requests = s.Requests[:min(len(s.Requests), maxRequests)]
	return s
}

// pattern is what the request has matched, without the method that a pattern of
// net/http may begin with.
func pattern(r control.RequestStatus) string {
	if !r.Matched {
		return ""
	}
	return strings.TrimPrefix(r.Route, r.Method+" ")
}
