package top

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/tandem-go/tandem/internal/control"
	"github.com/tandem-go/tandem/internal/postmortem"
	"github.com/tandem-go/tandem/internal/timeline"
)

// actor is the environment variable that makes this program a full screen, for a
// test that looks at it on a terminal: "well", or where it panics.
const actor = "TANDEM_TOP_TEST"

func TestMain(m *testing.M) {
	if how := os.Getenv(actor); how != "" {
		os.Exit(act(how))
	}
	os.Exit(m.Run())
}

// act shows a full screen, and then says what Run has returned.
func act(how string) int {
	f := &fake{records: []postmortem.Record{{ID: "a", Worker: 7}}, status: func(n int) (control.Status, error) { return busy(2, n), nil }}
	o := Options{
		Source: f, Plain: true, Interval: 100 * time.Millisecond, Input: os.Stdin, Output: os.Stdout, Environ: os.Environ(),
		Record: func(postmortem.Record) string { panic("of the test, " + how) },
	}
	switch how {
	case "in Update":
		f.status = func(int) (control.Status, error) { return control.Status{}, untold{} }
	case "in a batch":
		o.Source = broken{f}
	}
	err := Run(context.Background(), o)
	fmt.Printf("Run has returned: %v\n", err)
	if err != nil {
		return 1
	}
	return 0
}

// untold is an error that the model cannot tell.
type untold struct{}

func (untold) Error() string { panic("of the test, in Update") }

// broken breaks off where the events begin, which is asked for beside the status.
type broken struct{ *fake }

func (broken) Timeline(context.Context, timeline.Query, func(timeline.Event) error) error {
	panic("of the test, in a batch")
}
