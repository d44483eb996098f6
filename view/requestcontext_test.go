package view_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/tandem-go/tandem/view"
)

type tagKey struct{ n int }

// tag is what stands in a request's context, by those who put it there.
func tag(r *view.Request, n int) string {
	v, _ := view.Value[string](r, tagKey{n})
	return v
}

func TestTheContextOfARequestIsThereForAllOfIt(t *testing.T) {
	put := func(n int, value string) view.Option {
		return view.RequestContext(func(ctx context.Context, r *http.Request) context.Context {
			before, _ := ctx.Value(tagKey{n - 1}).(string)
			return context.WithValue(ctx, tagKey{n}, before+value+r.URL.Path)
		})
	}
	native := view.Use(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), tagKey{3}, "native")))
		})
	})
	for _, target := range []string{"/async/", "/sync/", "/native/", "/nowhere", "/sync"} {
		var observed [3]string
		app := view.New(put(1, "one"), put(2, "two"), view.Observe(func(r *view.Request, _ view.Outcome) {
			observed = [3]string{tag(r, 1), tag(r, 2), tag(r, 3)}
		}))
		want := [3]string{"one" + target, "one" + target + "two" + target}
		check := func(r *view.Request) (view.Response, error) {
			if got := [3]string{tag(r, 1), tag(r, 2), tag(r, 3)}; got != want {
				t.Errorf("%s: the view sees %q", target, got)
			}
			return view.NoContent(), nil
		}
		app.Routes(
			view.Path("/async/", func(ctx context.Context, r *view.Request) (view.Response, error) {
				if got := ctx.Value(tagKey{2}); got != want[1] {
					t.Errorf("the ctx has %q", got)
				}
				return check(r)
			}),
			view.Path("/sync/", check),
			view.Path("/native/", check, view.With(native)),
		)
		if target == "/native/" {
			want[2] = "native"
		}
		r := httptest.NewRequest("GET", target, nil)
		app.ServeHTTP(httptest.NewRecorder(), r)
		if observed != want {
			t.Errorf("%s: the observer sees %q", target, observed)
		}
		if r.Context().Value(tagKey{1}) != nil {
			t.Error("the server's request was changed")
		}
	}
}

func TestWhatIsSetComesBeforeTheContext(t *testing.T) {
	app := view.New(view.RequestContext(func(ctx context.Context, _ *http.Request) context.Context {
		return context.WithValue(ctx, tagKey{1}, "context")
	}))
	app.Routes(view.Path("/", func(r *view.Request) (view.Response, error) {
		if got := tag(r, 1); got != "context" {
			t.Errorf("%q", got)
		}
		if _, ok := view.Value[int](r, tagKey{1}); ok {
			t.Error("a string is an int")
		}
		r.Set(tagKey{1}, "set")
		return view.Text(tag(r, 1)), nil
	}))
	w := httptest.NewRecorder()
	if app.ServeHTTP(w, httptest.NewRequest("GET", "/", nil)); w.Body.String() != "set" {
		t.Error(w.Body)
	}
}
