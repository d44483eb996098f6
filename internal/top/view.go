package top

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"github.com/tandem-go/tandem/internal/control"
	"github.com/tandem-go/tandem/internal/printable"
	"github.com/tandem-go/tandem/internal/timeline"
)

const (
	headRows = 4 // the supervisor, its listeners, its last reload, a notice
	footRows = 1
	// tableRows are those of the table beside its workers: their names, the sum, the
	// chosen one's details.
	tableRows = 3
	// leastLower is what requests and events get at least.
	leastLower = 8
)

// View draws the model.
func (m *Model) View() tea.View {
	v := tea.NewView(m.screen())
	v.AltScreen = true
	return v
}

// screen is what the terminal shows: as many lines as it has, none longer than it
// is wide.
func (m *Model) screen() string {
	var rows []string
	if m.small() {
		rows = append(rows, m.draw(span{fmt.Sprintf("%dx%d is too small: %dx%d are needed; q quits", m.width, m.height, leastWidth, leastHeight), plain}))
	} else {
		rows = append(m.head(), m.body(m.height-headRows-footRows)...)
		for len(rows) < m.height-footRows {
			rows = append(rows, "")
		}
		rows = append(rows, m.foot())
	}
	return strings.Join(rows[:max(0, min(len(rows), m.height))], "\n")
}

// small says that nothing can be shown, and so nothing be asked.
func (m *Model) small() bool { return m.width < leastWidth || m.height < leastHeight }

func (m *Model) draw(spans ...span) string { return m.theme.line(m.width, spans...) }

// head says how the supervisor is.
func (m *Model) head() []string {
	st := m.history.latest()
	if st == nil {
		return []string{m.draw(span{"supervisor", title}), "", "", m.noticeRow()}
	}
	first := []span{{"supervisor " + st.Version + "  ", title}, {st.State, ofState(st.State)}}
	if m.paused {
		first = append(first, span{"  PAUSED", doubtful})
	}
	first = append(first, span{fmt.Sprintf("  pid %d  generation %d  up %s", st.PID, st.Generation, age(st.UptimeSeconds)), plain})
	if n := m.wanted(); n > 0 {
		first = append(first, span{"  " + workersText(n) + " wanted", plain})
	}
	return []string{
		m.draw(first...),
		m.draw(span{"listening on ", faint}, span{cmp.Or(strings.Join(st.Listeners, " "), none), plain}),
		m.draw(append([]span{{"last reload  ", faint}}, reloadText(st.LastReload)...)...),
		m.noticeRow(),
	}
}

func reloadText(r *control.LastReload) []span {
	switch {
	case r == nil:
		return []span{{"none yet", plain}}
	case r.Result == control.ResultOK:
		return []span{{"ok", good}, {fmt.Sprintf(" (generation %d)", r.Generation), plain}}
	}
	return []span{{"failed and undone", bad}, {fmt.Sprintf(" (generation %d): %s", r.Generation, r.Error), plain}}
}

// noticeRow is the most important of what there is to say.
func (m *Model) noticeRow() string {
	switch {
	case m.lost != "":
		return m.draw(span{"no answer, asking again: ", bad}, span{m.lost, plain})
	case m.notice != "" && !m.doing:
		return m.draw(span{m.notice, m.noticed})
	}
	if st := m.history.latest(); st != nil && st.Progress != nil {
		return m.draw(span{st.Progress.Text, doubtful})
	}
	return m.draw(span{m.notice, m.noticed})
}

func (m *Model) foot() string {
	switch {
	case m.question != nil:
		return m.draw(span{m.question.text + " ", title}, span{"y/n", chosen})
	case m.pane != nil:
		return m.draw(span{"esc back  ↑↓ pgup pgdn home end", faint})
	}
	return m.draw(span{fmt.Sprintf("q quit  ? help  ↑↓  l log  w why  r reload  +/- scale  s sort: %s  p pause", orders[m.order].name), faint})
}

// body is what stands between head and foot, in n rows.
func (m *Model) body(n int) []string {
	if m.pane != nil {
		return m.paneView(n)
	}
	rows := m.rows()
	if len(rows) == 0 {
		return append([]string{m.draw(span{"no workers", plain}), ""}, m.lower(rows, n-2)...)
	}
	t := layOut(rows, &m.history.all, m.width)
	below := t.below(&m.history.all)
	shown := min(len(rows), max(1, n-tableRows-len(below)-leastLower))
	out := m.table(&t, rows, shown)
	for _, line := range below {
		out = append(out, m.draw(span{line, plain}))
	}
	return append(out, m.lower(rows, n-len(out))...)
}

func (m *Model) table(t *table, rows []worker, shown int) []string {
	first := max(0, min(m.index-shown+1, len(rows)-shown))
	names := t.row("", func(c column) string { return c.name }) + t.sparks(nil)
	if hidden := len(rows) - shown; hidden > 0 {
		names = t.row("↕", func(c column) string { return c.name }) + t.sparks(nil)
	}
	out := []string{m.draw(span{names, title})}
	for i, w := range rows[first : first+shown] {
		out = append(out, m.row(t, w, first+i == m.index))
	}
	sum := t.row("Σ", func(c column) string {
		if c.total == nil {
			return ""
		}
		return c.total(rows, &m.history.all)
	}) + t.sparks(&m.history.all)
	out = append(out, m.draw(span{sum, title}))
	return append(out, m.draw(span{strings.Repeat(" ", margin) + detail(rows[m.index]), faint}))
}

// row draws a worker; only its state has a colour.
func (m *Model) row(t *table, w worker, here bool) string {
	mark := ""
	if here {
		mark = ">"
	}
	text := t.row(mark, func(c column) string { return c.cell(w) })
	if here {
		return m.draw(span{text, chosen}, span{t.sparks(w.series), plain})
	}
	before := margin
	for i, c := range t.columns {
		if c.name == "STATE" {
			head := cutCells(text, before)
			state := cutCells(text[len(head):], t.widths[i])
			return m.draw(span{head, plain}, span{state, ofState(w.State)}, span{text[len(head)+len(state):] + t.sparks(w.series), plain})
		}
		before += t.widths[i] + 1
	}
	return m.draw(span{text + t.sparks(w.series), plain})
}

// cutCells is the beginning of text that takes n cells.
func cutCells(text string, n int) string {
	taken := 0
	for i, r := range text {
		if taken >= n {
			return text[:i]
		}
		taken += width(string(r))
	}
	return text
}

// lower are the oldest requests in flight and the last events.
func (m *Model) lower(rows []worker, n int) []string {
	requests := oldest(rows)
	room := max(1, min(len(requests), n/2-1))
	out := []string{m.draw(span{"Oldest requests in flight", title})}
	if len(requests) == 0 {
		out = append(out, m.draw(span{"  none", faint}))
	}
	for _, r := range requests[:min(room, len(requests))] {
		out = append(out, m.draw(span{r.text(m.width), plain}))
	}
	out = append(out, m.draw(span{"Events", title}))
	room = max(0, n-len(out))
	events := m.events[max(0, len(m.events)-room):]
	if len(events) == 0 && room > 0 {
		out = append(out, m.draw(span{"  none yet", faint}))
	}
	for _, e := range events {
		kind := plain
		if grave(e) {
			kind = bad
		}
		out = append(out, m.draw(span{"  " + e.Time.Local().Format("15:04:05") + "  ", faint}, span{e.Text, kind}))
	}
	return out
}

// grave says that an event is no part of ordinary life.
func grave(e timeline.Event) bool {
	switch e.Kind {
	case timeline.SupervisorLost, timeline.WorkerFailed, timeline.WorkerHung, timeline.WorkerKilled, timeline.WorkerStopped,
		timeline.ReloadUndone, timeline.UpgradeFailed, timeline.Missing:
		return true
	case timeline.WorkerExited:
		return e.Cause != "exit status 0"
	}
	return false
}

// request is one in flight, and whose.
type request struct {
	control.RequestStatus
	worker uint64
}

func oldest(rows []worker) []request {
	var list []request
	for _, w := range rows {
		for _, r := range w.OldestRequests {
			list = append(list, request{r, w.ID})
		}
	}
	slices.SortStableFunc(list, func(a, b request) int { return cmp.Compare(b.AgeSeconds, a.AgeSeconds) })
	return list
}

// text is a request in n cells; its id stands at the end where it has room.
func (r request) text(n int) string {
	what := r.Route
	if !strings.HasPrefix(what, r.Method+" ") {
		what = r.Method + " " + what
	}
	head := fmt.Sprintf("  %7s  worker %-4d  ", age(r.AgeSeconds), r.worker)
	if id := printable.Line(r.RequestID); id != "" && n >= 100 {
		room := n - width(head) - width(id) - 2
		return head + fill(printable.Line(what), max(20, room), false) + "  " + id
	}
	return head + what
}

// paneRows is how many lines a pane shows.
func (m *Model) paneRows() int { return max(1, m.height-headRows-footRows-1) }

func (m *Model) paneView(n int) []string {
	shown, back := m.pane.pieces(m.width, n-1)
	name := m.pane.title
	switch {
	case back > 0:
		name += fmt.Sprintf("  (%d lines below)", back)
	case m.pane.worker != 0 && !m.pane.broken:
		name += "  (follows)"
	}
	out := []string{m.draw(span{name, title})}
	for _, l := range shown {
		out = append(out, m.draw(span{l, plain}))
	}
	return out
}
