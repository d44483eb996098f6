package top

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/creack/pty"

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

func TestNothingIsChangedWithoutAYes(t *testing.T) {
	f := &fake{result: control.ReloadResult{Generation: 4, Result: control.ResultOK}}
	m := watch(t, f)
	for _, key := range []string{"r", "+", "-"} {
		for _, no := range []string{"n", "esc", "q"} {
			if cmd := press(m, key); cmd != nil || m.question == nil {
				t.Fatalf("%s asks nothing", key)
			}
			press(m, "x", "down") // no answers
			if m.question == nil {
				t.Fatalf("%s: another key is an answer", key)
			}
			if cmd := press(m, no); cmd != nil || m.question != nil || m.notice != "nothing is changed" {
				t.Errorf("%s, %s: %v, %q", key, no, cmd, m.notice)
			}
		}
	}
	if len(f.asked) != 0 {
		t.Fatalf("asked for %q", f.asked)
	}
	for key, want := range map[string]string{"r": "reload wait=true", "+": "scale 3", "-": "scale 1"} {
		f.asked = nil
		run(m, press(m, key, "y"))
		if len(f.asked) != 1 || f.asked[0] != want || m.doing {
			t.Errorf("%s asked for %q, want %s", key, f.asked, want)
		}
	}
	if !strings.Contains(m.screen(), "scaling to 1 worker") && !strings.Contains(m.screen(), "scaling to 3 workers") && !strings.Contains(m.screen(), "generation 4 serves") {
		t.Errorf("no outcome:\n%s", m.screen())
	}
}

func TestOutcomes(t *testing.T) {
	f := &fake{result: control.ReloadResult{Generation: 4, Result: control.ResultFailed, Error: "worker 9 exited", LastWords: []string{"panic: \x1b[2Jno database"}}}
	m := watch(t, f)
	cmd := press(m, "r", "y")
	if !strings.Contains(m.screen(), "reload: under way") || press(m, "r") != nil || m.question != nil {
		t.Errorf("a second reload is asked for while one is under way:\n%s", m.screen())
	}
	st := busy(2, 2)
	st.Progress = &control.Progress{Text: "the reload to generation 4 takes 3s: worker 9 bakes"}
	m.Update(statusMsg{poll: m.polls, status: st})
	if !strings.Contains(m.screen(), "worker 9 bakes") || strings.Contains(m.screen(), "under way") {
		t.Errorf("what it waits for is not shown:\n%s", m.screen())
	}
	run(m, cmd)
	for _, want := range []string{"failed and undone: worker 9 exited", "last words", "panic: ?[2Jno database"} {
		if !strings.Contains(m.screen(), want) {
			t.Errorf("%q is not shown:\n%s", want, m.screen())
		}
	}
	press(m, "esc")
	f.err = errors.New("a stop is under way")
	run(m, press(m, "r", "y"))
	if !strings.Contains(m.screen(), "reload: a stop is under way") {
		t.Errorf("%s", m.screen())
	}
	run(m, press(m, "+", "y"))
	if !strings.Contains(m.screen(), "scale: a stop is under way") {
		t.Errorf("%s", m.screen())
	}
	m.history.latest().Wanted = 1
	press(m, "-")
	if m.question != nil || !strings.Contains(m.screen(), "cannot be fewer") {
		t.Errorf("%s", m.screen())
	}
}

func TestKeys(t *testing.T) {
	m := watch(t, &fake{})
	if m.chosen != 7 {
		t.Fatalf("worker %d is chosen", m.chosen)
	}
	for _, c := range []struct {
		key  string
		want uint64
	}{{"down", 8}, {"j", 8}, {"k", 7}, {"up", 7}, {"G", 8}, {"g", 7}} {
		if press(m, c.key); m.chosen != c.want {
			t.Errorf("%s chooses %d, want %d", c.key, m.chosen, c.want)
		}
	}
	press(m, "s") // by requests: the second has more
	if rows := m.rows(); rows[0].ID != 8 || m.chosen != 7 || m.index != 1 {
		t.Errorf("sorted %v, chosen %d in row %d", rows[0].ID, m.chosen, m.index)
	}
	for range orders[1:] {
		press(m, "s")
	}
	if m.order != 0 {
		t.Errorf("order %d", m.order)
	}
	if press(m, "?"); !strings.Contains(m.screen(), "Keys") {
		t.Errorf("no help:\n%s", m.screen())
	}
	if quits(press(m, "q")) || m.pane != nil {
		t.Error("q in a pane does not go back")
	}
	for _, key := range []string{"q", "ctrl+c"} {
		if !quits(press(m, key)) {
			t.Errorf("%s does not quit", key)
		}
	}
	press(m, "r")
	if !quits(press(m, "ctrl+c")) {
		t.Error("ctrl+c does not quit from a question")
	}
}

// The chosen worker is replaced, and who has its row is chosen.
func TestTheChosenIsReplaced(t *testing.T) {
	m := watch(t, &fake{})
	press(m, "down")
	st := busy(3, 5)
	st.Workers = append(st.Workers[:1], st.Workers[2])
	m.Update(statusMsg{poll: m.polls, status: st})
	if m.chosen != 9 || m.index != 1 {
		t.Errorf("worker %d in row %d", m.chosen, m.index)
	}
	m.Update(statusMsg{poll: m.polls, status: busy(0, 6)})
	if m.chosen != 0 || m.index != 0 {
		t.Errorf("of none, worker %d in row %d", m.chosen, m.index)
	}
	m.Update(statusMsg{poll: m.polls, status: busy(1, 7)})
	if m.chosen != 7 {
		t.Errorf("worker %d", m.chosen)
	}
}

func TestTheSupervisorGoesAwayAndComesBack(t *testing.T) {
	f := &fake{status: func(int) (control.Status, error) { return busy(2, 3), nil }}
	m := watch(t, f)
	_, cmd := m.Update(statusMsg{poll: m.polls, err: errors.New("no supervisor answers at /run/s")})
	if cmd == nil || !strings.Contains(m.screen(), "no answer, asking again: no supervisor answers at /run/s") {
		t.Errorf("%s", m.screen())
	}
	if press(m, "r"); m.question != nil {
		t.Error("it asks for a reload of nobody")
	}
	_, cmd = m.Update(pollMsg{m.polls})
	msg := cmd()
	if m.Update(msg); m.lost != "" || strings.Contains(m.screen(), "no answer") {
		t.Errorf("%s", m.screen())
	}
	other := busy(1, 0)
	other.PID, other.UptimeSeconds = 5555, .5
	m.Update(statusMsg{poll: m.polls, status: other})
	if !strings.Contains(m.screen(), "another supervisor answers: pid 5555") || len(m.history.samples) != 1 {
		t.Errorf("%s", m.screen())
	}
	// An answer to a question of before a pause changes nothing.
	m.Update(statusMsg{poll: m.polls - 1, status: busy(2, 9)})
	if m.history.latest().PID != 5555 {
		t.Error("an old answer is shown")
	}
}

func TestPause(t *testing.T) {
	f := &fake{status: func(int) (control.Status, error) { return busy(2, 3), nil }}
	m := watch(t, f)
	press(m, "p")
	if _, cmd := m.Update(pollMsg{m.polls}); cmd != nil || !strings.Contains(m.screen(), "PAUSED") {
		t.Errorf("it asks in a pause:\n%s", m.screen())
	}
	feed := newFeed[timeline.Event](10)
	m.feed = feed
	m.Update(eventsMsg{batch[timeline.Event]{feed: feed, items: []timeline.Event{{Seq: 1, Text: "something happened"}}}})
	if strings.Contains(m.screen(), "something happened") {
		t.Error("events go on in a pause")
	}
	cmd := press(m, "p")
	m.Update(cmd())
	if !strings.Contains(m.screen(), "something happened") || len(f.asked) != 1 {
		t.Errorf("asked %q\n%s", f.asked, m.screen())
	}
}

func TestLog(t *testing.T) {
	f := &fake{log: "first\nsecond \x1b[31mred\nhalf"}
	m := watch(t, f)
	press(m, "down")
	run(m, press(m, "l"))
	screen := m.screen()
	if f.asked[0] != "logs {Worker:8 Follow:true JSON:false}" {
		t.Errorf("asked %q", f.asked)
	}
	for _, want := range []string{"log of worker 8", "\nfirst", "\nsecond ?[31mred", "this is the end of its log"} {
		if !strings.Contains(screen, want) {
			t.Errorf("%q is not shown:\n%s", want, screen)
		}
	}
	// The supervisor breaks off; when it is back the log is read anew.
	f.err = errors.New("the supervisor broke off")
	press(m, "esc")
	run(m, press(m, "l"))
	if !m.pane.broken || !strings.Contains(m.screen(), "the supervisor broke off") {
		t.Errorf("%s", m.screen())
	}
	m.Update(statusMsg{poll: m.polls, err: errors.New("gone")})
	f.err, f.log = nil, "third\n"
	_, cmd := m.Update(statusMsg{poll: m.polls, status: busy(2, 4)})
	for _, c := range cmd().(tea.BatchMsg)[:1] { // the second is a timer
		run(m, c)
	}
	if screen := m.screen(); !strings.Contains(screen, "third") || strings.Contains(screen, "first") {
		t.Errorf("%s", screen)
	}
	// What is looked at stays where it is.
	for i := range 100 {
		m.pane.add(fmt.Sprintf("line %d.", i))
	}
	press(m, "up", "up")
	before := m.pane
	m.Update(linesMsg{batch[string]{feed: before.feed, items: []string{"new", strings.Repeat("long", 30)}}})
	if before.back != 5 || !strings.Contains(m.screen(), "line 97.") || strings.Contains(m.screen(), "line 98.") {
		t.Errorf("%d back:\n%s", before.back, m.screen())
	}
	press(m, "end", "G")
	if before.back != 0 {
		t.Errorf("%d back at the end", before.back)
	}
	press(m, "g")
	if !strings.Contains(m.screen(), "third") {
		t.Errorf("not at the beginning:\n%s", m.screen())
	}
}

func TestWhy(t *testing.T) {
	f := &fake{}
	m := watch(t, f)
	run(m, press(m, "w"))
	if !strings.Contains(m.screen(), "no worker has ended abnormally") {
		t.Errorf("%s", m.screen())
	}
	f.records = []postmortem.Record{{ID: "b", Worker: 3}, {ID: "a", Worker: 8}}
	for _, c := range []struct{ key, want string }{{"k", "record b"}, {"j", "record a"}} {
		press(m, "esc", c.key)
		run(m, press(m, "w"))
		if screen := m.screen(); !strings.Contains(screen, c.want) || !strings.Contains(screen, "and what is in it") {
			t.Errorf("%s is not shown:\n%s", c.want, screen)
		}
	}
}

func TestEvents(t *testing.T) {
	f := &fake{}
	m := watch(t, f)
	run(m, m.follow())
	_, cmd := m.Update(followMsg{m.feed})
	run(m, cmd)
	if want := fmt.Sprintf("[timeline 0 %d true timeline 3 %d true]", keptEvents, keptEvents); fmt.Sprint(f.asked) != want {
		t.Errorf("asked for %s, want %s", f.asked, want)
	}
	for i := range 6 {
		if want := fmt.Sprintf("event %d", i+1); !strings.Contains(m.screen(), want) {
			t.Errorf("%s is not shown:\n%s", want, m.screen())
		}
	}
	if _, cmd := m.Update(followMsg{newFeed[timeline.Event](1)}); cmd != nil {
		t.Error("a following that was ended goes on")
	}
}

// Who writes faster than is shown is not held up.
func TestFeed(t *testing.T) {
	f := newFeed[int](3)
	for i := range 10 {
		f.put(i)
	}
	b := f.next()
	if fmt.Sprint(b.items) != "[7 8 9]" || b.missed != 7 || b.over {
		t.Errorf("%+v", b)
	}
	f.end(io.EOF)
	if b := f.next(); !b.over || b.err != io.EOF || len(b.items) != 0 || b.missed != 0 {
		t.Errorf("%+v", b)
	}
}

func TestLines(t *testing.T) {
	f := newFeed[string](10)
	w := &lines{feed: f}
	long := strings.Repeat("x", longestLine)
	for _, text := range []string{"a\nb", "c\n\n", long, "yyy", "\nz\nrest"} {
		if n, err := w.Write([]byte(text)); n != len(text) || err != nil {
			t.Fatalf("%d, %v", n, err)
		}
	}
	b := f.next()
	if want := []string{"a", "bc", "", long + "…", "z"}; fmt.Sprint(b.items) != fmt.Sprint(want) {
		t.Errorf("%.200q", b.items)
	}
}

func TestFullScreen(t *testing.T) {
	if err := FullScreen(strings.NewReader(""), io.Discard, nil); err == nil {
		t.Error("a writer is a terminal")
	}
	_, terminal, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer terminal.Close()
	piped, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer piped.Close()
	defer w.Close()
	environ := []string{"TERM=xterm"}
	if err := FullScreen(terminal, terminal, environ); err != nil {
		t.Error(err)
	}
	if err := FullScreen(piped, terminal, environ); err == nil || !strings.Contains(err.Error(), "standard input") {
		t.Errorf("what is piped in would be keys: %v", err)
	}
	if !NoColour([]string{"NO_COLOR=1"}) || NoColour([]string{"NO_COLOR="}) || NoColour(nil) {
		t.Error("NO_COLOR is not read as no-color.org says")
	}
}
