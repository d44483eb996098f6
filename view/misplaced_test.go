package view_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tandem-go/tandem/bridge"
	"github.com/tandem-go/tandem/view"
)

// burnCPU uses that much CPU time of a goroutine that has its thread for itself,
// as that of a sampled request has; another one may take a little longer.
func burnCPU(d time.Duration) {
	used := func() time.Duration {
		var t unix.Timespec
		if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
			panic(err)
		}
		return time.Duration(t.Nano())
	}
	began, end := time.Now(), used()+d
	for used() < end && time.Since(began) < time.Minute {
	}
}

func computesSync(*view.Request) (view.Response, error) {
	burnCPU(20 * time.Millisecond)
	return view.Text("computed"), nil
}

func waitsSync(*view.Request) (view.Response, error) {
	time.Sleep(20 * time.Millisecond)
	return view.Text("waited"), nil
}

func computesAsync(context.Context, *view.Request) (view.Response, error) {
	burnCPU(40 * time.Millisecond)
	return view.Text("computed"), nil
}

func waitsAsync(context.Context, *view.Request) (view.Response, error) {
	time.Sleep(40 * time.Millisecond)
	return view.Text("waited"), nil
}

func legacySum(ms int) (int, error) { burnCPU(time.Duration(ms) * time.Millisecond); return ms, nil }

// crosses makes an async view that has sync code compute.
func crosses(opts ...bridge.SyncOption) func(context.Context, *view.Request) (view.Response, error) {
	sum := bridge.SyncToAsync(legacySum, opts...)
	return func(ctx context.Context, _ *view.Request) (view.Response, error) {
		_, err := sum(ctx, 40)
		return view.Text("computed"), err
	}
}

func awaits(r *view.Request) (view.Response, error) {
	return bridge.Await(r, func(ctx context.Context) (view.Response, error) { return computesAsync(ctx, r) })
}

// reported says what the warnings of a log name.
func (s *site) reported() (sync, async []map[string]any) {
	for _, r := range s.log.records(s.t) {
		switch r["msg"] {
		case "sync code computes inside a permit for code that waits":
			sync = append(sync, r)
		case "async code computes and holds its thread":
			async = append(async, r)
		}
	}
	return sync, async
}

// asked sends requests, and returns what was reported of them.
func (s *site) asked(target string, n int) (sync, async []map[string]any) {
	for range n {
		if w := s.get(target); w.Code != http.StatusOK {
			s.t.Fatalf("%s: %d %s", target, w.Code, w.Body)
		}
	}
	return s.reported()
}

// found sends requests to new sites until there is something to report. A machine
// that is busy with other things may take some.
func found(t *testing.T, route view.Route, opts ...view.Option) (s *site, sync, async []map[string]any) {
	for range 200 {
		s = newSite(t, 1, []view.Route{route}, opts...)
		for range firstSampled + 16 { // so many more if something was found, and not where
			if sync, async = s.asked("/", 1); len(sync)+len(async) > 0 {
				return s, sync, async
			}
		}
	}
	t.Fatal("nothing was reported")
	return nil, nil, nil
}

// firstSampled is how many requests of a route are sampled whatever comes of it.
const firstSampled = 4

func TestSyncCodeThatComputesInABlockingPermitIsNamed(t *testing.T) {
	s, sync, async := found(t, view.Path("GET /", computesSync))
	if len(sync) != 1 || len(async) != 0 {
		t.Fatalf("reported %v and %v", sync, async)
	}
	r := sync[0]
	if r["level"] != "WARN" || r["function"] != "view_test.computesSync" || r["route"] != "GET /" || r["limiter"] != "blocking" ||
		r["cpu_ms"].(float64) < 5 || r["wall_ms"].(float64) < 20 || !strings.Contains(r["remedy"].(string), "view.CPU()") {
		t.Errorf("reported %v", r)
	}
	if found := s.Misplaced(); found.Sync < 3 || found.Async != 0 {
		t.Errorf("found %+v", found)
	}
}

func TestAsyncCodeThatComputesIsReportedWithItsStack(t *testing.T) {
	through := view.Use(timing)
	crossing := view.Use(func(next view.SyncView) view.SyncView {
		return func(r *view.Request) (view.Response, error) { return next(r) }
	})
	for name, c := range map[string]struct {
		route view.Route
		view  string
		opts  []view.Option
	}{
		"view":                  {view.Path("GET /", computesAsync), "view_test.computesAsync", nil},
		"below middleware":      {view.Path("GET /", computesAsync, view.With(through)), "view_test.computesAsync", nil},
		"below sync middleware": {view.Path("GET /", computesAsync, view.With(crossing)), "view_test.computesAsync", nil},
		"awaited by a view":     {view.Path("GET /", awaits), "view_test.awaits", nil},
		"sync-only":             {view.Path("GET /", computesAsync), "view_test.computesAsync", []view.Option{view.SyncOnly()}},
	} {
		t.Run(name, func(t *testing.T) {
			s, sync, async := found(t, c.route, c.opts...)
			if len(sync) != 0 || len(async) != 1 {
				t.Fatalf("reported %v and %v", sync, async)
			}
			r := async[0]
			var stack []string
			for _, f := range r["stack"].([]any) {
				stack = append(stack, f.(string))
			}
			if r["level"] != "WARN" || r["route"] != "GET /" || r["view"] != c.view || r["cpu_ms"].(float64) < 10 {
				t.Errorf("reported %v", r)
			}
			if !hasAll(strings.Join(stack, "\n"), "view_test.computesAsync misplaced_test.go:") || strings.Contains(strings.Join(stack, "\n"), "tandem/view.") {
				t.Errorf("the stack is %q", stack)
			}
			if found := s.Misplaced(); found.Sync != 0 || found.Async < 1 {
				t.Errorf("found %+v", found)
			}
		})
	}
}

func TestCodeInItsPlaceIsNotReported(t *testing.T) {
	quiet := func(t *testing.T, route view.Route) {
		t.Helper()
		s := newSite(t, 1, []view.Route{route})
		if sync, async := s.asked("/", 2*firstSampled); len(sync)+len(async) != 0 || s.Misplaced() != (view.Misplaced{}) {
			t.Errorf("reported %v and %v, found %+v", sync, async, s.Misplaced())
		}
	}
	t.Run("sync view that waits", func(t *testing.T) { quiet(t, view.Path("GET /", waitsSync)) })
	t.Run("async view that waits", func(t *testing.T) { quiet(t, view.Path("GET /", waitsAsync)) })
	cpu := bridge.NewCPULimiter(1)
	for name, route := range map[string]view.Route{
		"sync view that computes, on view.CPU": view.Path("GET /", computesSync, view.CPU()),
		"async view that crosses to CPU":       view.Path("GET /", crosses(bridge.On(cpu))),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				quiet(t, route)
				settle()
			})
		})
	}
}

// What a sync function below an async view computes is held against the function,
// and not against the view.
func TestAnAsyncViewIsNotBlamedForTheSyncCodeBelow(t *testing.T) {
	for name, c := range map[string]struct {
		opts  []bridge.SyncOption
		want  string
		route []view.RouteOption
	}{
		"function":        {nil, "view_test.legacySum", nil},
		"named":           {[]bridge.SyncOption{bridge.As("the old sum")}, "the old sum", nil},
		"pinned":          {[]bridge.SyncOption{bridge.Pinned()}, "view_test.legacySum", nil},
		"parallel":        {[]bridge.SyncOption{bridge.Parallel()}, "view_test.legacySum", nil},
		"abandonable":     {[]bridge.SyncOption{bridge.Abandonable()}, "view_test.legacySum", nil},
		"with a deadline": {nil, "view_test.legacySum", []view.RouteOption{view.Deadline(time.Minute)}},
	} {
		t.Run(name, func(t *testing.T) {
			s, sync, async := found(t, view.Path("GET /", crosses(c.opts...), c.route...))
			if len(sync) != 1 || len(async) != 0 || s.Misplaced().Async != 0 || sync[0]["function"] != c.want || sync[0]["route"] != "GET /" {
				t.Fatalf("reported %v and %v", sync, async)
			}
		})
	}
}

// A closure has the name of the function that it is in.
func TestSyncCodeWithoutANameIsNamedAfterItsClosure(t *testing.T) {
	plain := func(ctx context.Context, opts ...bridge.SyncOption) error {
		_, err := bridge.RunSync(ctx, func() (int, error) { return legacySum(20) }, opts...)
		return err
	}
	scoped := func(ctx context.Context, opts ...bridge.SyncOption) error {
		_, err := bridge.RunSyncScoped(ctx, func(*bridge.Scope) (int, error) { return legacySum(20) }, opts...)
		return err
	}
	for name, c := range map[string]struct {
		run  func(context.Context, ...bridge.SyncOption) error
		opts []bridge.SyncOption
		want string
	}{
		"plain":               {plain, nil, "func1.1"},
		"scoped":              {scoped, nil, "func2.1"},
		"abandonable":         {plain, []bridge.SyncOption{bridge.Abandonable()}, "func1.1"},
		"scoped, pinned":      {scoped, []bridge.SyncOption{bridge.Pinned()}, "func2.1"},
		"scoped, abandonable": {scoped, []bridge.SyncOption{bridge.Abandonable()}, "func2.1"},
	} {
		t.Run(name, func(t *testing.T) {
			_, sync, _ := found(t, view.Path("GET /", func(ctx context.Context, _ *view.Request) (view.Response, error) {
				return view.Text("computed"), c.run(ctx, c.opts...)
			}))
			if len(sync) != 1 || sync[0]["function"] != "view_test.TestSyncCodeWithoutANameIsNamedAfterItsClosure."+c.want {
				t.Errorf("reported %v", sync)
			}
		})
	}
}

// A view that awaits is not held responsible for what it awaits.
func TestASyncViewIsNotBlamedForWhatItAwaits(t *testing.T) {
	_, sync, async := found(t, view.Path("GET /", func(r *view.Request) (view.Response, error) {
		return bridge.Await(r, func(ctx context.Context) (view.Response, error) {
			_, err := bridge.RunSync(ctx, func() (int, error) { return legacySum(20) }, bridge.As("below"))
			return view.Text("computed"), err
		})
	}))
	if len(async) != 0 || len(sync) != 1 || sync[0]["function"] != "below" {
		t.Fatalf("reported %v and %v", sync, async)
	}
}
