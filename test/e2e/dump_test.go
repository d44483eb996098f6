package e2e

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tandem-go/tandem/test/harness"
)

// TestADumpDoesNotStallTheOthers: while one worker dies with the stacks of ten
// thousand goroutines, the lines of another go on coming out within a bound.
func TestADumpDoesNotStallTheOthers(t *testing.T) {
	t.Parallel()
	const bound = 2 * time.Second // of a line's way; the machine may be busy
	ctx := within(t)
	out := &arrivals{}
	s, st := serve(ctx, t, 2, foreign(harness.Config{
		Args: []string{"--log-overflow", "block"}, Env: []string{"GOTRACEBACK=all"}, Stdout: out,
	}, "crowd"))
	victim, other := st.Workers[0], st.Workers[1]
	kill(t, victim.PID, syscall.SIGABRT)
	await(ctx, t, s, "a replacement", func(st harness.Status) bool {
		return len(st.Ready()) == 2 && !slices.Contains(harness.PIDs(st.Workers), victim.PID)
	})
	_, before := out.ticks(t, other.PID)
	if err := harness.Poll(ctx, "ticks after the dump", func() bool { _, n := out.ticks(t, other.PID); return n > before+20 }); err != nil {
		t.Fatal(err)
	}
	worst, n := out.ticks(t, other.PID)
	if worst > bound {
		t.Errorf("a line of the other worker took %v", worst)
	}
	dumped := 0
	for _, line := range s.Stderr.Lines() {
		var r record
		_ = json.Unmarshal([]byte(line), &r)
		if r.PID == victim.PID && strings.Contains(line, `"kind":"panic"`) {
			dumped += strings.Count(r.Msg, "\n") + 1
		}
	}
	if dumped < 10_000 {
		t.Errorf("the dump has %d lines", dumped)
	}
	t.Logf("%d lines of dump; of %d lines of the other worker the slowest took %v", dumped, n, worst)
}

// arrivals is a stdout that notes when each line came.
type arrivals struct {
	mu   sync.Mutex
	half []byte
	at   []time.Time
	text []string
}

func (a *arrivals) Write(p []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	a.half = append(a.half, p...)
	for {
		line, rest, ok := bytes.Cut(a.half, []byte("\n"))
		if !ok {
			return len(p), nil
		}
		a.at, a.text, a.half = append(a.at, now), append(a.text, string(line)), rest
	}
}

// ticks gives the slowest way of a worker's ticks, from its write to ours, and
// how many there were.
func (a *arrivals) ticks(t *testing.T, pid int) (worst time.Duration, n int) {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	for i, line := range a.text {
		var r record
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("%v: %.200s", err, line)
		}
		at, ok := strings.CutPrefix(r.Msg, "tick ")
		if !ok || r.PID != pid {
			continue
		}
		ns, err := strconv.ParseInt(at, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		worst, n = max(worst, a.at[i].Sub(time.Unix(0, ns))), n+1
	}
	return worst, n
}
