package supervise

import (
	"os"
	"testing"
	"time"

	"github.com/tandem-go/tandem/internal/config"
	"github.com/tandem-go/tandem/internal/control"
)

func limited(t *testing.T, args ...string) *config.Loaded {
	t.Helper()
	l, err := config.Load(append(args, "--control", "off", "--", "/proc/self/exe"), nil)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestLimitsAreDrawnWithinTheirJitter(t *testing.T) {
	l := limited(t, "--max-requests", "100", "--max-requests-jitter", "20", "--max-lifetime", "100s", "--max-memory", "1MiB")
	least := draw(l, func(int64) int64 { return 0 })
	most := draw(l, func(n int64) int64 { return n - 1 })
	if least.Requests != 100 || most.Requests != 120 {
		t.Errorf("requests from %d to %d, want 100 to 120", least.Requests, most.Requests)
	}
	if least.Lifetime != 100*time.Second || most.Lifetime != 110*time.Second {
		t.Errorf("lifetime from %v to %v, want 1m40s to 1m50s", least.Lifetime, most.Lifetime)
	}
	if least.Memory != 1<<20 || most.Memory != 1<<20 {
		t.Errorf("memory %d and %d, want %d", least.Memory, most.Memory, 1<<20)
	}
	if none := draw(limited(t), func(n int64) int64 { return n - 1 }); none.on() {
		t.Errorf("without a limit: %+v", none)
	}
}

func TestLimitsAreReached(t *testing.T) {
	r := recycling{Requests: 10, Lifetime: time.Minute}
	for _, c := range []struct {
		age      time.Duration
		requests uint64
		want     string
	}{
		{59 * time.Second, 9, ""},
		{time.Second, 10, "it has taken 10 requests, its limit is 10"},
		{time.Minute, 0, "it is 1m0s old, its limit is 1m0s"},
	} {
		if got := r.byAge(c.age, c.requests); got != c.want {
			t.Errorf("after %v and %d requests: %q, want %q", c.age, c.requests, got, c.want)
		}
	}
	if got := (&recycling{}).byAge(1000*time.Hour, 1<<40); got != "" {
		t.Errorf("without a limit: %q", got)
	}
}

// One look that finds much memory is a spike; three in a row are not.
func TestASpikeOfMemoryIsForgiven(t *testing.T) {
	r := recycling{Memory: 100 << 10}
	for i, size := range []int64{200 << 10, 200 << 10, 100 << 10, 200 << 10, 200 << 10} {
		if why := r.bySize(size); why != "" {
			t.Fatalf("look %d: %s", i, why)
		}
	}
	if why := r.bySize(201 << 10); why != "it has 201KiB of memory, its limit is 100KiB" {
		t.Errorf("third look in a row above the limit: %q", why)
	}
}

func TestAnonymousMemoryOfAProcess(t *testing.T) {
	for status, want := range map[string]int64{
		"Name:\tx\nRssAnon:\t     123 kB\nRssFile:\t 9 kB\n": 123 << 10,
		"Name:\tx\nRssAnon:\t0 kB":                           0,
		"Name:\tRssAnon: 5 kB\n":                             -1, // somebody's idea of a name
		"Name:\tx\nRssAnon:\t-5 kB\n":                        -1,
		"Name:\tx\nRssAnon:\t5 MB\n":                         -1,
		"Name:\tx\nRssAnon:\t99999999999999999999 kB\n":      -1,
		"Name:\tx\nRssAnon:":                                 -1,
		"":                                                   -1,
	} {
		if got := rssAnon([]byte(status)); got != want {
			t.Errorf("%q: %d, want %d", status, got, want)
		}
	}
	if got := anonymous(os.Getpid()); got < 100<<10 {
		t.Errorf("this process has %d bytes of its own", got)
	}
	if got := anonymous(-1); got != -1 {
		t.Errorf("no process has %d bytes", got)
	}
}

// doing lets a test do something on the loop.
type doing func(*Supervisor)

func (f doing) handle(s *Supervisor) { f(s) }

// recycled waits until worker id is gone, and expects that n have been ready
// all the time since.
func (r *rig) recycled(t *testing.T, n int, id uint64) {
	t.Helper()
	r.until(t, "a worker to be recycled", func(st control.Status) bool {
		there, ready := false, 0
		for _, w := range st.Workers {
			there = there || w.ID == id
			if w.State == "ready" {
				ready++
			}
		}
		if ready < n || len(st.Workers) > 2*n+1 { // N that serve, the replacement, and N that drain
			t.Fatalf("%d ready of %d: %+v", ready, n, st.Workers)
		}
		return !there
	})
}

func TestRecycledByLifetime(t *testing.T) {
	r := start(t, "good", "--workers", "2", "--max-lifetime", "1s")
	// On a busy machine the first is to be replaced before there is nothing but two that serve.
	r.until(t, "two workers", func(st control.Status) bool {
		serving := 0
		for _, w := range st.Workers {
			if w.State == "ready" {
				serving++
			}
		}
		return serving >= 2
	})
	r.recycled(t, 2, 1)
	r.recycled(t, 2, 2)
	r.logged(t, "old, its limit is 1s")
}

func TestRecycledByRequests(t *testing.T) {
	r := start(t, "good", "--workers", "1", "--max-requests", "3")
	r.until(t, "a worker", ready(1, 1))
	r.send(doing(func(s *Supervisor) {
		for range 3 {
			s.workers[1].board.Begin("GET", "/", "").End(200)
		}
	}))
	r.recycled(t, 1, 1)
}

func TestRecycledByMemory(t *testing.T) {
	r := start(t, "hungry", "--workers", "1", "--max-memory", "64MiB")
	r.until(t, "a worker", ready(1, 1))
	r.mode(t, "good") // no matter: respawns are of the same generation
	r.recycled(t, 1, 1)
	r.logged(t, "of memory, its limit is 64MiB")
}
