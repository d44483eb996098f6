package orm_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/tandem-go/tandem/bridge"
	"github.com/tandem-go/tandem/orm"
)

// ids lists the primary keys that a query of posts finds, in its order.
func ids(t *testing.T, q orm.Query[Post]) []int64 {
	t.Helper()
	rows, err := q.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	found := []int64{}
	for _, p := range rows {
		found = append(found, p.ID)
	}
	return found
}

func TestConditionsFindTheirRows(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		posts := orm.For[Post](db)
		for _, c := range []struct {
			name string
			q    orm.Query[Post]
			want []int64
		}{
			{"all", posts, []int64{1, 2, 3, 4, 5}},
			{"a boolean alone", posts.Filter("published"), []int64{1, 2, 4}},
			{"a boolean compared", posts.Filter("Published = ?", false), []int64{3, 5}},
			{"and, or, not", posts.Filter("NOT published OR views > ? AND title = ?", 5, "Notes"), []int64{2, 3, 5}},
			{"parentheses", posts.Filter("(NOT published OR views > ?) AND title = ?", 5, "Notes"), []int64{2}},
			{"between", posts.Filter("views BETWEEN ? AND ?", 5, 10), []int64{1, 4}},
			{"in", posts.Filter("id IN (?)", []int64{4, 1}), []int64{1, 4}},
			{"in nothing", posts.Filter("id IN (?)", []int{}), []int64{}},
			{"not in", posts.Filter("id NOT IN (?)", []int64{4, 1}), []int64{2, 3, 5}},
			{"null", posts.Filter("rating IS NULL"), []int64{2, 3, 5}},
			{"not null", posts.Filter("Rating IS NOT NULL"), []int64{1, 4}},
			{"excluded, and unknown", posts.Exclude("rating > ?", 4), []int64{2, 3, 4, 5}},
			{"like minds case", posts.Filter("title LIKE ?", "n%"), []int64{}},
			{"ilike does not", posts.Filter("title ILIKE ?", "n%"), []int64{2}},
			{"like, escaped", posts.Filter("title LIKE ?", `%\%`), []int64{5}},
			{"lower", posts.Filter("lower(title) = lower(?)", "NOTES"), []int64{2}},
			{"a time", posts.Filter("created_at >= ?", time.Date(2026, 1, 4, 11, 0, 0, 0, time.FixedZone("", 3600))), []int64{4, 5}},
			{"over a relation", posts.Filter("Author.name = ?", "Brian"), []int64{4}},
			{"over two", posts.Filter("Author.Profile.bio = ?", "Countess"), []int64{1, 2, 3}},
			{"by key", posts.Filter("Author = ?", 2), []int64{4}},
			{"by row", posts.Filter("author_id = ?", &Author{ID: 2}), []int64{4}},
			{"over a relation to many", posts.Filter("Tags.name = ?", "go"), []int64{1, 2}},
			{"excluded over a relation to many", posts.Exclude("Tags.name = ?", "go"), []int64{3, 4, 5}},
			{"over one, then many", posts.Filter("Author.Posts.title = ?", "Draft"), []int64{1, 2, 3}},
			{"over many, then one", posts.Filter("Comments.Parent.Text = ?", "well"), []int64{1}},
			{"two fields", posts.Filter("views > id"), []int64{1, 2, 4}},
			{"order, limit, offset", posts.Order("-views").Limit(2).Offset(1), []int64{1, 4}},
			{"offset alone", posts.Offset(3), []int64{4, 5}},
			{"order over a relation", posts.Filter("Author IS NOT NULL").Order("-Author.name", "id"), []int64{4, 1, 2, 3}},
			{"limit of none", posts.Limit(0), []int64{}},
			{"conditions as values", posts.Where(orm.Q("views = ?", 20).Or(orm.Is("Title", "Draft")).And(orm.Q("id < ?", 3))), []int64{2}},
			{"is null", posts.Where(orm.Is("editor_id", nil).Not()), []int64{1, 4}},
		} {
			t.Run(c.name, func(t *testing.T) {
				q := c.q
				if !slices.Contains([]string{"order, limit, offset", "order over a relation"}, c.name) {
					q = q.Order("id")
				}
				if got := ids(t, q); !slices.Equal(got, c.want) {
					t.Errorf("%v, want %v", got, c.want)
				}
				n, err := q.Count(t.Context())
				if err != nil || n != int64(len(c.want)) {
					t.Errorf("count %d, %v; want %d", n, err, len(c.want))
				}
				is, err := q.Exists(t.Context())
				if err != nil || is != (len(c.want) > 0) {
					t.Errorf("exists %t, %v", is, err)
				}
			})
		}
	})
}

func TestOneRow(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		posts := orm.For[Post](db)
		ctx := t.Context()
		for _, pk := range []any{4, int64(4), "4"} {
			p, err := posts.Related("Author", "Editor").Get(ctx, pk)
			if err != nil {
				t.Fatal(err)
			}
			if p.Title != "Pointers" || p.Views != 5 || *p.Rating != 3.5 || !p.CreatedAt.Equal(time.Date(2026, 1, 4, 10, 0, 0, 0, time.UTC)) {
				t.Errorf("%+v", p)
			}
			if p.Author.Must().Name != "Brian" || p.Author.PK() != int64(2) || p.Editor.Must().Name != "Edith" {
				t.Errorf("%+v", p)
			}
		}
		for _, pk := range []any{99, "99", "x", "1.5", "99999999999999999999"} {
			if _, err := posts.Get(ctx, pk); !errors.Is(err, orm.ErrNotFound) {
				t.Errorf("%v: %v, want ErrNotFound", pk, err)
			}
		}
		if _, err := posts.Filter("published").One(ctx); !errors.Is(err, orm.ErrMultiple) {
			t.Errorf("%v, want ErrMultiple", err)
		}
		nobody, err := posts.Related("Author").Get(ctx, 5)
		if err != nil {
			t.Fatal(err)
		}
		if a, err := nobody.Author.Get(); a != nil || err != nil {
			t.Errorf("%v, %v", a, err)
		}
	})
}

func TestSyncTwinAsksForSyncCode(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		job := bridge.NewRoot(t.Context(), bridge.Limits{})
		posts := orm.For[Post](db).Sync(job)
		p, err := posts.Get(1)
		if err != nil || p.Title != "Engines" {
			t.Fatalf("%+v, %v", p, err)
		}
		job.Close()
		if _, err := posts.Get(1); !errors.Is(err, bridge.ErrSynchronousOnly) {
			t.Errorf("%v, want ErrSynchronousOnly", err)
		}
	})
}

func TestARelationThatWasNotLoadedIsAnErrorInAsyncCode(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		p, err := orm.For[Post](db).Get(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		_, err = p.Author.Get()
		const want = `orm: Post.Author was not loaded, and its row came from async code: sync-only, and used from async code: add Related("Author") to the query of Post, or call Load(ctx)`
		if !errors.Is(err, bridge.ErrSynchronousOnly) || err.Error() != want {
			t.Errorf("%v", err)
		}
	})
}

func TestWhatIsWrongWithAQuery(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		posts := orm.For[Post](db)
		for _, c := range []struct {
			q    orm.Query[Post]
			is   error
			want string
		}{
			{posts.Filter("titel = ?", 1), orm.ErrField, `orm: query of Post: condition "titel = ?": no such field: Post has no field "titel"; it has ID, Title, Body, Published, Views, Rating, CreatedAt, Author, Editor`},
			{posts.Filter("Writer.name = ?", 1), orm.ErrField, `orm: query of Post: condition "Writer.name = ?": no such field: Post has no relation "Writer"; it has Author, Editor, Tags, Comments`},
			{posts.Filter("title = 'x'"), nil, `orm: query of Post: condition "title = 'x'": at "'", want a field or ?; a value is written ? and given as an argument`},
			{posts.Filter("id = 1"), nil, `orm: query of Post: condition "id = 1": at "1", want a field or ?; a value is written ? and given as an argument`},
			{posts.Filter("id = ?; DROP TABLE posts", 1), nil, `orm: query of Post: condition "id = ?; DROP TABLE posts": at ";", want AND, OR or the end`},
			{posts.Filter("id = ?"), nil, `orm: query of Post: condition "id = ?": it has more ? than arguments`},
			{posts.Filter("id = ?", 1, 2), nil, `orm: query of Post: condition "id = ?": 1 more arguments than ?`},
			{posts.Filter("id = ?", "one"), orm.ErrType, `orm: query of Post: condition "id = ?": wrong type: Post.ID is int64, got string`},
			{posts.Filter("title = ?", nil), orm.ErrType, `orm: query of Post: condition "title = ?": wrong type: NULL equals nothing; IS NULL finds it`},
			{posts.Filter("created_at > ?", "2026"), orm.ErrType, `orm: query of Post: condition "created_at > ?": wrong type: Post.CreatedAt is time.Time, got string`},
			{posts.Filter("views"), orm.ErrType, `orm: query of Post: condition "views": wrong type: Post.Views is an integer, which is no condition by itself`},
			{posts.Filter("published AND lower(title)"), orm.ErrType, `orm: query of Post: condition "published AND lower(title)": wrong type: lower() is text, which is no condition by itself`},
			{posts.Order("-nothing"), orm.ErrField, ""},
			{posts.Order("Tags.name"), orm.ErrField, `orm: query of Post: order: no such field: Post.Tags is to many rows, which have no order as one`},
			{posts.Related("Author.Nothing"), orm.ErrField, ""},
			{posts.Only("nothing"), orm.ErrField, ""},
			{posts.Limit(-1), orm.ErrType, `orm: query of Post: wrong type: limit -1 is negative`},
		} {
			err := c.q.Err()
			if err == nil || c.is != nil && !errors.Is(err, c.is) || c.want != "" && err.Error() != c.want {
				t.Errorf("%v\nwant %s", err, c.want)
			}
			if _, got := c.q.List(t.Context()); got != err {
				t.Errorf("List returns %v", got)
			}
		}
	})
}
