package orm_test

import (
	"errors"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/tandem-go/tandem/bridge"
	"github.com/tandem-go/tandem/orm"
)

func TestAggregates(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		posts := orm.For[Post](db)
		var views, titles, authors int64
		var mean, least float64
		var latest time.Time
		var name string
		all := []orm.Aggregation{
			orm.Sum("views", &views), orm.Avg("Rating", &mean), orm.Min("rating", &least), orm.Max("created_at", &latest),
			orm.CountOf("title", &titles), orm.CountOf("Author", &authors).Distinct(), orm.Max("Author.name", &name),
		}
		if err := posts.Aggregate(t.Context(), all...); err != nil {
			t.Fatal(err)
		}
		want := time.Date(2026, 1, 5, 10, 0, 0, 0, time.UTC)
		if views != 36 || math.Abs(mean-4) > 1e-9 || least != 3.5 || !latest.Equal(want) || titles != 5 || authors != 2 || name != "Brian" {
			t.Error(views, mean, least, latest, titles, authors, name)
		}
		if err := posts.Order("-views").Limit(2).Aggregate(t.Context(), orm.Sum("views", &views)); err != nil || views != 30 {
			t.Error("of a limited query:", views, err)
		}
		var maybe *float64
		views = 7
		for _, q := range []orm.Query[Post]{posts.Filter("views > ?", 1000), posts.Limit(0)} {
			if err := q.Aggregate(t.Context(), orm.Sum("views", &views), orm.Avg("rating", &maybe), orm.CountOf("id", &titles)); err != nil || views != 7 || maybe != nil || titles != 0 {
				t.Error("of nothing:", views, maybe, titles, err)
			}
		}
		job := bridge.NewRoot(t.Context(), bridge.Limits{})
		defer job.Close()
		if err := posts.Sync(job).Aggregate(orm.CountOf("id", &titles)); err != nil || titles != 5 {
			t.Error("sync:", titles, err)
		}
		for want, a := range map[error]orm.Aggregation{orm.ErrField: orm.Sum("nothing", &views), orm.ErrType: orm.Sum("views", views)} {
			if err := posts.Aggregate(t.Context(), a); !errors.Is(err, want) {
				t.Errorf("%v, want %v", err, want)
			}
		}
		if err := posts.Aggregate(t.Context(), orm.Max("title", &views)); !errors.Is(err, orm.ErrType) {
			t.Errorf("text into a number: %v", err)
		}
		if err := posts.Aggregate(t.Context(), orm.Max("Tags.name", &name)); !errors.Is(err, orm.ErrField) {
			t.Errorf("over a relation to many: %v", err)
		}
	})
}

func TestPages(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		posts := orm.For[Post](db).Order("-published")
		job := bridge.NewRoot(t.Context(), bridge.Limits{})
		defer job.Close()
		for _, c := range []struct {
			q                      orm.Query[Post]
			number, size           int
			ids                    []int64
			pages                  int
			count                  int64
			wantPrevious, wantNext int
		}{
			{posts, 1, 2, []int64{1, 2}, 3, 5, 0, 2},
			{posts, 2, 2, []int64{4, 3}, 3, 5, 1, 3},
			{posts, 3, 2, []int64{5}, 3, 5, 2, 0},
			{posts, 1, 5, []int64{1, 2, 4, 3, 5}, 1, 5, 0, 0},
			{posts.Filter("views > ?", 1000), 1, 5, nil, 1, 0, 0, 0},
		} {
			p, err := c.q.Page(t.Context(), c.number, c.size)
			if err != nil {
				t.Fatal(err)
			}
			twin, err := c.q.Sync(job).Page(c.number, c.size)
			if err != nil || len(twin.Rows) != len(p.Rows) {
				t.Errorf("sync: %+v, %v", twin, err)
			}
			var got []int64
			for _, row := range p.Rows {
				got = append(got, row.ID)
			}
			if len(got) != len(c.ids) || p.Pages != c.pages || p.Count != c.count || p.Previous() != c.wantPrevious || p.Next() != c.wantNext {
				t.Errorf("page %d of %d: %v, %+v", c.number, c.size, got, p)
			}
			for i := range got {
				if got[i] != c.ids[i] {
					t.Errorf("page %d of %d: %v, want %v", c.number, c.size, got, c.ids)
					break
				}
			}
			bare, err := orm.PageOf[Post](c.number, c.size, p.Count)
			if err != nil || bare.Pages != p.Pages || bare.Count != p.Count || bare.Next() != p.Next() {
				t.Errorf("page %d of %d: %+v without its rows, %v", c.number, c.size, bare, err)
			}
			n := 0
			for row, err := range bare.Of(c.q).All(t.Context()) {
				if err != nil || n == len(got) || row.ID != got[n] {
					t.Fatalf("page %d of %d: row %d is %+v, %v", c.number, c.size, n, row, err)
				}
				n++
			}
			if n != len(got) {
				t.Errorf("page %d of %d: %d rows, want %d", c.number, c.size, n, len(got))
			}
		}
		for _, number := range []int{0, -1, 4, math.MaxInt} {
			if _, err := posts.Page(t.Context(), number, 2); !errors.Is(err, orm.ErrNotFound) {
				t.Errorf("page %d: %v, want ErrNotFound", number, err)
			}
			if _, err := orm.PageOf[Post](number, 2, 5); !errors.Is(err, orm.ErrNotFound) {
				t.Errorf("page %d without its rows: %v, want ErrNotFound", number, err)
			}
		}
		if _, err := posts.Page(t.Context(), 1, 0); !errors.Is(err, orm.ErrType) {
			t.Errorf("of no rows: %v", err)
		}
		if _, err := orm.PageOf[Post](1, 0, 5); !errors.Is(err, orm.ErrType) {
			t.Errorf("of no rows: %v", err)
		}
	})
}

func TestRawQueries(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		posts := orm.For[Post](db)
		rows, err := posts.Raw(t.Context(), `SELECT title, id, author_id FROM posts WHERE title <> 'why?' /* ? */ AND views >= ? AND title LIKE ? -- ?
			ORDER BY id`, 5, "%s")
		if err != nil || len(rows) != 3 || rows[0].Title != "Engines" || rows[0].Views != 0 || rows[2].Author.PK() != int64(2) {
			t.Fatalf("%+v, %v", rows, err)
		}
		if _, err := rows[0].Author.Get(); !errors.Is(err, bridge.ErrSynchronousOnly) {
			t.Errorf("the guard: %v", err)
		}
		if _, err := posts.Raw(t.Context(), "SELECT id, 1 AS one FROM posts"); !errors.Is(err, orm.ErrField) {
			t.Errorf("a column that the model has not: %v", err)
		}
		if _, err := posts.Raw(t.Context(), "SELECT id FROM posts WHERE id = ?"); !errors.Is(err, orm.ErrType) {
			t.Errorf("an argument too few: %v", err)
		}
		if open := db.SQL().Stats().InUse; open != 0 {
			t.Errorf("%d connections in use", open)
		}
		n, err := db.Exec(t.Context(), "UPDATE posts SET title = ? WHERE author_id = ?", "what??", 1)
		if err != nil || n != 3 {
			t.Errorf("%d, %v", n, err)
		}
		job := bridge.NewRoot(t.Context(), bridge.Limits{})
		defer job.Close()
		err = orm.Atomic(job, db, func(tx *orm.Tx) error {
			if n, err := db.ExecSync(job, "DELETE FROM remarks WHERE body = ?", "so"); err != nil || n != 1 {
				t.Errorf("%d, %v", n, err)
			}
			return errOwn
		})
		if !errors.Is(err, errOwn) {
			t.Error(err)
		}
		if db.Dialect() == orm.PostgreSQL { // has an operator ?
			rows, err := orm.For[Comment](db).Raw(t.Context(), "SELECT * FROM remarks WHERE meta ?? ?", "lang")
			if err != nil || len(rows) != 1 || rows[0].Meta["lang"] != "en" {
				t.Errorf("%+v, %v", rows, err)
			}
		}
		if n, err := db.ExecSync(job, "DELETE FROM remarks WHERE body = ?", "so"); err != nil || n != 1 {
			t.Errorf("%d, %v", n, err)
		}
	})
}

func TestRawRowsOfAnyShape(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		type sum = struct {
			Name  string
			Views int64
		}
		rows, err := orm.For[sum](db).Raw(t.Context(), "SELECT a.name, sum(p.views) AS views FROM posts p JOIN authors a ON a.id = p.author_id GROUP BY a.name ORDER BY 1")
		if err != nil || len(rows) != 2 || *rows[0] != (sum{"Ada", 30}) || *rows[1] != (sum{"Brian", 5}) {
			t.Errorf("%+v, %v", rows, err)
		}
		if _, err := orm.For[sum](db).Get(t.Context(), 1); !errors.Is(err, orm.ErrField) {
			t.Errorf("without a primary key: %v", err)
		}
	})
}

func TestWhatIsNoNumberIsNotAddedUp(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		for _, field := range []string{"Title", "published", "created_at"} {
			for _, a := range []orm.Aggregation{orm.Sum(field, new(int)), orm.Avg(field, new(int))} {
				if err := orm.For[Post](db).Aggregate(t.Context(), a); !errors.Is(err, orm.ErrType) {
					t.Errorf("%s: %v", field, err)
				}
			}
		}
	})
}

func TestDistinctRowsMayBeInAnyOrder(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		q := orm.For[Post](db).Distinct().Only("title").Order("-Author.name", "-views").Filter("Author IS NOT NULL")
		if got := ids(t, q); !slices.Equal(got, []int64{4, 2, 1, 3}) {
			t.Errorf("%v", got)
		}
	})
}
