package view_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-go/tandem/bridge"
	"github.com/tandem-go/tandem/view"
)

func TestServerTimingSaysWhereTheTimeWent(t *testing.T) {
	slow := func(*view.Request) (view.Response, error) {
		time.Sleep(1500 * time.Microsecond)
		return view.Text("done"), nil
	}
	plain := func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(2 * time.Millisecond)
		_, _ = io.WriteString(w, "plain")
		time.Sleep(time.Second) // too late to be told
	}
	tests := map[string]struct {
		route view.Route
		want  string
	}{
		"async": {
			view.Path("/", modern, view.Name(`the "modern" \ oné`+"\n")),
			`total;dur=0.000, view;dur=0.000, queue;dur=0.000, crossings;desc="0", route;desc="async the \"modern\" \\ on??"`,
		},
		"sync": {
			view.Path("/", slow, view.Name("slow"), view.With(kinds['a'], kinds['b'])),
			`total;dur=1.500, view;dur=1.500, queue;dur=0.000, crossings;desc="1 (blocking)", route;desc="sync slow", middleware;desc="a (async), b (async)"`,
		},
		"plain handler": {
			view.Path("/", plain, view.Name("plain")),
			`total;dur=2.000, view;dur=0.000, queue;dur=0.000, crossings;desc="0", route;desc="async plain"`,
		},
		"error": {
			view.Path("/", func(context.Context, *view.Request) (view.Response, error) { return nil, view.Errorf(404, "no") }, view.Name("lost")),
			`total;dur=0.000, view;dur=0.000, queue;dur=0.000, crossings;desc="0", route;desc="async lost"`,
		},
		"nothing written": {
			view.Path("/", func(http.ResponseWriter, *http.Request) {}, view.Name("empty")),
			`total;dur=0.000, view;dur=0.000, queue;dur=0.000, crossings;desc="0", route;desc="async empty"`,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newSite(t, 1, []view.Route{test.route}, view.ServerTiming(nil)).get("/")
				if got := w.Result().Header["Server-Timing"]; len(got) != 1 || got[0] != test.want {
					t.Errorf("%q\nwant %s", got, test.want)
				}
			})
		})
	}
}

func TestServerTimingHasTheWaitForAPermit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		end := make(chan struct{})
		s := newSite(t, 1, nil, view.Limits(bridge.Limits{Blocking: bridge.NewLimiter(1)}), view.ServerTiming(nil))
		s.Routes(
			view.Path("/slow", func(*view.Request) (view.Response, error) { <-end; return view.NoContent(), nil }),
			view.Path("/queued", classic, view.Name("queued")),
		)
		done := held(s, "/slow")
		w := httptest.NewRecorder()
		done.Go(func() { s.ServeHTTP(w, httptest.NewRequest("GET", "/queued", nil)) })
		time.Sleep(250 * time.Millisecond)
		close(end)
		done.Wait()
		want := `total;dur=250.000, view;dur=250.000, queue;dur=250.000, crossings;desc="1 (blocking)", route;desc="sync queued"`
		if got := w.Header().Get("Server-Timing"); got != want {
			t.Errorf("%s\nwant %s", got, want)
		}
	})
}

func TestServerTimingIsForThoseWhoAsk(t *testing.T) {
	s := newSite(t, 1, []view.Route{view.Path("/", modern)}, view.ServerTiming(func(r *http.Request) bool {
		return r.Header.Get("X-Debug") == "yes"
	}))
	if got := s.get("/").Header()["Server-Timing"]; got != nil {
		t.Errorf("unasked: %q", got)
	}
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("X-Debug", "yes")
	if got := s.do(r).Header()["Server-Timing"]; len(got) != 1 {
		t.Errorf("asked: %q", got)
	}
}
