package orm_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tandem-go/tandem/orm"
	"github.com/tandem-go/tandem/view"
)

type observedKey struct{}

func TestObserversAreToldOfEachStatement(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		type seen struct {
			verb   string
			rows   int64
			failed bool
		}
		var got, second []seen
		begun := time.Now()
		observe := func(into *[]seen) orm.Option {
			return orm.Observe(func(ctx context.Context, s orm.Statement) {
				if s.Database != db.Dialect() || s.Took <= 0 || s.Began.Before(begun) || strings.Contains(s.Text, "hush") || ctx.Value(observedKey{}) != "asked" {
					t.Errorf("told %+v", s)
				}
				verb, _, _ := strings.Cut(s.Text, " ")
				*into = append(*into, seen{verb, s.Rows, s.Err != nil})
			})
		}
		observe(&got)(db)
		observe(&second)(db)
		posts := orm.For[Post](db)
		asked := context.WithValue(t.Context(), observedKey{}, "asked")
		s := serving(
			view.Path("/async", func(ctx context.Context, _ *view.Request) (view.Response, error) {
				_, err := posts.Filter("title <> ?", "hush").Limit(2).List(ctx)
				return view.NoContent(), err
			}),
			view.Path("/sync", func(r *view.Request) (view.Response, error) {
				_, err := posts.Limit(1).Sync(r).List()
				return view.NoContent(), err
			}),
			view.Path("/changed", func(ctx context.Context, _ *view.Request) (view.Response, error) {
				_, err := posts.Filter("id = ?", 1).Update(ctx, orm.Set("title", "hush"))
				return view.NoContent(), err
			}),
			view.Path("/whole", func(ctx context.Context, _ *view.Request) (view.Response, error) {
				return view.NoContent(), orm.AtomicAsync(ctx, db, func(ctx context.Context, _ *orm.Tx) error {
					_, err := posts.Limit(1).List(ctx)
					return err
				})
			}),
			view.Path("/ended", func(ctx context.Context, _ *view.Request) (view.Response, error) {
				ended, end := context.WithCancel(ctx)
				end()
				_, err := posts.List(ended)
				if !errors.Is(err, context.Canceled) {
					t.Errorf("%v", err)
				}
				return view.NoContent(), nil
			}),
		)
		for target, want := range map[string][]seen{
			"/async":   {{"SELECT", 2, false}},
			"/sync":    {{"SELECT", 1, false}},
			"/changed": {{"UPDATE", 1, false}},
			"/whole":   {{"BEGIN", -1, false}, {"SELECT", 1, false}, {"COMMIT", -1, false}},
			"/ended":   {{"SELECT", -1, true}},
		} {
			got, second = nil, nil
			r, err := http.NewRequestWithContext(asked, http.MethodGet, target, nil)
			if err != nil {
				t.Fatal(err)
			}
			s.ServeHTTP(discarded{}, r)
			if !slices.Equal(got, want) || !slices.Equal(second, want) {
				t.Errorf("%s: told %v and %v, want %v", target, got, second, want)
			}
		}
	})
}

// discarded is a client that wants no answer.
type discarded struct{}

func (discarded) Header() http.Header         { return http.Header{} }
func (discarded) WriteHeader(int)             {}
func (discarded) Write(b []byte) (int, error) { return len(b), nil }
