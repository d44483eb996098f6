package view_test

import (
	"fmt"
	"testing"

	"github.com/tandem-go/tandem/view"
)

func TestThePlanIsLoggedOnceWhenServingBegins(t *testing.T) {
	for name, begin := range map[string]func(*site){
		"settled before": func(s *site) { s.Settle() },
		"first request":  func(s *site) { s.get("/modern/") },
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, 1, []view.Route{
				view.Path("/modern/", modern),
				view.Path("/classic/", classic, view.With(kinds['a'], kinds['s'], kinds['b'])),
			})
			s.Use(view.Use(plainMiddleware).Named("plain"), view.Use(timing).Named("timing"))
			s.Plan()
			if all := s.log.all(t); len(all) > 0 {
				t.Errorf("Plan logged %v", all)
			}
			for range 2 {
				begin(s)
				s.get("/classic/")
			}
			want := []string{
				"DEBUG route planned /modern/ async crossings=0 plain (http), timing (async)  ",
				"DEBUG route planned /classic/ sync crossings=1 plain (http), timing (async), a (async), s (sync), b (sync) blocking sync middleware s adapted for async middleware a",
				"INFO routes settled 2 1 false",
			}
			all := s.log.all(t)
			if len(all) != len(want) {
				t.Fatalf("logged %v", all)
			}
			for i, r := range all {
				got := fmt.Sprint(r["level"], " ", r["msg"], " ", r["pattern"], " ", r["colour"], " crossings=", r["crossings"], " ", r["middleware"], " ", r["limiter"], " ", r["adapted"])
				if i == 2 {
					got = fmt.Sprint(r["level"], " ", r["msg"], " ", r["routes"], " ", r["routes_that_cross"], " ", r["sync_only"])
				}
				if got != want[i] {
					t.Errorf("%s\nwant %s", got, want[i])
				}
			}
		})
	}
}

func TestTheSyncOnlyProfileIsNamedInThePlan(t *testing.T) {
	s := newSite(t, 1, []view.Route{view.Path("/", modern), view.Path("/sync", classic)}, view.SyncOnly())
	plan := s.Plan()
	if got := fmt.Sprintf("%q", plan[0].Adapted()); got != `["async view adapted for sync profile" "sync profile adapted for async server"]` {
		t.Error(got)
	}
	if got := fmt.Sprintf("%q", plan[1].Adapted()); got != `["sync view adapted for async server"]` {
		t.Error(got)
	}
}
