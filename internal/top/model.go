package top

import (
	"cmp"
	"context"
	"io"
	"slices"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/tandem-go/tandem/internal/control"
	"github.com/tandem-go/tandem/internal/postmortem"
	"github.com/tandem-go/tandem/internal/timeline"
)

// Source is the supervisor that is watched; a [control.Client] is one. Its methods
// are called from many goroutines.
type Source interface {
	Status(ctx context.Context) (control.Status, error)
	Reload(ctx context.Context, wait bool) (control.ReloadResult, error)
	Scale(ctx context.Context, n int) error
	Logs(ctx context.Context, q control.LogQuery, w io.Writer) error
	Why(ctx context.Context) (postmortem.Report, error)
	Postmortem(ctx context.Context, which string) (postmortem.Record, error)
	Timeline(ctx context.Context, q timeline.Query, each func(timeline.Event) error) error
}

// Options say what is shown, and how.
type Options struct {
	Source   Source
	Interval time.Duration // from one answer to the next question
	// Record is a record of a worker that ended, as text.
	Record func(postmortem.Record) string
	// Plain leaves colours and other attributes out.
	Plain bool

	Input   io.Reader
	Output  io.Writer
	Environ []string
}

// The least size of a terminal.
const (
	leastWidth  = 80
	leastHeight = 24
)

// keptEvents is how many events are there to be shown.
const keptEvents = 200

// Model is what is shown. Update and View are called by one goroutine, and neither
// waits.
type Model struct {
	opt   Options
	ctx   context.Context // of everything that is asked
	theme theme

	width, height int

	history history
	lost    string // why there is no answer; empty: there is one
	polls   int    // of which one may be under way
	order   int
	chosen  uint64 // worker
	index   int    // of its row
	paused  bool
	events  []timeline.Event
	held    []timeline.Event // those that came in a pause
	last    uint64           // number of the last event
	feed    *feed[timeline.Event]
	unfeed  func() // ends what fills it

	question *question
	doing    bool // what was asked for has not been answered
	notice   string
	noticed  style
	pane     *pane
}

// question is asked before something is changed.
type question struct {
	text string
	yes  func() tea.Cmd
}

// New gives a model that has no answer yet. What it asks for ends with ctx.
func New(ctx context.Context, o Options) *Model {
	m := &Model{opt: o, ctx: ctx, width: leastWidth, height: leastHeight, theme: cautious, unfeed: func() {}}
	if o.Plain {
		m.theme = uncoloured
	}
	return m
}

// Messages.
type (
	statusMsg struct {
		poll   int
		status control.Status
		err    error
	}
	pollMsg     struct{ poll int }
	reloadedMsg struct {
		result control.ReloadResult
		err    error
	}
	scaledMsg struct {
		to  int
		err error
	}
	recordMsg struct {
		pane *pane
		text string
		err  error
	}
	linesMsg  struct{ batch[string] }
	eventsMsg struct{ batch[timeline.Event] }
	followMsg struct{ feed *feed[timeline.Event] }
)

const (
	askTimeout = 10 * time.Second
	// againAfter is how long nobody asks after there was no answer.
	againAfter = 500 * time.Millisecond
)

// Init begins to ask.
func (m *Model) Init() tea.Cmd {
	cmds := []tea.Cmd{m.poll(), m.follow()}
	if !m.opt.Plain {
		cmds = append(cmds, tea.RequestBackgroundColor)
	}
	return tea.Batch(cmds...)
}

// poll asks for the status, and makes answers to earlier questions void.
func (m *Model) poll() tea.Cmd {
	m.polls++
	poll := m.polls
	return func() tea.Msg {
		ctx, cancel := context.WithTimeout(m.ctx, askTimeout)
		defer cancel()
		st, err := m.opt.Source.Status(ctx)
		return statusMsg{poll, st, err}
	}
}

// answered takes in a status, or that there is none.
func (m *Model) answered(msg statusMsg) tea.Cmd {
	if msg.poll != m.polls {
		return nil
	}
	if msg.err != nil {
		m.lost = msg.err.Error()
		return m.later(max(m.opt.Interval, againAfter))
	}
	was := m.history.latest()
	var cmd tea.Cmd
	if was != nil && was.PID != msg.status.PID {
		m.say(doubtful, "another supervisor answers: pid %d", msg.status.PID)
		m.events, m.held, m.last = nil, nil, 0
		m.unfeed()
		cmd = m.follow()
	}
	if m.lost != "" && m.pane != nil && m.pane.broken {
		cmd = tea.Batch(cmd, m.readLog(m.pane))
	}
	m.lost = ""
	m.history.add(msg.status)
	m.settle()
	return tea.Batch(cmd, m.later(m.opt.Interval))
}

// later asks again in a while.
func (m *Model) later(in time.Duration) tea.Cmd {
	if m.paused {
		return nil
	}
	poll := m.polls
	return tea.Tick(in, func(time.Time) tea.Msg { return pollMsg{poll} })
}

// settle keeps a worker chosen: the same one, or who has its place.
func (m *Model) settle() {
	rows := m.rows()
	if i := slices.IndexFunc(rows, func(w worker) bool { return w.ID == m.chosen }); i >= 0 {
		m.index = i
		return
	}
	m.choose(m.index)
}

func (m *Model) rows() []worker { return m.history.workers(orders[m.order]) }

// choose chooses the worker in a row, the nearest if there is no such row.
func (m *Model) choose(i int) {
	rows := m.rows()
	m.index = max(0, min(i, len(rows)-1))
	m.chosen = 0
	if len(rows) > 0 {
		m.chosen = rows[m.index].ID
	}
}

// follow begins to follow events.
func (m *Model) follow() tea.Cmd {
	m.unfeed = func() {}
	ctx, cancel := context.WithCancel(m.ctx)
	f, after := newFeed[timeline.Event](keptEvents), m.last
	m.feed, m.unfeed = f, cancel
	return tea.Batch(func() tea.Msg {
		q := timeline.Query{After: after, Limit: keptEvents, Follow: true}
		f.end(m.opt.Source.Timeline(ctx, q, func(e timeline.Event) error {
			f.put(e)
			return nil
		}))
		return nil
	}, nextEvents(f))
}

func nextEvents(f *feed[timeline.Event]) tea.Cmd {
	return func() tea.Msg { return eventsMsg{f.next()} }
}

// happened takes in events.
func (m *Model) happened(msg eventsMsg) tea.Cmd {
	if msg.feed != m.feed {
		return nil // of another supervisor
	}
	for _, e := range msg.items {
		m.last = max(m.last, e.Seq) // that some are missing may have no number
		m.held = append(m.held, e)
	}
	m.held = slices.Clone(m.held[max(0, len(m.held)-keptEvents):])
	if !m.paused {
		m.release()
	}
	if !msg.over {
		return nextEvents(msg.feed)
	}
	return tea.Tick(max(m.opt.Interval, againAfter), func(time.Time) tea.Msg { return followMsg{msg.feed} })
}

// release shows the events that were held.
func (m *Model) release() {
	m.events = append(m.events, m.held...)
	m.events = slices.Clone(m.events[max(0, len(m.events)-keptEvents):])
	m.held = nil
}

// wanted is how many workers there should be.
func (m *Model) wanted() int {
	st := m.history.latest()
	if st == nil {
		return 0
	}
	serving := 0
	for _, w := range st.Workers {
		if w.State != "draining" && w.State != "killed" {
			serving++
		}
	}
	return cmp.Or(st.Wanted, serving) // an older supervisor does not say
}
