package funcname_test

import (
	"testing"

	"github.com/tandem-go/tandem/internal/funcname"
)

type clock struct{}

func (clock) tick()  {}
func (*clock) wind() {}
func chime[T any](T) {}

//go:noinline
func around() func() { return func() {} }

func TestNamesHaveNoPath(t *testing.T) {
	for want, f := range map[string]any{
		"funcname_test.around":        around,
		"funcname_test.around.func1":  around(),
		"funcname_test.clock.tick":    clock{}.tick,
		"funcname_test.(*clock).wind": (&clock{}).wind,
		"funcname_test.chime":         chime[int],
	} {
		if got := funcname.Of(f); got != want {
			t.Errorf("it is called %q, want %q", got, want)
		}
	}
}
