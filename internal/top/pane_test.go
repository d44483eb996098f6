package top

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"

	"github.com/tandem-go/tandem/internal/postmortem"
)

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
