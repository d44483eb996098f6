package top

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/tandem-go/tandem/internal/timeline"
)

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
