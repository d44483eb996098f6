package arbiter_test

import (
	"fmt"
	"time"

	"github.com/tandem-go/tandem/internal/arbiter"
)

func Example() {
	core := arbiter.New(arbiter.Settings{Workers: 2, Bake: time.Second}, 1)
	now := time.Unix(0, 0)
	step := func(ev arbiter.Event) {
		for _, a := range core.Step(now, ev) {
			fmt.Printf("%T%+v\n", a, a)
		}
	}
	step(arbiter.Start{})
	step(arbiter.WorkerReady{ID: 1})
	step(arbiter.WorkerReady{ID: 2})
	now = now.Add(time.Hour)
	step(arbiter.Exited{ID: 1, Reason: "signal: killed"})
	fmt.Println(core.Snapshot().Phase)
	// Output:
	// arbiter.Spawn{ID:1 Generation:1}
	// arbiter.Spawn{ID:2 Generation:1}
	// arbiter.Spawn{ID:3 Generation:1}
	// running
}
