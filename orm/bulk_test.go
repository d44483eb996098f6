package orm_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/tandem-go/tandem/orm"
)

func TestBulkCreateReadsTheKeysBack(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		tags, ctx := orm.For[Tag](db), t.Context()
		var rows []*Tag
		for i := range 2500 { // in three statements
			rows = append(rows, &Tag{Name: fmt.Sprint("t", i)})
		}
		rows[7].ID = 9007 // in one of its own
		if err := tags.BulkCreate(ctx, rows); err != nil {
			t.Fatal(err)
		}
		stored, err := tags.Filter("name LIKE ?", "t%").List(ctx)
		if err != nil || len(stored) != len(rows) {
			t.Fatalf("%d rows, %v", len(stored), err)
		}
		names := map[int64]string{}
		for _, s := range stored {
			names[s.ID] = s.Name
		}
		for _, r := range rows {
			if names[r.ID] != r.Name {
				t.Fatalf("%s has the key %d, of %q", r.Name, r.ID, names[r.ID])
			}
		}
		if err := tags.BulkCreate(ctx, nil); err != nil {
			t.Error(err)
		}
	})
}

func TestBulkCreateIsAllOrNothing(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		tags, ctx := orm.For[Tag](db), t.Context()
		rows := []*Tag{{Name: "x"}, {Name: "y"}, {Name: "z"}, {Name: "go"}}
		if err := tags.BulkCreate(ctx, rows, orm.BatchSize(1)); err == nil {
			t.Fatal("no error")
		}
		for _, r := range rows {
			if r.ID != 0 {
				t.Errorf("%+v has a key, and was not created", r)
			}
		}
		if n, err := tags.Count(ctx); n != 3 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
		if err := tags.BulkCreate(ctx, rows, orm.BatchSize(3), orm.IgnoreConflicts()); err != nil {
			t.Fatal(err)
		}
		if n, err := tags.Count(ctx); n != 6 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
	})
}

func TestBulkCreateUpdatesWhatIsThere(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		withKinds(t, db)
		ctx := t.Context()
		ada, bob := "ada@example.org", "bob@example.org"
		rows := []*Author{{Name: "Bob", Email: &bob}, {Name: "Countess", Email: &ada}}
		if err := orm.For[Author](db).BulkCreate(ctx, rows, orm.UpdateConflicts([]string{"email"}, []string{"name"})); err != nil {
			t.Fatal(err)
		}
		if rows[1].ID != 1 || rows[0].ID <= 3 {
			t.Errorf("keys %d, %d", rows[0].ID, rows[1].ID)
		}
		if a, err := orm.For[Author](db).Get(ctx, 1); err != nil || a.Name != "Countess" {
			t.Errorf("%+v, %v", a, err)
		}
		guest := "Ada"
		seats := []*Seat{{Row: 1, Place: "a"}, {Row: 1, Place: "b"}}
		if err := orm.For[Seat](db).BulkCreate(ctx, seats); err != nil {
			t.Fatal(err)
		}
		seats = []*Seat{{1, "b", &guest}, {2, "b", nil}}
		if err := orm.For[Seat](db).BulkCreate(ctx, seats, orm.UpdateConflicts([]string{"row", "place"}, []string{"guest"})); err != nil {
			t.Fatal(err)
		}
		if s, err := orm.For[Seat](db).Filter("guest = ?", guest).One(ctx); err != nil || s.Place != "b" || s.Row != 1 {
			t.Errorf("%+v, %v", s, err)
		}
		lones := []*Lone{{}, {}, {ID: 70}}
		if err := orm.For[Lone](db).BulkCreate(ctx, lones); err != nil || lones[0].ID == 0 || lones[0].ID == lones[1].ID {
			t.Errorf("%v, %v", lones, err)
		}
	})
}

func TestBulkUpdate(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		withKinds(t, db)
		posts, ctx := orm.For[Post](db), t.Context()
		rows, err := posts.Order("id").List(ctx)
		if err != nil {
			t.Fatal(err)
		}
		rating := 1.5
		for i, r := range rows {
			r.Title, r.Views, r.Rating = fmt.Sprint("n", i), 100+i, &rating
			r.CreatedAt = r.CreatedAt.AddDate(1, 0, 0)
			r.Author.SetPK(int64(3))
			r.Editor.SetPK(nil)
			r.Body = "not stored"
		}
		n, err := posts.Filter("published OR Author.name = ?", "Ada").BulkUpdate(ctx, rows, "title", "views", "rating", "created_at", "Author", "editor_id")
		if n != 4 || err != nil { // the last is not of the query
			t.Fatalf("%d, %v", n, err)
		}
		got, err := posts.Order("id").List(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for i, p := range got[:4] {
			if p.Title != rows[i].Title || p.Views != 100+i || *p.Rating != 1.5 || !p.CreatedAt.Equal(rows[i].CreatedAt) || p.Author.PK() != int64(3) || p.Editor.PK() != nil || p.Body == "not stored" {
				t.Errorf("%+v", p)
			}
		}
		if got[4].Views != 1 {
			t.Errorf("%+v", got[4])
		}
		var many []*Kind
		for range 2100 {
			many = append(many, &Kind{})
		}
		kinds := orm.For[Kind](db)
		if err := kinds.BulkCreate(ctx, many); err != nil {
			t.Fatal(err)
		}
		for i, k := range many {
			k.Big, k.Doc, k.List, k.Bytes = int64(i), map[string]any{"i": float64(i)}, []mood{mood(fmt.Sprint(i))}, []byte{byte(i)}
		}
		if n, err := kinds.BulkUpdate(ctx, many, "big", "doc", "list", "bytes"); n != 2100 || err != nil {
			t.Fatalf("%d, %v", n, err)
		}
		for _, i := range []int{0, 999, 1000, 2099} {
			k, err := kinds.Get(ctx, many[i].ID)
			if err != nil {
				t.Fatal(err)
			}
			same(t, k, many[i])
		}
	})
}

func TestInBulkAndContains(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		posts, ctx := orm.For[Post](db), t.Context()
		byID, err := orm.InBulk(ctx, posts.Filter("published"), []int64{1, 3, 4, 99, 1})
		if err != nil || len(byID) != 2 || byID[1].Title != "Engines" || byID[4].Title != "Pointers" {
			t.Errorf("%v, %v", byID, err)
		}
		byText, err := orm.InBulk(ctx, posts, []string{"2", "two", "02"})
		if err != nil || len(byText) != 2 || byText["2"].Title != "Notes" || byText["02"] != byText["2"] {
			t.Errorf("%v, %v", byText, err)
		}
		if _, err := orm.InBulk(ctx, posts.Limit(1), []int64{1}); !errors.Is(err, orm.ErrType) {
			t.Errorf("%v, want ErrType", err)
		}
		for _, c := range []struct {
			q    orm.Query[Post]
			want []bool
		}{
			{posts, []bool{true, true, true, true, true}},
			{posts.Filter("published"), []bool{true, true, false, true, false}},
			{posts.Filter("Author.name = ?", "Ada"), []bool{true, true, true, false, false}},
			{posts.Order("-id").Limit(2), []bool{false, false, false, true, true}},
			{posts.Limit(0), []bool{false, false, false, false, false}},
		} {
			var got []bool
			for id := range int64(5) {
				is, err := c.q.Contains(ctx, &Post{ID: id + 1})
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, is)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("%v, want %v", got, c.want)
			}
		}
		if _, err := posts.Contains(ctx, &Post{}); !errors.Is(err, orm.ErrType) {
			t.Errorf("%v, want ErrType", err)
		}
	})
}

func TestWhatIsWrongWithABulk(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		tags, ctx := orm.For[Tag](db), t.Context()
		update := func(rows []*Tag, fields ...string) error {
			_, err := tags.BulkUpdate(ctx, rows, fields...)
			return err
		}
		one := []*Tag{{ID: 1, Name: "x"}}
		for _, c := range []struct {
			err  error
			is   error
			want string
		}{
			{tags.BulkCreate(ctx, one, orm.BatchSize(0)), orm.ErrType, "orm: bulk create Tag: wrong type: a batch of 0 rows; 1 to 100000 are possible"},
			{tags.BulkCreate(ctx, []*Tag{{}, nil}), orm.ErrType, "orm: bulk create Tag: row 1: wrong type: the row is nil"},
			{tags.BulkCreate(ctx, one, orm.IgnoreConflicts(), orm.UpdateConflicts([]string{"name"}, []string{"name"})), orm.ErrType, "orm: bulk create Tag: wrong type: conflicts are either ignored or updated"},
			{tags.BulkCreate(ctx, one, orm.UpdateConflicts(nil, []string{"name"})), orm.ErrField, "orm: bulk create Tag: no such field: UpdateConflicts names the fields that are unique, and those that are set"},
			{tags.BulkCreate(ctx, one, orm.UpdateConflicts([]string{"nothing"}, []string{"name"})), orm.ErrField, ""},
			{update(one), orm.ErrField, "orm: bulk update Tag: no such field: nothing is set"},
			{update(one, "id"), orm.ErrField, "orm: bulk update Tag: no such field: Tag.ID is of the primary key, which says which row is meant"},
			{update(one, "name", "Name"), orm.ErrField, "orm: bulk update Tag: no such field: Tag.Name is named twice"},
			{update([]*Tag{{Name: "x"}}, "name"), orm.ErrType, "orm: bulk update Tag: row 0: wrong type: the row has no primary key yet: create it first"},
			{update([]*Tag{one[0], one[0]}, "name"), orm.ErrType, "orm: bulk update Tag: wrong type: rows 0 and 1 have the same primary key"},
		} {
			if !errors.Is(c.err, c.is) || c.want != "" && c.err.Error() != c.want {
				t.Errorf("%v\nwant %s", c.err, c.want)
			}
		}
	})
}
