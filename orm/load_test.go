package orm_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tandem-go/tandem/bridge"
	"github.com/tandem-go/tandem/internal/tally"
	"github.com/tandem-go/tandem/orm"
)

// counting is a ctx whose statements are counted.
func counting(t *testing.T) (ctx context.Context, statements func() int) {
	record := tally.New(nil, "", nil)
	return record.Context(t.Context()), func() int {
		n, _ := record.Total()
		return n
	}
}

// one and all say in words what a relation has led to.
func one[T any](name func(*T) string) func(*T, error) (string, error) {
	return func(row *T, err error) (string, error) {
		if err != nil || row == nil {
			return "none", err
		}
		return name(row), nil
	}
}

func all[T any](name func(*T) string) func([]*T, error) (string, error) {
	return func(rows []*T, err error) (string, error) {
		words := []string{}
		for _, row := range rows {
			words = append(words, name(row))
		}
		return strings.Join(words, " "), err
	}
}

var (
	anAuthor = one(func(a *Author) string { return a.Name })
	aProfile = one(func(p *Profile) string { return p.Bio })
	somePost = all(func(p *Post) string { return p.Title })
	someTags = all(func(t *Tag) string { return t.Name })
)

// relationCase is a relation of a model's rows.
type relationCase[T any] struct {
	name string
	get  func(*T) (string, error)
	load func(context.Context, *T) (string, error)
	want []string // of each row, by key
	asks int      // rows that a statement is needed for
}

func TestARelationIsLoadedAsItsRowWas(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		relationCase[Post]{
			name: "Post.Author",
			get:  func(p *Post) (string, error) { return anAuthor(p.Author.Get()) },
			load: func(ctx context.Context, p *Post) (string, error) { return anAuthor(p.Author.Load(ctx)) },
			want: []string{"Ada", "Ada", "Ada", "Brian", "none"}, asks: 4,
		}.run(t, db)
		relationCase[Author]{
			name: "Author.Profile",
			get:  func(a *Author) (string, error) { return aProfile(a.Profile.Get()) },
			load: func(ctx context.Context, a *Author) (string, error) { return aProfile(a.Profile.Load(ctx)) },
			want: []string{"Countess", "Of C", "none"}, asks: 3,
		}.run(t, db)
		relationCase[Author]{
			name: "Author.Posts",
			get:  func(a *Author) (string, error) { return somePost(a.Posts.All()) },
			load: func(ctx context.Context, a *Author) (string, error) { return somePost(a.Posts.Load(ctx)) },
			want: []string{"Engines Notes Draft", "Pointers", ""}, asks: 3,
		}.run(t, db)
		relationCase[Post]{
			name: "Post.Tags",
			get:  func(p *Post) (string, error) { return someTags(p.Tags.All()) },
			load: func(ctx context.Context, p *Post) (string, error) { return someTags(p.Tags.Load(ctx)) },
			want: []string{"go c", "go", "", "c", ""}, asks: 5,
		}.run(t, db)
	})
}

// run asks for the relation in both colours and all modes, and twice: what is there
// is not loaded again.
func (c relationCase[T]) run(t *testing.T, db *orm.DB) {
	model, relation, _ := strings.Cut(c.name, ".")
	remedy := fmt.Sprintf("add Related(%q) to the query of %s, or call Load(ctx)", relation, model)
	async := fmt.Sprintf("orm: %s was not loaded, and its row came from async code: sync-only, and used from async code: %s", c.name, remedy)
	raise := fmt.Sprintf("orm: %s was not loaded, and the query says FetchRaise: the relation was not loaded: %s", c.name, remedy)
	ended := fmt.Sprintf("orm: %s was not loaded: sync-only, and used from async code: no sync code of this scope is running; call it from a sync function (bridge.SyncToAsync makes one callable here), or use the form that takes a ctx, or %s", c.name, remedy)
	for _, how := range []struct {
		name  string
		mode  orm.FetchMode
		sync  bool
		ended bool
		fails error // of Get; Load never fails
		text  string
		asks  int
	}{
		{"async, by itself", 0, false, false, bridge.ErrSynchronousOnly, async, c.asks},
		{"async, one", orm.FetchOne, false, false, bridge.ErrSynchronousOnly, async, c.asks},
		{"async, peers", orm.FetchPeers, false, false, bridge.ErrSynchronousOnly, async, 1},
		{"async, raise", orm.FetchRaise, false, false, bridge.ErrSynchronousOnly, async, c.asks},
		{"sync, by itself", 0, true, false, nil, "", c.asks},
		{"sync, one", orm.FetchOne, true, false, nil, "", c.asks},
		{"sync, peers", orm.FetchPeers, true, false, nil, "", 1},
		{"sync, raise", orm.FetchRaise, true, false, orm.ErrNotLoaded, raise, c.asks},
		{"sync, when its scope has ended", 0, true, true, bridge.ErrSynchronousOnly, ended, c.asks},
	} {
		t.Run(c.name+", "+how.name, func(t *testing.T) {
			ctx, statements := counting(t)
			q := orm.For[T](db).Order("id")
			if how.mode != 0 {
				q = q.Fetch(how.mode)
			}
			job := bridge.NewRoot(ctx, bridge.Limits{})
			defer job.Close()
			list := func() ([]*T, error) { return q.List(ctx) }
			if how.sync {
				list = q.Sync(job).List
			}
			rows, err := list()
			if err != nil {
				t.Fatal(err)
			}
			if how.ended {
				job.Close()
			}
			for i, row := range rows {
				got, err := c.get(row)
				switch {
				case how.fails == nil || c.want[i] == "none" && c.asks < len(rows):
					if err != nil || got != c.want[i] {
						t.Errorf("row %d: %q, %v; want %q", i, got, err, c.want[i])
					}
				case !errors.Is(err, how.fails) || err.Error() != how.text:
					t.Errorf("row %d: %v\nwant %s", i, err, how.text)
				}
			}
			if how.fails != nil {
				if n := statements(); n != 1 {
					t.Errorf("%d statements, want the first alone", n)
				}
			}
			for i, row := range slices.Concat(rows, rows) {
				i %= len(rows)
				if got, err := c.load(ctx, row); err != nil || got != c.want[i] {
					t.Errorf("row %d: %q, %v; want %q", i, got, err, c.want[i])
				}
				if got, err := c.get(row); err != nil || got != c.want[i] {
					t.Errorf("row %d, loaded: %q, %v; want %q", i, got, err, c.want[i])
				}
			}
			if n := statements(); n != 1+how.asks {
				t.Errorf("%d statements, want %d", n, 1+how.asks)
			}
		})
	}
}
