package oncpu

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

const profiled = `1 @ 0x4a 0x4b 0x4c
# labels: {"route":"GET /a/{id}", "sync":"app.old 0x1 x:1"}
#	0x4a	runtime.memmove+0x1	/go/src/runtime/memmove.s:1
#	0x4b	example.com/app.render[...]+0x25	/home/a b/export.go:61
#	0x4b	example.com/app.(*pages).export+0x25	/app/pages.go:31
#	0x4c	MODULEbridge.RunSync[...]+0x11	/tandem/bridge/sync.go:31
#	0x4c	MODULEcmd/app.timing.func1+0x11	/tandem/cmd/app/views.go:7
#	0x4c	MODULEview.settledAsync.func1+0x11	/tandem/view/plan.go:31
`

func TestTheFramesOfARecordAreTheProgramsOwn(t *testing.T) {
	got := frames(strings.ReplaceAll(profiled, "MODULE", module))
	want := []string{
		"example.com/app.render[...] export.go:61", "example.com/app.(*pages).export pages.go:31", module + "cmd/app.timing.func1 views.go:7",
	}
	if !slices.Equal(got, want) {
		t.Errorf("frames %q, want %q", got, want)
	}
	if got := frames(""); got != nil {
		t.Errorf("frames of nothing: %q", got)
	}
}

func TestADeepStackIsCut(t *testing.T) {
	var deep strings.Builder
	for i := range 3 * topmost {
		fmt.Fprintf(&deep, "#\t0x%x\tapp.f%d+0x1\t/app/f.go:%d\n", i+1, i, i)
	}
	got := frames(deep.String())
	if len(got) != topmost || got[0] != "app.f0 f.go:0" || got[topmost-1] != fmt.Sprintf("app.f%d f.go:%d", topmost-1, topmost-1) {
		t.Errorf("frames %q", got)
	}
}

func TestTheStackOfAnotherSlotIsNotTaken(t *testing.T) {
	_, _ = watching(t)
	a, b := new(Watcher).Route("GET /a", "a").Watch(), new(Watcher).Route("GET /b", "b").Watch()
	defer a.Run(func() {})
	b.Run(func() {
		if recordOf(a.slot) != "" {
			t.Error("a call that does not run has a stack")
		}
		if !strings.Contains(recordOf(b.slot), "TestTheStackOfAnotherSlotIsNotTaken.func") {
			t.Errorf("the stack is %q", recordOf(b.slot))
		}
	})
}
