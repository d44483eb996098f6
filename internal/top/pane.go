package top

import (
	"context"
	"fmt"
	"strings"

	tea "charm.land/bubbletea/v2"

	"github.com/tandem-go/tandem/internal/control"
	"github.com/tandem-go/tandem/internal/postmortem"
	"github.com/tandem-go/tandem/internal/printable"
)

// pane is text that takes the place of tables until it is left.
type pane struct {
	title string
	lines []string
	back  int // pieces of lines between the last that is shown and the end

	// Of a log that is followed:
	worker uint64 // 0: it is no log
	cancel func()
	feed   *feed[string]
	broken bool // the supervisor broke off, and is asked again when it is back
	fresh  bool // what comes next takes the place of what there is
}

// paneLines is how many lines of a log can be looked back at.
const paneLines = 2000

func (p *pane) add(text ...string) {
	p.lines = append(p.lines, text...)
	if n := len(p.lines) - paneLines; n > 0 {
		p.lines = append([]string(nil), p.lines[n:]...)
	}
}

// leave closes the pane.
func (m *Model) leave() {
	if m.pane != nil && m.pane.cancel != nil {
		m.pane.cancel()
	}
	m.pane = nil
}

// open shows text.
func (m *Model) open(title, text string) {
	m.leave()
	m.pane = &pane{title: title, lines: strings.Split(strings.TrimRight(text, "\n"), "\n")}
	m.pane.back = topOfPane
}

// topOfPane is farther back than any pane is long: its beginning is shown.
const topOfPane = 1 << 30

// openLog follows the log of the chosen worker.
func (m *Model) openLog() tea.Cmd {
	if m.chosen == 0 {
		m.say(doubtful, "there is no worker to show the log of")
		return nil
	}
	m.leave()
	m.pane = &pane{title: fmt.Sprintf("log of worker %d", m.chosen), worker: m.chosen}
	return m.readLog(m.pane)
}

// readLog begins to read the log of a pane, from its last lines on.
func (m *Model) readLog(p *pane) tea.Cmd {
	if p.worker == 0 {
		return nil
	}
	if p.cancel != nil {
		p.cancel()
	}
	ctx, cancel := context.WithCancel(m.ctx)
	f := newFeed[string](paneLines)
	p.cancel, p.feed, p.broken, p.fresh = cancel, f, false, true
	return tea.Batch(func() tea.Msg {
		f.end(m.opt.Source.Logs(ctx, control.LogQuery{Worker: p.worker, Follow: true}, &lines{feed: f}))
		return nil
	}, nextLines(f))
}

func nextLines(f *feed[string]) tea.Cmd {
	return func() tea.Msg { return linesMsg{f.next()} }
}

// logged takes in lines of a log.
func (m *Model) logged(msg linesMsg) tea.Cmd {
	p := m.pane
	if p == nil || p.feed != msg.feed {
		return nil // it has been left
	}
	if p.fresh && len(msg.items) > 0 {
		p.lines, p.back, p.fresh = nil, 0, false
	}
	if msg.missed > 0 {
		p.add(fmt.Sprintf("… %d lines are not shown", msg.missed))
	}
	p.add(msg.items...)
	if 0 < p.back && p.back < topOfPane { // what is looked at stays where it is
		for _, l := range msg.items {
			p.back += len(wrap(printable.Line(expand(l)), m.width))
		}
	}
	switch {
	case !msg.over:
		return nextLines(msg.feed)
	case msg.err != nil:
		p.add("", msg.err.Error())
		p.broken = true
	default:
		p.add("", "this is the end of its log")
	}
	return nil
}

// why shows the record of the chosen worker, if it has one, else the last of all.
func (m *Model) why() tea.Cmd {
	m.leave()
	m.pane = &pane{title: "why", lines: []string{"…"}}
	p, id := m.pane, m.chosen
	return func() tea.Msg {
		ctx, cancel := context.WithTimeout(m.ctx, askTimeout)
		defer cancel()
		report, err := m.opt.Source.Why(ctx)
		if err != nil {
			return recordMsg{pane: p, err: err}
		}
		if len(report.Records) == 0 {
			return recordMsg{pane: p, text: "no worker has ended abnormally"}
		}
		which := report.Records[0]
		for _, r := range report.Records {
			if r.Worker == id {
				which = r
				break
			}
		}
		record, err := m.opt.Source.Postmortem(ctx, which.ID)
		if err != nil {
			return recordMsg{pane: p, err: err}
		}
		return recordMsg{pane: p, text: m.record(record)}
	}
}

func (m *Model) record(r postmortem.Record) string {
	if m.opt.Record == nil {
		return r.Cause.Text
	}
	return m.opt.Record(r)
}

// recorded shows a record.
func (m *Model) recorded(msg recordMsg) {
	if m.pane != msg.pane {
		return
	}
	text := msg.text
	if msg.err != nil {
		text = msg.err.Error()
	}
	m.pane.lines = strings.Split(strings.TrimRight(text, "\n"), "\n")
	m.pane.back = topOfPane
}

// pieces are the lines of a pane as they fit into n cells, at most those that are
// needed to show rows of them back from the end.
func (p *pane) pieces(n, rows int) (shown []string, back int) {
	var all []string
	need := rows
	if p.back < topOfPane/2 {
		need += p.back
	} else {
		need = topOfPane
	}
	for i := len(p.lines) - 1; i >= 0 && len(all) < need; i-- {
		broken := wrap(printable.Line(expand(p.lines[i])), n)
		for j := len(broken) - 1; j >= 0; j-- {
			all = append(all, broken[j]) // the last first
		}
	}
	back = min(p.back, max(0, len(all)-rows))
	for i := min(len(all), back+rows) - 1; i >= back; i-- {
		shown = append(shown, all[i])
	}
	return shown, back
}

// expand puts spaces where a stack trace has tabs.
func expand(text string) string { return strings.ReplaceAll(text, "\t", "    ") }

const helpText = `What is shown

  REQ/S       requests begun in the last second, each second
  P50, P99    half, and 99 of 100 requests that ended in the last five
              seconds took no longer than that
  INFL        requests in flight
  permits     in use / that there are, of each limiter of sync code
  QUEUE       who waits for a permit
  CONN, MEM   open connections; resident memory
  -           what is not known: of a worker that is not built with
              Tandem's package worker, and before there are two answers

Keys

  up, down, k, j     choose a worker
  s                  sort by the next column
  l                  the log of the chosen worker, as it comes
  w                  why it ended, or the last that did
  r                  reload; asks first
  +, -               one worker more, or fewer; asks first
  p                  pause: what is shown stands still until it is pressed again
  q, ctrl+c          quit

In a pane: up, down, page up, page down, home, end; esc goes back.`
