package top

import (
	"errors"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"

	"github.com/tandem-go/tandem/internal/control"
	"github.com/tandem-go/tandem/internal/timeline"
)

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

// In a terminal that is too small nothing can be read: nothing is asked, nor done.
func TestNothingIsAskedUnseen(t *testing.T) {
	f := &fake{}
	m := watch(t, f)
	press(m, "r")
	m.Update(tea.WindowSizeMsg{Width: leastWidth - 1, Height: leastHeight})
	if m.question != nil {
		t.Error("the question stays, out of sight")
	}
	for _, key := range []string{"r", "y", "+", "y", "-", "y", "l", "?"} {
		if cmd := press(m, key); cmd != nil || m.question != nil || m.pane != nil {
			t.Errorf("%s does something", key)
		}
	}
	m.Update(tea.WindowSizeMsg{Width: leastWidth, Height: leastHeight})
	if press(m, "y") != nil || len(f.asked) != 0 {
		t.Errorf("asked for %q", f.asked)
	}
	m.Update(tea.WindowSizeMsg{Width: leastWidth, Height: leastHeight - 1})
	if cmd := press(m, "q"); cmd == nil {
		t.Error("q does not quit")
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
