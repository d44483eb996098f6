package top

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/tandem-go/tandem/internal/control"
	"github.com/tandem-go/tandem/internal/postmortem"
	"github.com/tandem-go/tandem/internal/timeline"
)

// fake is a supervisor that remembers what it was asked.
type fake struct {
	mu      sync.Mutex
	asked   []string
	status  func(n int) (control.Status, error)
	result  control.ReloadResult
	err     error
	records []postmortem.Record
	log     string
}

func (f *fake) note(format string, args ...any) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, fmt.Sprintf(format, args...))
	return f.err
}

func (f *fake) Status(context.Context) (control.Status, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, "status")
	return f.status(len(f.asked))
}

func (f *fake) Reload(_ context.Context, wait bool) (control.ReloadResult, error) {
	return f.result, f.note("reload wait=%t", wait)
}

func (f *fake) Scale(_ context.Context, n int) error { return f.note("scale %d", n) }

func (f *fake) Logs(_ context.Context, q control.LogQuery, w io.Writer) error {
	err := f.note("logs %+v", q)
	_, werr := io.WriteString(w, f.log)
	return errors.Join(err, werr)
}

func (f *fake) Why(context.Context) (postmortem.Report, error) {
	return postmortem.Report{Records: f.records}, f.note("why")
}

func (f *fake) Postmortem(_ context.Context, which string) (postmortem.Record, error) {
	return postmortem.Record{ID: which}, f.note("record %s", which)
}

func (f *fake) Timeline(_ context.Context, q timeline.Query, each func(timeline.Event) error) error {
	err := f.note("timeline %d %d %t", q.After, q.Limit, q.Follow)
	for seq := q.After + 1; seq <= q.After+3; seq++ {
		err = errors.Join(err, each(timeline.Event{Seq: seq, Text: fmt.Sprintf("event %d", seq)}))
	}
	return errors.Join(err, each(timeline.Event{Kind: timeline.Missing, Text: "some are missing"}))
}

// watch is a model of a service of two workers, with its first answers.
func watch(t *testing.T, f *fake) *Model {
	t.Helper()
	m := New(t.Context(), Options{
		Source: f, Plain: true, Interval: time.Second,
		Record: func(r postmortem.Record) string { return "record " + r.ID + "\nand what is in it\n" },
	})
	for i := range 2 {
		m.polls = i
		m.Update(statusMsg{poll: i, status: busy(2, i)})
	}
	return m
}

// press gives the model keys, and what comes of them; it returns the last command.
func press(m *Model, keys ...string) (cmd tea.Cmd) {
	for _, k := range keys {
		key := tea.Key{Text: k}
		switch k {
		case "esc":
			key = tea.Key{Code: tea.KeyEscape}
		case "up":
			key = tea.Key{Code: tea.KeyUp}
		case "down":
			key = tea.Key{Code: tea.KeyDown}
		case "ctrl+c":
			key = tea.Key{Code: 'c', Mod: tea.ModCtrl}
		default:
			key.Code = []rune(k)[0]
		}
		_, cmd = m.Update(tea.KeyPressMsg(key))
	}
	return cmd
}

// run carries a command out, those that it is made of too, and gives the model its
// messages. It does not wait for a timer: those are for the next question.
func run(m *Model, cmd tea.Cmd) {
	if cmd == nil {
		return
	}
	switch msg := cmd().(type) {
	case nil:
	case tea.BatchMsg:
		for _, c := range msg {
			run(m, c)
		}
	case linesMsg, recordMsg, reloadedMsg, scaledMsg, eventsMsg:
		_, next := m.Update(msg)
		if b, ok := msg.(eventsMsg); !ok || !b.over {
			run(m, next)
		}
	}
}

func quits(cmd tea.Cmd) bool {
	if cmd == nil {
		return false
	}
	_, ok := cmd().(tea.QuitMsg)
	return ok
}
