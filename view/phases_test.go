package view_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/tandem-go/tandem/view"
)

// traced makes phases that write down what they did.
func traced(trace *[]string, name string, before func(*view.Request) (view.Response, error)) view.Middleware {
	return view.Phases(
		func(r *view.Request) (view.Response, error) {
			*trace = append(*trace, name+" before")
			if before == nil {
				return nil, nil
			}
			return before(r)
		},
		func(_ *view.Request, resp view.Response) (view.Response, error) {
			*trace = append(*trace, name+" after")
			return view.WithHeader(resp, "After", name), nil
		},
	)
}

// Both colours of view, and both modes of what is outside.
func TestPhasesRunAroundTheViewAndMayAnswerForIt(t *testing.T) {
	teapot := view.Errorf(http.StatusTeapot, "short and stout")
	tests := map[string]struct {
		before func(*view.Request) (view.Response, error)
		status int
		body   string // of what is no error
		trace  string
	}{
		"go on": {
			status: 200, body: "view",
			trace: "outer before, inner before, view, inner after, outer after",
		},
		"a response": {
			before: func(*view.Request) (view.Response, error) { return view.Text("cached"), nil },
			status: 200, body: "cached",
			trace: "outer before, inner before, inner after, outer after",
		},
		"an error": {
			before: func(*view.Request) (view.Response, error) { return nil, teapot },
			status: http.StatusTeapot,
			trace:  "outer before, inner before, outer after",
		},
		"a panic": {
			before: func(*view.Request) (view.Response, error) { panic("kaboom") },
			status: 500,
			trace:  "outer before, inner before, outer after",
		},
	}
	for name, test := range tests {
		for _, outside := range []byte("as") {
			for _, colour := range []string{"async", "sync"} {
				t.Run(name+", "+colour+" below "+string(outside), func(t *testing.T) {
					var trace []string
					ms := view.With(kinds[outside], traced(&trace, "outer", nil), traced(&trace, "inner", test.before))
					rt := view.Path("/", func(context.Context, *view.Request) (view.Response, error) {
						trace = append(trace, "view")
						return view.Text("view"), nil
					}, ms)
					if colour == "sync" {
						rt = view.Path("/", func(*view.Request) (view.Response, error) {
							trace = append(trace, "view")
							return view.Text("view"), nil
						}, ms)
					}
					w := newSite(t, 1, []view.Route{rt}).get("/")
					if w.Code != test.status || test.body != "" && w.Body.String() != test.body || w.Header().Get("After") == "" {
						t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
					}
					if got := strings.Join(trace, ", "); got != test.trace {
						t.Errorf("%s\nwant %s", got, test.trace)
					}
				})
			}
		}
	}
}

func TestTheAfterPhaseAndErrors(t *testing.T) {
	lost := errors.New("the disk is gone")
	fails := func(*view.Request) (view.Response, error) { return nil, lost }
	tests := map[string]struct {
		after  func(*view.Request, view.Response) (view.Response, error)
		status int
		header string
		errs   []any // logged
	}{
		"headers are added to an error": {
			after: func(_ *view.Request, resp view.Response) (view.Response, error) {
				return view.WithHeader(resp, "Seen", "yes"), nil
			},
			status: 500, header: "yes", errs: []any{"the disk is gone"},
		},
		"an answer in the place of an error": {
			after:  func(*view.Request, view.Response) (view.Response, error) { return view.Text("sorry"), nil },
			status: 200, errs: []any{"the disk is gone"},
		},
		"an error of its own": {
			after:  func(*view.Request, view.Response) (view.Response, error) { return nil, view.Errorf(502, "worse") },
			status: 502, errs: []any{"worse"},
		},
		"nothing": {
			after:  func(*view.Request, view.Response) (view.Response, error) { return nil, nil },
			status: 500, errs: []any{"the disk is gone"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, 1, []view.Route{view.Path("/", fails, view.With(view.Phases(nil, test.after)))})
			w := s.get("/")
			var errs []any
			for _, r := range s.log.records(t) {
				errs = append(errs, r["error"])
			}
			if w.Code != test.status || w.Header().Get("Seen") != test.header || !slices.Equal(errs, test.errs) {
				t.Errorf("%d %v, logged %v", w.Code, w.Header(), errs)
			}
		})
	}
}

func TestPhasesOfAGoodResponseThatReturnNothingAreANamed500(t *testing.T) {
	s := newSite(t, 1, []view.Route{view.Path("/", modern, view.With(
		view.Phases(nil, func(*view.Request, view.Response) (view.Response, error) { return nil, nil })))})
	expectError(t, s.get("/"), 500, "Internal Server Error")
	if r := s.log.only(t); r["error"] != view.ErrNoResponse.Error() {
		t.Errorf("log %v", r)
	}
}

// Phases hold nothing while the view is awaited: its permit is the stack's.
func TestPhasesHoldNoPermitWhileAnAsyncViewRuns(t *testing.T) {
	var s *site
	pass := view.Phases(func(*view.Request) (view.Response, error) { return nil, nil }, nil)
	s = newSite(t, 1, []view.Route{view.Path("/", func(context.Context, *view.Request) (view.Response, error) {
		if in := s.limits.Blocking.Stats().InUse; in != 0 {
			t.Errorf("%d permits in use", in)
		}
		return view.NoContent(), nil
	}, view.With(pass, kinds['s'], pass))})
	expect(t, s.get("/"), http.StatusNoContent, "")
}

func beforeAll(*view.Request) (view.Response, error) { return nil, nil }

func TestPhasesAreNamedAndNeedOne(t *testing.T) {
	s := newSite(t, 1, []view.Route{view.Path("/", classic, view.With(kinds['s'], view.Phases(beforeAll, nil)))})
	if l := s.Plan()[0].Layers[1]; l.String() != "view_test.beforeAll (sync)" {
		t.Errorf("layer %v", l)
	}
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	view.Phases(nil, nil)
}
