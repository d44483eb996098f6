package orm_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/tandem-go/tandem/bridge"
	"github.com/tandem-go/tandem/orm"
)

// manager changes a relation in one of the colours.
type manager[T any] interface {
	Add(rows ...*T) error
	Remove(rows ...*T) error
	Set(rows ...*T) error
	Clear() error
}

type async[T any] struct {
	ctx context.Context
	of  *orm.Refs[T]
}

func (a async[T]) Add(rows ...*T) error    { return a.of.Add(a.ctx, rows...) }
func (a async[T]) Remove(rows ...*T) error { return a.of.Remove(a.ctx, rows...) }
func (a async[T]) Set(rows ...*T) error    { return a.of.Set(a.ctx, rows...) }
func (a async[T]) Clear() error            { return a.of.Clear(a.ctx) }

// step is a change, and what the relation has then.
type step struct {
	op   string
	with []int64
	want []int64
}

// managed is a relation of the first row of a model to rows of T.
type managed[T any] struct {
	name  string
	refs  func(t *testing.T, db *orm.DB) *orm.Refs[T]
	id    func(*T) int64
	steps []step
}

func TestARelationIsChanged(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		for _, loaded := range []bool{false, true} {
			for _, sync := range []bool{false, true} {
				managed[Tag]{
					name: "over a table",
					refs: func(t *testing.T, db *orm.DB) *orm.Refs[Tag] {
						return &must(orm.For[Post](db).Get(t.Context(), 1)).Tags
					},
					id: func(t *Tag) int64 { return t.ID },
					steps: []step{
						{"add", []int64{3}, []int64{1, 2, 3}},
						{"add", []int64{3, 1, 3}, []int64{1, 2, 3}},
						{"remove", []int64{1}, []int64{2, 3}},
						{"remove", []int64{1}, []int64{2, 3}},
						{"set", []int64{1, 3}, []int64{1, 3}},
						{"set", nil, []int64{}},
						{"add", []int64{2, 2}, []int64{2}},
						{"add", nil, []int64{2}},
						{"clear", nil, []int64{}},
						{"set", []int64{1, 2}, []int64{1, 2}},
					},
				}.run(t, db, sync, loaded)
				managed[Post]{
					name: "by their keys",
					refs: func(t *testing.T, db *orm.DB) *orm.Refs[Post] {
						return &must(orm.For[Author](db).Get(t.Context(), 1)).Posts
					},
					id: func(p *Post) int64 { return p.ID },
					steps: []step{
						{"add", []int64{4, 5}, []int64{1, 2, 3, 4, 5}},
						{"remove", []int64{2}, []int64{1, 3, 4, 5}},
						{"remove", []int64{2, 5}, []int64{1, 3, 4}},
						{"set", []int64{2, 3}, []int64{2, 3}},
						{"set", nil, []int64{}},
						{"add", []int64{1, 1}, []int64{1}},
						{"clear", nil, []int64{}},
						{"set", []int64{1, 2, 3}, []int64{1, 2, 3}},
					},
				}.run(t, db, sync, loaded)
			}
		}
	})
}

func (m managed[T]) run(t *testing.T, db *orm.DB, sync, loaded bool) {
	t.Run(fmt.Sprintf("%s, sync %t, loaded %t", m.name, sync, loaded), func(t *testing.T) {
		ctx := t.Context()
		refs := m.refs(t, db)
		job := bridge.NewRoot(ctx, bridge.Limits{})
		defer job.Close()
		for i, s := range m.steps {
			rows := []*T{}
			for _, id := range s.with {
				rows = append(rows, must(orm.For[T](db).Get(ctx, id)))
			}
			if loaded {
				must(refs.Load(ctx))
			} else {
				refs = m.refs(t, db)
			}
			var by manager[T] = async[T]{ctx, refs}
			if sync {
				by = refs.Sync(job)
			}
			var err error
			switch s.op {
			case "add":
				err = by.Add(rows...)
			case "remove":
				err = by.Remove(rows...)
			case "set":
				err = by.Set(rows...)
			case "clear":
				err = by.Clear()
			}
			if err != nil {
				t.Fatalf("step %d, %+v: %v", i, s, err)
			}
			if got := m.ids(must(refs.Query().List(ctx))); !slices.Equal(got, s.want) {
				t.Errorf("step %d, %+v: the database has %v", i, s, got)
			}
			if got := m.ids(must(refs.Load(ctx))); !slices.Equal(got, s.want) {
				t.Errorf("step %d, %+v: the row has %v", i, s, got)
			}
		}
	})
}

func (m managed[T]) ids(rows []*T) []int64 {
	found := []int64{}
	for _, row := range rows {
		found = append(found, m.id(row))
	}
	slices.Sort(found)
	return found
}

func TestRowsFollowAChangeOfTheirRelation(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		ctx := t.Context()
		ada := must(orm.For[Author](db).Related("Posts").Get(ctx, 1))
		posts := must(ada.Posts.All())
		other := must(orm.For[Post](db).Get(ctx, 4))
		if err := ada.Posts.Add(ctx, other); err != nil || other.Author.Must() != ada {
			t.Errorf("added: %v", err)
		}
		if got := must(ada.Posts.All()); len(got) != 4 || got[3] != other || len(posts) != 3 {
			t.Errorf("%d posts, and %d before", len(got), len(posts))
		}
		if err := ada.Posts.Remove(ctx, &Post{ID: posts[0].ID}); err != nil || posts[0].Author.Must() != nil || posts[0].Author.PK() != nil {
			t.Errorf("removed: %v", err)
		}
		if err := ada.Posts.Clear(ctx); err != nil || other.Author.Must() != nil || posts[1].Author.Must() != nil {
			t.Errorf("cleared: %v", err)
		}
		made := &Post{Title: "Made"}
		if err := ada.Posts.Create(ctx, made); err != nil || made.ID == 0 || made.Author.Must() != ada || must(ada.Posts.All())[0] != made {
			t.Errorf("created: %v", err)
		}
		tag := &Tag{Name: "made"}
		if err := made.Tags.Create(ctx, tag); err != nil || must(tag.Posts.Load(ctx))[0].ID != made.ID {
			t.Errorf("created over a table: %v", err)
		}
		theirs := must(orm.For[Post](db).Related("Author").Filter("Author IS NULL").Order("id").List(ctx))
		if len(theirs) != 5 {
			t.Errorf("%d posts without an author", len(theirs))
		}
	})
}

func TestAChangeTakesFewStatements(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		p := must(orm.For[Post](db).Get(t.Context(), 1))
		a := must(orm.For[Author](db).Get(t.Context(), 1))
		one, two, three := &Tag{ID: 1}, &Tag{ID: 2}, &Tag{ID: 3}
		for _, c := range []struct {
			name string
			do   func(ctx context.Context) error
			want int
		}{
			{"add", func(ctx context.Context) error { return p.Tags.Add(ctx, one, two, three) }, 1},
			{"add nothing", func(ctx context.Context) error { return p.Tags.Add(ctx) }, 0},
			{"remove", func(ctx context.Context) error { return p.Tags.Remove(ctx, one, two) }, 1},
			{"set other ones", func(ctx context.Context) error { return p.Tags.Set(ctx, one) }, 3},
			{"set the same", func(ctx context.Context) error { return p.Tags.Set(ctx, one) }, 1},
			{"clear", func(ctx context.Context) error { return p.Tags.Clear(ctx) }, 1},
			{"add by key", func(ctx context.Context) error { return a.Posts.Add(ctx, &Post{ID: 4}, &Post{ID: 5}) }, 1},
			{"set by key", func(ctx context.Context) error { return a.Posts.Set(ctx, &Post{ID: 1}, &Post{ID: 2}) }, 2},
			{"clear by key", func(ctx context.Context) error { return a.Posts.Clear(ctx) }, 1},
		} {
			ctx, statements := counting(t)
			if err := c.do(ctx); err != nil || statements() != c.want {
				t.Errorf("%s: %d statements, want %d; %v", c.name, statements(), c.want, err)
			}
		}
	})
}

func TestAChangeIsWholeOrNotAtAll(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		ctx := t.Context()
		fresh := func() (*Author, *Post) {
			return must(orm.For[Author](db).Related("Posts").Get(ctx, 1)), must(orm.For[Post](db).Related("Tags", "Comments").Get(ctx, 1))
		}
		for _, c := range []struct {
			name string
			do   func(a *Author, p *Post) error
			is   error
			want string
		}{
			{
				"a row that is not there", func(a *Author, _ *Post) error { return a.Posts.Add(ctx, &Post{ID: 4}, &Post{ID: 99}) }, orm.ErrNotFound,
				"orm: add to Author.Posts: no such row: 1 of the 2 are not there",
			},
			{"a tag that is not there", func(_ *Author, p *Post) error { return p.Tags.Add(ctx, &Tag{ID: 3}, &Tag{ID: 99}) }, orm.ErrForeignKey, ""},
			{"set, with a tag that is not there", func(_ *Author, p *Post) error { return p.Tags.Set(ctx, &Tag{ID: 99}) }, orm.ErrForeignKey, ""},
			{
				"a row without a key", func(a *Author, _ *Post) error { return a.Posts.Add(ctx, &Post{ID: 4}, &Post{}) }, orm.ErrType,
				"orm: add to Author.Posts: row 1: wrong type: it has no key yet: create it first",
			},
			{
				"nil", func(_ *Author, p *Post) error { return p.Tags.Add(ctx, nil) }, orm.ErrType,
				"orm: add to Post.Tags: row 0: wrong type: it is nil",
			},
			{
				"a key that is not to be NULL", func(_ *Author, p *Post) error { return p.Comments.Remove(ctx, &Comment{ID: 1}) }, orm.ErrNotNull,
				`orm: remove from Post.Comments: a value is missing that must not be NULL: the key Comment.Post is not tagged orm:"null": add the rows to another Post, or delete them`,
			},
			{"all such keys", func(_ *Author, p *Post) error { return p.Comments.Clear(ctx) }, orm.ErrNotNull, ""},
			{"set, with such a key", func(_ *Author, p *Post) error { return p.Comments.Set(ctx, &Comment{ID: 3}, &Comment{ID: 1}) }, orm.ErrNotNull, ""},
			{
				"a row that no query has loaded", func(*Author, *Post) error { return new(Author).Posts.Clear(ctx) }, nil,
				"orm: rows of Post were not loaded, and no query has loaded the row that refers to them",
			},
			{"sync code that has ended", func(a *Author, _ *Post) error {
				job := bridge.NewRoot(ctx, bridge.Limits{})
				job.Close()
				return a.Posts.Sync(job).Clear()
			}, bridge.ErrSynchronousOnly, ""},
			{"a transaction that is rolled back", func(a *Author, p *Post) error {
				return orm.AtomicAsync(ctx, db, func(ctx context.Context, _ *orm.Tx) error {
					return errors.Join(a.Posts.Clear(ctx), p.Tags.Set(ctx, &Tag{ID: 3}), errRolledBack)
				})
			}, errRolledBack, "rolled back"},
		} {
			a, p := fresh()
			err := c.do(a, p)
			if err == nil || c.is != nil && !errors.Is(err, c.is) || c.want != "" && err.Error() != c.want {
				t.Errorf("%s: %v", c.name, err)
			}
			a, p = fresh()
			if posts, tags, comments := must(a.Posts.All()), must(p.Tags.All()), must(p.Comments.All()); len(posts) != 3 || len(tags) != 2 || len(comments) != 2 {
				t.Errorf("%s: %d posts, %d tags, %d comments", c.name, len(posts), len(tags), len(comments))
			}
		}
	})
}

var errRolledBack = errors.New("rolled back")
