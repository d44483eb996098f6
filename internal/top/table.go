package top

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/tandem-go/tandem/internal/control"
	"github.com/tandem-go/tandem/internal/printable"
)

// worker is one worker and what is computed of it.
type worker struct {
	control.WorkerStatus
	*series
}

// order is what the rows are sorted by.
type order struct {
	name string
	by   func(worker) float64 // descending, what is not known last; nil: by id
}

var orders = []order{
	{name: "id"},
	{"requests", func(w worker) float64 { return w.rate }},
	{"p99", func(w worker) float64 { return slowest(w.p99) }},
	{"in flight", func(w worker) float64 { return float(w.InFlight) }},
	{"memory", func(w worker) float64 { return float(w.RSSBytes) }},
}

func float(n *int64) float64 {
	if n == nil {
		return unknown
	}
	return float64(*n)
}

func slowest(q quantile) float64 {
	switch {
	case !q.known:
		return unknown
	case q.beyond:
		return math.Inf(1)
	}
	return q.seconds
}

// workers are those of the last answer in an order.
func (h *history) workers(o order) []worker {
	st := h.latest()
	if st == nil {
		return nil
	}
	var list []worker
	for _, w := range st.Workers {
		list = append(list, worker{w, h.each[w.ID]})
	}
	slices.SortFunc(list, func(a, b worker) int { return cmp.Compare(a.ID, b.ID) })
	if o.by != nil {
		slices.SortStableFunc(list, func(a, b worker) int {
			return cmp.Compare(o.by(b), o.by(a)) // NaN is less than all others
		})
	}
	return list
}

// column is one of the table of workers.
type column struct {
	name  string
	left  bool
	drop  int // those with the largest go first where there is no room; 0: never
	cell  func(worker) string
	total func(all []worker, s *series) string // nil: none
}

func columns(permitsOf []string) []column {
	list := []column{
		{name: "ID", cell: func(w worker) string { return strconv.FormatUint(w.ID, 10) }},
		{name: "PID", drop: 4, cell: func(w worker) string { return strconv.Itoa(w.PID) }},
		{name: "STATE", left: true, cell: func(w worker) string { return w.State }},
		{name: "GEN", drop: 3, cell: func(w worker) string { return strconv.Itoa(w.Generation) }},
		{name: "AGE", cell: func(w worker) string { return age(w.AgeSeconds) }},
		{
			name: "REQ/S", cell: func(w worker) string { return perSecond(w.rate) },
			total: func(_ []worker, s *series) string { return perSecond(s.rate) },
		},
		{
			name: "P50", cell: func(w worker) string { return w.p50.String() },
			total: func(_ []worker, s *series) string { return s.p50.String() },
		},
		{
			name: "P99", cell: func(w worker) string { return w.p99.String() },
			total: func(_ []worker, s *series) string { return s.p99.String() },
		},
		{
			name: "INFL", cell: func(w worker) string { return known(w.InFlight) },
			total: func(all []worker, _ *series) string {
				return known(add(all, func(w worker) *int64 { return w.InFlight }))
			},
		},
	}
	list = append(list, permitColumns(permitsOf)...)
	return append(
		list,
		column{
			name: "QUEUE", drop: 2, cell: func(w worker) string { return known(queue(w)) },
			total: func(all []worker, _ *series) string { return known(add(all, queue)) },
		},
		column{
			name: "CONN", drop: 5, cell: func(w worker) string { return known(w.Connections) },
			total: func(all []worker, _ *series) string {
				return known(add(all, func(w worker) *int64 { return w.Connections }))
			},
		},
		column{
			name: "MEM", cell: func(w worker) string { return memory(float(w.RSSBytes)) },
			total: func(all []worker, _ *series) string {
				return memory(float(add(all, func(w worker) *int64 { return w.RSSBytes })))
			},
		},
	)
}

// limiters are the names of all that workers have, in their order.
func limiters(all []worker) []string {
	var names []string
	for _, w := range all {
		for _, p := range w.Permits {
			if !slices.Contains(names, p.Limiter) {
				names = append(names, p.Limiter)
			}
		}
	}
	return names
}

// permitColumns have one column for each limiter, or one for all of them without
// names.
func permitColumns(names []string) []column {
	if len(names) == 0 {
		return []column{{
			name: "PERMITS", drop: 1, left: true, cell: permits,
			total: func(all []worker, _ *series) string {
				var parts []string
				for _, name := range limiters(all) {
					parts = append(parts, permitsTotal(all, name))
				}
				return cmp.Or(strings.Join(parts, " "), none)
			},
		}}
	}
	var list []column
	for _, name := range names {
		list = append(list, column{
			name: cut(strings.ToUpper(printable.Line(name)), 10), drop: 1,
			cell: func(w worker) string {
				for _, p := range w.Permits {
					if p.Limiter == name {
						return inUse(p.InUse, p.Limit)
					}
				}
				return none
			},
			total: func(all []worker, _ *series) string { return permitsTotal(all, name) },
		})
	}
	return list
}

func permits(w worker) string {
	var parts []string
	for _, p := range w.Permits {
		parts = append(parts, inUse(p.InUse, p.Limit))
	}
	return cmp.Or(strings.Join(parts, " "), none)
}

func permitsTotal(all []worker, name string) string {
	var used, limit int64
	for _, w := range all {
		for _, p := range w.Permits {
			if p.Limiter == name {
				used, limit = used+p.InUse, limit+p.Limit
			}
		}
	}
	return inUse(used, limit)
}

func inUse(used, limit int64) string { return number(used) + "/" + number(limit) }

// queue is who waits for a permit of w; nil where nothing is known of permits.
func queue(w worker) *int64 {
	if w.Requests == nil {
		return nil
	}
	var n int64
	for _, p := range w.Permits {
		n += p.Queue
	}
	return &n
}

// add sums up what is known.
func add(all []worker, of func(worker) *int64) *int64 {
	var sum *int64
	for _, w := range all {
		if n := of(w); n != nil {
			if sum == nil {
				sum = new(int64)
			}
			*sum += *n
		}
	}
	return sum
}

// table is the workers, ready to be drawn in a width.
type table struct {
	columns []column
	widths  []int
	rest    int // cells that no column takes
}

// margin is for the mark of the chosen worker.
const margin = 2

// layOut chooses the columns that there is room for. all are those that will be
// drawn, and s is what is computed of all together.
func layOut(all []worker, s *series, n int) table {
	for _, list := range [][]column{columns(limiters(all)), columns(nil)} {
		t := measure(list, all, s, n)
		if t.rest >= 0 {
			return t
		}
	}
	list := columns(nil)
	for {
		t := measure(list, all, s, n)
		if t.rest >= 0 {
			return t
		}
		last := 0
		for i := range list {
			if list[i].drop > list[last].drop {
				last = i
			}
		}
		if list[last].drop == 0 {
			return t
		}
		list = slices.Delete(list, last, last+1)
	}
}

func measure(list []column, all []worker, s *series, n int) table {
	t := table{columns: list, rest: n - margin}
	for _, c := range list {
		w := width(c.name)
		for i := range all {
			w = max(w, width(printable.Line(c.cell(all[i]))))
		}
		if c.total != nil {
			w = max(w, width(printable.Line(c.total(all, s))))
		}
		t.widths = append(t.widths, w)
		t.rest -= w + 1
	}
	t.rest++ // nothing stands behind the last
	return t
}

// row puts cells into their columns.
func (t *table) row(mark string, cell func(column) string) string {
	var b strings.Builder
	b.WriteString(fill(mark, margin, false))
	for i, c := range t.columns {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(fill(printable.Line(cell(c)), t.widths[i], !c.left))
	}
	return b.String()
}

// graph is a sparkline that stands behind the table.
type graph struct {
	name   string
	values func(*series) []float64
}

var graphs = []graph{
	{"REQ/S", func(s *series) []float64 { return s.rates }},
	{"P99", func(s *series) []float64 { return s.p99s }},
	{"MEM", func(s *series) []float64 { return s.memory }},
}

const (
	leastGraph = 8
	mostGraph  = 40
	belowGraph = 18 // of three in a line of 80 cells
)

// graphs says how wide each sparkline can be, and how many there are.
func (t *table) graphs() (each, many int) {
	for many = len(graphs); many > 0; many-- {
		if each = min(mostGraph, t.rest/many-2); each >= leastGraph {
			return each, many
		}
	}
	return 0, 0
}

// below is the line of all workers' sparklines, where no row has room for any.
func (t *table) below(s *series) []string {
	if _, many := t.graphs(); many > 0 {
		return nil
	}
	var b strings.Builder
	b.WriteString(strings.Repeat(" ", margin-1))
	for _, g := range graphs {
		b.WriteString(" " + g.name + " " + fill(sparkline(g.values(s), belowGraph), belowGraph, false) + " ")
	}
	return []string{b.String()}
}

// sparks are the sparklines of a row.
func (t *table) sparks(s *series) string {
	each, many := t.graphs()
	var b strings.Builder
	for _, g := range graphs[:many] {
		b.WriteString("  ")
		if s == nil {
			b.WriteString(fill(g.name, each, false))
			continue
		}
		b.WriteString(sparkline(g.values(s), each))
	}
	return b.String()
}

// detail is what is known of one worker beyond its row.
func detail(w worker) string {
	text := fmt.Sprintf("worker %d", w.ID)
	if w.PID != 0 {
		text += fmt.Sprintf(", pid %d", w.PID)
	}
	if w.Requests == nil {
		return text + ": nothing is known of its requests; liveness " + w.Liveness
	}
	text += ": " + number(*w.Requests) + " requests; liveness " + w.Liveness
	for _, p := range w.Permits {
		text += fmt.Sprintf("; %s %s", p.Limiter, inUse(p.InUse, p.Limit))
		var more []string
		if p.Queue > 0 {
			more = append(more, number(p.Queue)+" wait")
		}
		if p.Rejected > 0 {
			more = append(more, number(p.Rejected)+" rejected")
		}
		if p.Abandoned > 0 {
			more = append(more, number(p.Abandoned)+" abandoned")
		}
		if len(more) > 0 {
			text += " (" + strings.Join(more, ", ") + ")"
		}
	}
	if w.DatabaseConnections > 0 {
		text += fmt.Sprintf("; %d database connections", w.DatabaseConnections)
	}
	return text
}
