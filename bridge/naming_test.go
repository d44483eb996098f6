package bridge_test

import (
	"bytes"
	"context"
	"regexp"
	"runtime"
	"runtime/pprof"
	"runtime/trace"
	"slices"
	"strings"
	"testing"

	"github.com/tandem-go/tandem/bridge"
)

// labelled are the label sets that the profile of goroutines shows for those in f.
func labelled(t *testing.T) []string {
	t.Helper()
	var b bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&b, 1); err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, group := range strings.Split(b.String(), "\n\n") {
		if m := regexp.MustCompile(`(?m)^# labels: (\{.*\})$`).FindStringSubmatch(group); m != nil {
			found = append(found, m[1])
		}
	}
	slices.Sort(found)
	return found
}

func wantLabels(t *testing.T, when string, want ...string) {
	t.Helper()
	var got []string
	for range 1000 { // a goroutine that has said it is done may not be gone yet
		if got = labelled(t); slices.Equal(got, want) {
			return
		}
		runtime.Gosched()
	}
	t.Errorf("%s: goroutines labelled %v, want %v", when, got, want)
}

// on gives the labels of a context to the calling goroutine, as a server does.
func on(ctx context.Context, labels ...string) context.Context {
	ctx = pprof.WithLabels(ctx, pprof.Labels(labels...))
	pprof.SetGoroutineLabels(ctx)
	return ctx
}

func TestANamedFrameIsLabelledWhileItRuns(t *testing.T) {
	defer pprof.SetGoroutineLabels(context.Background())
	l := limits(2)
	defer bridge.Lower(l.CPU)
	for how, opts := range map[string][]bridge.SyncOption{
		"inline": nil, "pinned": {bridge.Pinned()}, "parallel": {bridge.Parallel()}, "computing": {bridge.On(l.CPU)},
	} {
		away := how == "pinned" || how == "computing" // the caller waits beside the frame
		s, ctx := request(t, t.Context(), l)
		ctx = on(ctx, "route", "/x")
		caller := `{"route":"/x"}`
		mine := func(set ...string) []string {
			if away {
				set = append(set, caller)
				slices.Sort(set)
			}
			return set
		}
		opts = append(opts, bridge.As("total")) // made once, as an adapter does
		frame := func(f func(s *bridge.Scope)) {
			must[struct{}](t)(bridge.RunSyncScoped(ctx, func(s *bridge.Scope) (struct{}, error) {
				f(s)
				return struct{}{}, nil
			}, opts...))
		}
		for range 2 { // the second time they are not made anew
			frame(func(s *bridge.Scope) {
				wantLabels(t, how, mine(`{"route":"/x", "sync":"total"}`)...)
				must[struct{}](t)(bridge.Await(s, func(ctx context.Context) (struct{}, error) {
					if how == "pinned" { // and its thread, which serves
						wantLabels(t, how+", awaited", caller, caller, caller)
					} else {
						wantLabels(t, how+", awaited", mine(caller)...)
					}
					return bridge.RunSync(ctx, run(func() {}), bridge.As("below"))
				}))
				wantLabels(t, how+", after Await", mine(`{"route":"/x", "sync":"total"}`)...)
			})
			wantLabels(t, how+", afterwards", caller)
		}
		outside := ctx
		ctx = on(outside, "route", "/y", "sync", "another", "user", "7")
		caller = `{"route":"/y", "sync":"another", "user":"7"}`
		frame(func(*bridge.Scope) {
			wantLabels(t, how, mine(`{"route":"/y", "sync":"total", "user":"7"}`)...)
		})
		ctx = on(outside, "route", "/y", "sync", "another")
		caller = `{"route":"/y", "sync":"another"}`
		frame(func(*bridge.Scope) {
			wantLabels(t, how, mine(`{"route":"/y", "sync":"total"}`)...)
		})
		func() {
			defer func() { _ = recover() }()
			frame(func(*bridge.Scope) { panic("x") })
		}()
		wantLabels(t, how+", after a panic", caller)
		s.Close()
	}
}

func TestAnUnnamedFrameOnAThreadHasTheLabelsOfItsCaller(t *testing.T) {
	defer pprof.SetGoroutineLabels(context.Background())
	l := limits(1)
	defer bridge.Lower(l.CPU)
	_, ctx := request(t, t.Context(), l)
	ctx = on(ctx, "route", "/x")
	for how, opt := range map[string]bridge.SyncOption{"pinned": bridge.Pinned(), "computing": bridge.On(l.CPU)} {
		must[struct{}](t)(bridge.RunSync(ctx, run(func() {
			wantLabels(t, how, `{"route":"/x"}`, `{"route":"/x"}`) // who calls, and the thread
		}), opt))
	}
	wantLabels(t, "afterwards", `{"route":"/x"}`)
}

func TestAdaptersNameTheirFramesByTheFunction(t *testing.T) {
	l := limits(1)
	_, ctx := request(t, t.Context(), l)
	must[int](t)(bridge.SyncToAsync(snapshot{t, `{"sync":"bridge_test.snapshot.plain"}`}.plain)(ctx, 1))
	must[int](t)(bridge.SyncToAsyncScoped(snapshot{t, `{"sync":"bridge_test.snapshot.scoped"}`}.scoped)(ctx, 1))
	must[int](t)(bridge.SyncToAsync(snapshot{t, `{"sync":"legacy"}`}.plain, bridge.As("legacy"))(ctx, 1))
	must[int](t)(bridge.RunSync(ctx, func() (int, error) { wantLabels(t, "RunSync"); return 1, nil }))
}

type snapshot struct {
	t    *testing.T
	want string
}

func (s snapshot) plain(n int) (int, error) { wantLabels(s.t, s.want, s.want); return n, nil }

func (s snapshot) scoped(_ *bridge.Scope, n int) (int, error) { return s.plain(n) }

// A trace has the names of regions among its strings.
func TestANamedFrameIsARegionOfATrace(t *testing.T) {
	var b bytes.Buffer
	if err := trace.Start(&b); err != nil {
		t.Skip(err) // somebody traces the tests
	}
	l := limits(1)
	_, ctx := request(t, t.Context(), l)
	must[int](t)(bridge.RunSync(ctx, tid, bridge.As("a region by name")))
	must[int](t)(bridge.RunSync(ctx, tid, bridge.Pinned(), bridge.As("a region on a thread")))
	trace.Stop()
	for _, name := range []string{"a region by name", "a region on a thread"} {
		if !bytes.Contains(b.Bytes(), []byte(name)) {
			t.Errorf("the trace has no %q", name)
		}
	}
}
