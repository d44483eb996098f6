package oncpu

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// spin uses that much CPU time of the calling goroutine, which is sampled.
func spin(d time.Duration) {
	clock := clockOf(thread())
	for began := used(clock); used(clock)-began < d; {
	}
}

// journal is a log that a test reads.
type journal struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.buf.Write(b)
}

type record struct {
	Level, Msg, Route, View, Function, Limiter, Remedy string
	CPU                                                int `json:"cpu_ms"`
	Wall                                               int `json:"wall_ms"`
	Found                                              int
	Stack                                              []string
}

func (j *journal) records(t *testing.T) (all []record) {
	t.Helper()
	j.mu.Lock()
	defer j.mu.Unlock()
	for dec := json.NewDecoder(bytes.NewReader(j.buf.Bytes())); ; {
		var r record
		if err := dec.Decode(&r); err == io.EOF {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
}

// watching is a watcher, with what it says.
func watching(t *testing.T) (*Watcher, *journal) {
	t.Helper()
	if !measurable {
		t.Skip("threads have no clock that others can read")
	}
	j := new(journal)
	return &Watcher{Log: slog.New(slog.NewJSONHandler(j, nil))}, j
}

// until makes calls of a route, all of them sampled, until something is reported. A
// machine that is busy with other things may take some.
func (r *Route) until(t *testing.T, log *journal, f func(*Watch)) []record {
	t.Helper()
	for range 1000 {
		r.eager.Store(1)
		if !r.call(f) {
			t.Fatal("a call is not sampled though it should be")
		}
		if all := log.records(t); len(all) > 0 {
			return all
		}
	}
	t.Fatal("nothing was reported")
	return nil
}

// call makes one call of a route, and says whether it was sampled.
func (r *Route) call(f func(*Watch)) bool {
	w := r.Watch()
	if w == nil {
		f(nil)
		return false
	}
	w.Run(func() { f(w) })
	return true
}

func heavy() { spin(60 * time.Millisecond) }

func middleware(next func()) func() { return func() { next() } }

func TestAsyncCodeThatHoldsItsThreadIsReportedWithItsStack(t *testing.T) {
	watcher, log := watching(t)
	route := watcher.Route("GET /heavy/", "app.heavy")
	all := route.until(t, log, func(*Watch) { middleware(heavy)() })
	if len(all) != 1 {
		t.Fatalf("reported %+v", all)
	}
	r := all[0]
	if r.Level != "WARN" || r.Route != "GET /heavy/" || r.View != "app.heavy" || r.CPU < 10 || r.Found < 1 || !strings.Contains(r.Remedy, "view.CPU()") {
		t.Errorf("reported %+v", r)
	}
	stack := strings.Join(r.Stack, "\n")
	for _, ours := range []string{"oncpu.slot", "net/http"} {
		if strings.Contains(stack, ours) {
			t.Errorf("the stack has %s:\n%s", ours, stack)
		}
	}
	if len(r.Stack) == 0 || len(r.Stack) > topmost {
		t.Errorf("the stack has %d functions:\n%s", len(r.Stack), stack)
	}
	// From now on it is counted, and not said again.
	for found := watcher.Found().Async; watcher.Found().Async == found; {
		route.eager.Store(1)
		route.call(func(*Watch) { heavy() })
	}
	if n := len(log.records(t)); n != 1 {
		t.Errorf("reported %d times", n)
	}
}

func TestAsyncCodeThatComputesAfterALongWaitIsReported(t *testing.T) {
	watcher, log := watching(t)
	all := watcher.Route("GET /", "app.late").until(t, log, func(*Watch) {
		time.Sleep(75 * time.Millisecond)
		heavy()
	})
	if len(all) != 1 || all[0].View != "app.late" {
		t.Errorf("reported %+v", all)
	}
}

func TestAsyncCodeThatWaitsIsNotReported(t *testing.T) {
	watcher, log := watching(t)
	route := watcher.Route("GET /", "app.waits")
	for range firstFew {
		route.call(func(*Watch) {
			for range 5 { // less than is held against anybody on a busy machine
				spin(4 * time.Millisecond)
				time.Sleep(2 * time.Millisecond)
			}
		})
	}
	if found, all := watcher.Found(), log.records(t); found != (Found{}) || len(all) != 0 {
		t.Errorf("found %+v, reported %+v", found, all)
	}
}

func TestSyncFramesAreJudgedByThemselves(t *testing.T) {
	// burns stands for sync code that computes, waits for one that does not.
	burning := func(w *Watch) { f := w.Frame("app.burns", "blocking"); spin(20 * time.Millisecond); f.End() }
	idling := func(w *Watch) { f := w.Frame("app.waits", "blocking"); time.Sleep(20 * time.Millisecond); f.End() }
	for name, c := range map[string]struct {
		call func(*Watch)
		want []string
	}{
		"computes":             {burning, []string{"app.burns"}},
		"waits":                {idling, nil},
		"one after the other":  {func(w *Watch) { burning(w); idling(w) }, []string{"app.burns"}},
		"awaits one that does": {func(w *Watch) { f := w.Frame("app.waits", "blocking"); f.Await(func() { burning(w) }); f.End() }, []string{"app.burns"}},
		"computes around awaits": {func(w *Watch) {
			f := w.Frame("app.burns", "blocking")
			spin(10 * time.Millisecond)
			f.Await(func() { idling(w) })
			spin(10 * time.Millisecond)
			f.End()
		}, []string{"app.burns"}},
		"on another goroutine": {func(w *Watch) {
			done := make(chan struct{})
			go func() { defer close(done); burning(w) }()
			<-done
		}, []string{"app.burns"}},
		"computes a little": {func(w *Watch) { f := w.Frame("app.little", "blocking"); spin(2 * time.Millisecond); f.End() }, nil},
		"mostly waits": {func(w *Watch) {
			f := w.Frame("app.mostly", "blocking")
			spin(6 * time.Millisecond)
			time.Sleep(30 * time.Millisecond)
			f.End()
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			watcher, log := watching(t)
			route := watcher.Route("GET /", "app.view")
			for range 2 * enough {
				route.eager.Store(1)
				route.call(c.call)
			}
			if c.want != nil {
				route.until(t, log, c.call)
			}
			var named []string
			for _, r := range log.records(t) {
				named = append(named, r.Function)
				if r.Level != "WARN" || r.Route != "GET /" || r.Limiter != "blocking" || r.CPU < 5 || r.Wall < r.CPU || r.Found < enough || !strings.Contains(r.Remedy, "bridge.On(limits.CPU)") {
					t.Errorf("reported %+v", r)
				}
			}
			if !slices.Equal(named, c.want) {
				t.Errorf("reported %q, want %q", named, c.want)
			}
			if found := watcher.Found(); found.Async != 0 || (found.Sync == 0) != (c.want == nil) {
				t.Errorf("found %+v", found)
			}
		})
	}
}

func TestWhatIsAwaitedIsAsyncCode(t *testing.T) {
	watcher, log := watching(t)
	route := watcher.Route("GET /", "app.view")
	all := route.until(t, log, func(w *Watch) {
		f := w.Frame("app.sync", "blocking")
		defer f.End()
		f.Await(heavy)
	})
	if len(all) != 1 || all[0].View != "app.view" || watcher.Found().Sync != 0 {
		t.Errorf("found %+v, reported %+v", watcher.Found(), all)
	}
}

// The judgement itself, where a machine could not be made to behave so.
func TestWhatComputes(t *testing.T) {
	const ms = time.Millisecond
	for name, c := range map[string]struct {
		own  spent
		want bool
	}{
		"all of its time":                {spent{wall: 20 * ms, cpu: 20 * ms}, true},
		"half":                           {spent{wall: 20 * ms, cpu: 10 * ms}, true},
		"less than half":                 {spent{wall: 20 * ms, cpu: 9 * ms}, false},
		"too little":                     {spent{wall: 4 * ms, cpu: 4 * ms}, false},
		"the kernel had no CPU":          {spent{wall: 100 * ms, cpu: 20 * ms, delay: 70 * ms}, true},
		"Go had no P, twice":             {spent{wall: 100 * ms, cpu: 20 * ms, switches: 2, runnable: runnable{10, 300 * ms}}, true},
		"it waits, and Go is busy":       {spent{wall: 100 * ms, cpu: 20 * ms, switches: 1, runnable: runnable{10, 300 * ms}}, false},
		"it waits, and Go is not":        {spent{wall: 100 * ms, cpu: 20 * ms, switches: 2, runnable: runnable{10, ms}}, false},
		"it waits, and nobody else runs": {spent{wall: 100 * ms, cpu: 20 * ms, switches: 2}, false},
	} {
		if got := c.own.computes(); got != c.want {
			t.Errorf("%s: computes %v", name, got)
		}
	}
}

func TestSamplesAreFew(t *testing.T) {
	watcher, _ := watching(t)
	route := watcher.Route("GET /", "app.view")
	sampled := 0
	for range 64 * 1000 {
		if route.call(func(*Watch) {}) {
			sampled++
		}
	}
	// The first few, then one in 64 until 64 were clean, then one in 1024.
	if sampled < 90 || sampled > 250 {
		t.Errorf("%d of 64,000 calls were sampled", sampled)
	}
}

func TestFewAreSampledAtTheSameTime(t *testing.T) {
	watcher, _ := watching(t)
	var all []*Watch
	for range 2 * len(slots) {
		r, n := watcher.Route("GET /", "app.view"), len(all)
		for range firstFew {
			if w := r.Watch(); w != nil {
				all = append(all, w)
			}
		}
		if len(all)-n > perRoute {
			t.Errorf("%d calls of one route are sampled at once", len(all)-n)
		}
	}
	if len(all) != len(slots) {
		t.Errorf("%d calls are sampled at once, want %d", len(all), len(slots))
	}
	route := all[0].route
	for _, w := range all {
		w.Run(func() {})
	}
	if n := route.active.Load(); n != 0 {
		t.Errorf("%d are active after all have ended", n)
	}
	if w := route.Watch(); w == nil {
		t.Error("nothing can be sampled afterwards")
	} else {
		w.Run(func() {})
	}
}

func TestThePanicOfASampledCallPasses(t *testing.T) {
	watcher, _ := watching(t)
	route := watcher.Route("GET /", "app.view")
	func() {
		defer func() {
			if v := recover(); v != "kaboom" {
				t.Errorf("recovered %v", v)
			}
		}()
		route.call(func(*Watch) { panic("kaboom") })
	}()
	if n := route.active.Load(); n != 0 {
		t.Errorf("%d are active", n)
	}
}

func TestAContextHasItsOwnWatchOnly(t *testing.T) {
	watcher, _ := watching(t)
	w := watcher.Route("GET /", "app.view").Watch()
	defer w.Run(func() {})
	ctx := w.Context(t.Context())
	if Of(ctx) != w || Of(t.Context()) != nil {
		t.Error("not the watch that was put in")
	}
	derived, cancel := context.WithCancel(ctx)
	defer cancel()
	if Of(derived) != nil {
		t.Error("a derived context has it too: another scope would be taken for the call's")
	}
}
