package orm_test

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tandem-go/tandem/bridge"
	"github.com/tandem-go/tandem/orm"
)

func TestGetOrCreate(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		posts, tags, ctx := orm.For[Post](db), orm.For[Tag](db), t.Context()
		given := &Tag{Name: "go"}
		tag, created, err := tags.GetOrCreate(ctx, given, "name")
		if err != nil || created || tag.ID != 1 || given.ID != 0 {
			t.Errorf("%+v %t, %v", tag, created, err)
		}
		given.Name = "new"
		tag, created, err = tags.GetOrCreate(ctx, given, "name")
		if err != nil || !created || tag != given || tag.ID == 0 {
			t.Errorf("%+v %t, %v", tag, created, err)
		}
		p, created, err := posts.Related("Author").GetOrCreate(ctx, &Post{Title: "Draft", Author: orm.RefKey[Author](1)}, "title", "Author", "Editor")
		if err != nil || created || p.ID != 3 || p.Author.Must().Name != "Ada" { // of no editor: NULL
			t.Errorf("%+v %t, %v", p, created, err)
		}
		_, _, err = posts.GetOrCreate(ctx, &Post{Published: true}, "published")
		if !errors.Is(err, orm.ErrMultiple) {
			t.Errorf("%v, want ErrMultiple", err)
		}
		// it is there, but not of the query
		if _, created, err := tags.Filter("id > ?", 1).GetOrCreate(ctx, &Tag{Name: "go"}, "name"); created || !errors.Is(err, orm.ErrUnique) {
			t.Errorf("%t, %v", created, err)
		}
	})
}

func TestUpdateOrCreate(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		authors, ctx := orm.For[Author](db), t.Context()
		ada, bob := "ada@example.org", "bob@example.org"
		a, created, err := authors.UpdateOrCreate(ctx, &Author{Name: "Countess", Email: &ada}, []string{"email"})
		if err != nil || created || a.ID != 1 || a.Name != "Countess" || *a.Email != ada {
			t.Errorf("%+v %t, %v", a, created, err)
		}
		a, created, err = authors.UpdateOrCreate(ctx, &Author{Name: "Bob", Email: &bob}, []string{"email"}, "name")
		if err != nil || !created || a.ID <= 3 {
			t.Errorf("%+v %t, %v", a, created, err)
		}
		if got, err := authors.Get(ctx, 1); err != nil || got.Name != "Countess" {
			t.Errorf("%+v, %v", got, err)
		}
		posts := orm.For[Post](db)
		_, _, err = posts.UpdateOrCreate(ctx, &Post{Published: true, Title: "same"}, []string{"published"}, "title")
		if !errors.Is(err, orm.ErrMultiple) {
			t.Errorf("%v, want ErrMultiple", err)
		}
		if n, err := posts.Filter("title = ?", "same").Count(ctx); n != 0 || err != nil {
			t.Errorf("%d rows were changed, %v", n, err)
		}
		for _, c := range []struct {
			by, set []string
			want    string
		}{
			{nil, nil, "orm: update or create Author: no such field: no field is named that says which row is meant"},
			{[]string{"email", "name"}, nil, "orm: update or create Author: no such field: no field is left to set: GetOrCreate does that"},
			{[]string{"email"}, []string{"id"}, "orm: update or create Author: no such field: Author.ID is of the primary key, which says which row is meant"},
		} {
			if _, _, err := authors.UpdateOrCreate(ctx, &Author{Email: &bob}, c.by, c.set...); !errors.Is(err, orm.ErrField) || err.Error() != c.want {
				t.Errorf("%v\nwant %s", err, c.want)
			}
		}
	})
}

func TestUpdateOrCreateSetsNoFieldsThatWereNotLoaded(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		posts, ctx := orm.For[Post](db), t.Context()
		row := must(posts.Only("id", "title", "views").Get(ctx, 1))
		row.Views = 99
		got, created, err := posts.UpdateOrCreate(ctx, row, []string{"title"})
		if err != nil || created || got.Views != 99 || got.Body != "first" || !got.Published {
			t.Errorf("%+v, %t, %v", got, created, err)
		}
	})
}

// at once runs f in n goroutines that begin together, and returns the first error.
func atOnce(n int, f func(i int) error) error {
	var wrong error
	var once sync.Once
	var all sync.WaitGroup
	begin := make(chan struct{})
	for i := range n {
		all.Go(func() {
			<-begin
			if err := f(i); err != nil {
				once.Do(func() { wrong = err })
			}
		})
	}
	close(begin)
	all.Wait()
	return wrong
}

func TestOfManyAtOnceOneCreates(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		tags, authors, ctx := orm.For[Tag](db), orm.For[Author](db), t.Context()
		email := "new@example.org"
		for name, one := range map[string]func(i int) (id int64, created bool, err error){
			"get": func(int) (int64, bool, error) {
				tag, created, err := tags.GetOrCreate(ctx, &Tag{Name: "new"}, "name")
				if err != nil {
					return 0, false, err
				}
				return tag.ID, created, nil
			},
			"update": func(i int) (int64, bool, error) {
				a, created, err := authors.UpdateOrCreate(ctx, &Author{Email: &email, Name: string(rune('a' + i))}, []string{"email"})
				if err != nil {
					return 0, false, err
				}
				return a.ID, created, nil
			},
		} {
			t.Run(name, func(t *testing.T) {
				var creators, id atomic.Int64
				err := atOnce(8, func(i int) error {
					got, created, err := one(i)
					if created {
						creators.Add(1)
					}
					if was := id.Swap(got); err == nil && was != 0 && was != got {
						t.Errorf("keys %d and %d", was, got)
					}
					return err
				})
				if err != nil || creators.Load() != 1 {
					t.Errorf("%d have created it, %v", creators.Load(), err)
				}
			})
		}
	})
}

func TestUpdatesAtOnceAreAllDone(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		one := orm.For[Post](db).Filter("id = ?", 1)
		err := atOnce(8, func(int) error {
			for range 5 {
				if _, err := one.Update(t.Context(), orm.SetExpr("views", "views + ?", 1)); err != nil {
					return err
				}
			}
			return nil
		})
		p, wrong := one.One(t.Context())
		if err != nil || wrong != nil || p.Views != 50 {
			t.Errorf("%d views, %v, %v", p.Views, err, wrong)
		}
	})
}

func TestSyncCodeWrites(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		job := bridge.NewRoot(t.Context(), bridge.Limits{})
		defer job.Close()
		tags := orm.For[Tag](db).Sync(job)
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		tag := &Tag{Name: "a"}
		must(tags.Create(tag))
		tag.Name = "b"
		must(tags.Save(tag))
		if n, err := orm.For[Tag](db).Filter("id = ?", tag.ID).Sync(job).Update(orm.Set("name", "e")); n != 1 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
		must(tags.Refresh(tag))
		if got, err := tag.Posts.All(); tag.Name != "e" || len(got) != 0 || err != nil {
			t.Errorf("%s, %v, %v", tag.Name, got, err)
		}
		if found, created, err := tags.GetOrCreate(&Tag{Name: "e"}, "name"); err != nil || created || found.ID != tag.ID {
			t.Errorf("%+v %t, %v", found, created, err)
		}
		if found, created, err := tags.UpdateOrCreate(&Tag{ID: tag.ID, Name: "d"}, []string{"id"}); err != nil || created || found.Name != "d" {
			t.Errorf("%+v %t, %v", found, created, err)
		}
		rows := []*Tag{{Name: "x"}, {Name: "y"}}
		must(tags.BulkCreate(rows))
		rows[0].Name = "z"
		if n, err := tags.BulkUpdate(rows, "name"); n != 2 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
		byID, err := orm.InBulkSync(tags, []int64{rows[0].ID})
		if err != nil || byID[rows[0].ID].Name != "z" {
			t.Errorf("%v, %v", byID, err)
		}
		if is, err := tags.Contains(tag); err != nil || !is {
			t.Errorf("%t, %v", is, err)
		}
		must(tags.DeleteRow(tag))
		if n, err := orm.For[Tag](db).Filter("id > ?", 3).Sync(job).Delete(); n != 2 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
	})
}
