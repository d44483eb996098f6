//go:build load

package load

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tandem-go/tandem/internal/strict"
	"github.com/tandem-go/tandem/test/harness"
)

var (
	crowdSize = flag.Int("crowd", 2000, "how many clients TestCrowdsOnTheDefaults has of each honest kind; some of them need as many descriptors")
	crowdHold = flag.Duration("hold", 0, "how long it keeps each crowd; beyond 80s all that is not honest is seen to be cut")
)

const (
	// The light load beside a crowd: requests a second on some kept connections, at times
	// that are fixed beforehand. Latency counts from these.
	lightRate, lightClients = 500, 8
	lightWindow             = time.Second
	// What a machine of two cores does besides is not the crowd's: so much more is no slowness.
	noise = 5 * time.Millisecond
	// The clients are on the same two cores as the workers: the best of some windows counts,
	// with a crowd and without.
	fewestWindows, mostWindows = 3, 12
)

// TestCrowdsOnTheDefaults: thousands of idle connections, of WebSockets and of event
// streams, and hundreds of slow clients, one kind after the other on the same workers
// in their default configuration. Nobody of the honest is cut, and beside them a light
// request's p99 is at most twice what it is without.
func TestCrowdsOnTheDefaults(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute+4**crowdHold)
	defer cancel()
	const workers = 4
	s, st := serve(ctx, t, workers, harness.Config{})
	light(ctx, t, s.Addr, 1, nil) // what the first requests take is there for all
	atFirst := resident(t, st)
	for i, k := range []kind{
		{name: "idle connections", n: *crowdSize, join: idle, windows: 7, settled: parked, bound: 60 * time.Second},
		{name: "WebSockets", n: *crowdSize, join: webSocket},
		{name: "event streams", n: *crowdSize, join: eventStream},
		{name: "slow clients", n: 300, join: slowly, windows: 8},
	} {
		k.from, k.atFirst = i, atFirst
		t.Run(strings.ReplaceAll(k.name, " ", "-"), func(t *testing.T) { k.beside(ctx, t, s, st) })
	}
	if after, err := s.Ready(ctx, workers); err != nil || !sameProcesses(st.Workers, after.Workers) {
		t.Errorf("the workers are not those of the beginning: %v", err)
	}
}

// kind is one kind of crowd.
type kind struct {
	name    string
	n       int
	from    int           // the network that its clients come from
	atFirst int64         // resident memory of all workers before any crowd
	windows int           // at least so many, if not 0
	bound   time.Duration // it is held no longer, if not 0: longer is not its right
	join    func(ctx context.Context, c *crowd, i int) (member, error)
	settled func(ctx context.Context, t *testing.T, st harness.Status, n int)
}

func (k kind) beside(ctx context.Context, t *testing.T, s *harness.Supervisor, st harness.Status) {
	without := quickest(light(ctx, t, s.Addr, fewestWindows, nil))
	c := &crowd{addr: s.Addr, kind: k}
	begun := time.Now()
	c.gather(ctx, t)
	joined := time.Since(begun)
	if _, err := s.Await(ctx, "the whole crowd to be counted", func(st harness.Status) bool {
		sum := 0
		for _, w := range st.Ready() {
			if w.Connections != nil {
				sum += int(*w.Connections)
			}
		}
		return sum >= k.n
	}); err != nil {
		t.Error(err)
	}
	enough := max(2*without, without+noise)
	beside := light(ctx, t, s.Addr, max(k.windows, fewestWindows), func(windows []time.Duration) bool { return quickest(windows) <= enough })
	with := quickest(beside)
	if k.settled != nil {
		k.settled(ctx, t, st, k.n)
	}
	each := (resident(t, st) - k.atFirst) / int64(k.n)
	hold := *crowdHold
	if k.bound > 0 {
		hold = min(hold, k.bound)
	}
	c.hold(ctx, time.Until(begun.Add(hold)))
	held := time.Since(begun)
	c.leave(ctx, t)
	round := func(d time.Duration) time.Duration { return d.Round(10 * time.Microsecond) }
	t.Logf("%d %s, there after %v and for %v: p99 %v without them, %v with (median %v of %d windows), %d bytes of resident memory for each",
		k.n, k.name, round(joined), round(held), round(without), round(with), round(median(beside)), len(beside), each)
	if with > enough {
		t.Errorf("the p99 of a light request is %v beside %d %s, and %v without them; all windows: %v", with, k.n, k.name, without, beside)
	}
}

// light measures the p99 of the light load in at least so many windows, until it is
// enough. No request may fail.
func light(ctx context.Context, t *testing.T, addr string, least int, enough func([]time.Duration) bool) (windows []time.Duration) {
	t.Helper()
	for len(windows) < least || enough != nil && len(windows) < mostWindows && !enough(windows) {
		rep := strict.Start(ctx, strict.Load{Addr: addr, Duration: lightWindow, Groups: []strict.Group{
			{Mode: strict.Kept, Clients: lightClients, Target: "/modern/", Rate: lightRate, Check: modern},
		}}).Wait()
		if err := errors.Join(rep.Err(), ctx.Err()); err != nil || rep.Counts[strict.Refused] > 0 {
			t.Fatalf("the light load: %v\n%s", err, rep)
		}
		windows = append(windows, rep.Latency.Quantile(.99))
	}
	return windows
}

func modern(a strict.Answer) error {
	if got := strings.TrimSpace(string(a.Body)); got != `{"hello":"async"}` {
		return fmt.Errorf("answered %q", got)
	}
	return nil
}

func quickest(windows []time.Duration) time.Duration { return slices.Min(windows) }

func median(windows []time.Duration) time.Duration {
	return slices.Sorted(slices.Values(windows))[len(windows)/2]
}

// resident is the memory of all workers together.
func resident(t *testing.T, st harness.Status) (sum int64) {
	t.Helper()
	for _, w := range st.Workers {
		rss, err := harness.RSS(w.PID)
		if err != nil {
			t.Fatal(err)
		}
		sum += rss
	}
	return sum
}

// parked waits until all who are idle have left net/http.
func parked(ctx context.Context, t *testing.T, st harness.Status, n int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	sum := 0
	if err := harness.Poll(ctx, "idle connections to be parked", func() bool {
		sum = 0
		for _, w := range st.Workers {
			sum += harness.Parked(w.PID)
		}
		return sum >= n
	}); err != nil {
		t.Errorf("%v; %d of %d are", err, sum, n)
	}
}
