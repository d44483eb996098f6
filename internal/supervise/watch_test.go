package supervise

import (
	"strings"
	"syscall"
	"testing"

	"github.com/tandem-go/tandem/internal/arbiter"
)

// What is told of the files is compared with what the last generation was made of.
func TestWhichChangesCount(t *testing.T) {
	for name, c := range map[string]struct {
		known    lookout
		told     filesChanged
		stopping bool
		reload   bool
	}{
		"the first look, nothing new":             {lookout{"a", false}, filesChanged{"a", false}, false, false},
		"changed before we looked":                {lookout{"a", false}, filesChanged{"b", false}, false, true},
		"touched, and the same":                   {lookout{"a", false}, filesChanged{"a", true}, false, false},
		"changed":                                 {lookout{"a", false}, filesChanged{"b", true}, false, true},
		"touched after a reload that failed":      {lookout{"a", true}, filesChanged{"a", true}, false, true},
		"the first look after one that failed":    {lookout{"a", true}, filesChanged{"a", false}, false, false},
		"changed during a stop, which is no time": {lookout{"a", false}, filesChanged{"b", true}, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := build(t, "good", "--workers", "1")
			r.step(arbiter.Start{})
			if c.stopping {
				r.step(arbiter.Stop{})
			}
			r.lookout = c.known
			c.told.handle(r.Supervisor)
			if c.reload && r.lookout != (lookout{print: c.told.print}) {
				t.Errorf("known then: %+v", r.lookout)
			}
			r.Signal(syscall.SIGINT) // waits in the inbox
			r.Run(t.Context())
			if got := strings.Contains(r.everything(), "has changed"); got != c.reload {
				t.Errorf("a reload was asked for: %v", got)
			}
		})
	}
}
