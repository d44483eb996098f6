package orm_test

import (
	"errors"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/tandem-go/tandem/orm"
)

func TestSaveUpdatesTheRowOrInsertsIt(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		posts, editors, ctx := orm.For[Post](db), orm.For[Editor](db), t.Context()
		p := &Post{Title: "New", CreatedAt: time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC), Author: orm.RefKey[Author](2)}
		if err := posts.Save(ctx, p); err != nil || p.ID <= 5 {
			t.Fatalf("%d, %v", p.ID, err)
		}
		p.Title, p.Views = "Newer", 3
		p.Author.SetPK(nil)
		if err := posts.Save(ctx, p); err != nil {
			t.Fatal(err)
		}
		got, err := posts.Get(ctx, p.ID)
		if err != nil || got.Title != "Newer" || got.Views != 3 || got.Author.PK() != nil {
			t.Errorf("%+v, %v", got, err)
		}
		for _, name := range []string{"Nobody", "Somebody"} { // a key that is text: inserted, then updated
			if err := editors.Save(ctx, &Editor{"nb", name}); err != nil {
				t.Fatal(err)
			}
		}
		if e, err := editors.Get(ctx, "nb"); err != nil || e.Name != "Somebody" {
			t.Errorf("%+v, %v", e, err)
		}
		p.Title, p.Views = "Newest", 99
		if err := posts.Filter("published").Save(ctx, p, "title"); err != nil {
			t.Fatal(err)
		}
		if got, err = posts.Get(ctx, p.ID); err != nil || got.Title != "Newest" || got.Views != 3 {
			t.Errorf("%+v, %v", got, err)
		}
		if err := posts.DeleteRow(ctx, p); err != nil {
			t.Fatal(err)
		}
		for name, err := range map[string]error{
			"save of fields": posts.Save(ctx, p, "title"),
			"delete":         posts.DeleteRow(ctx, p),
			"refresh":        posts.Refresh(ctx, p),
		} {
			if !errors.Is(err, orm.ErrNotFound) {
				t.Errorf("%s of a row that is gone: %v, want ErrNotFound", name, err)
			}
		}
		if err := posts.Save(ctx, p); err != nil {
			t.Errorf("a row that is gone is not inserted again: %v", err)
		}
	})
}

func TestSaveKeepsWhatWasNotLoaded(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		posts, ctx := orm.For[Post](db), t.Context()
		p, err := posts.Only("title").Get(ctx, 1)
		if err != nil {
			t.Fatal(err)
		}
		p.Title = "Engines, II"
		runtime.GC() // the row is still here, so what is known of it is
		if err := posts.Save(ctx, p); err != nil {
			t.Fatal(err)
		}
		check := func(views int, body string) {
			t.Helper()
			got, err := posts.Get(ctx, 1)
			if err != nil || got.Title != "Engines, II" || got.Views != views || got.Body != body || got.Author.PK() != int64(1) {
				t.Errorf("%+v, %v", got, err)
			}
		}
		check(10, "first")
		if err := posts.Refresh(ctx, p, "views"); err != nil || p.Views != 10 || p.Body != "" {
			t.Fatalf("%+v, %v", p, err)
		}
		p.Views++
		if err := posts.Save(ctx, p); err != nil {
			t.Fatal(err)
		}
		check(11, "first")
		if err := posts.Refresh(ctx, p); err != nil || p.Body != "first" {
			t.Fatalf("%+v, %v", p, err)
		}
		p.Body = "changed"
		if err := posts.Save(ctx, p); err != nil {
			t.Fatal(err)
		}
		check(11, "changed")
		deferred, err := posts.Defer("body").Filter("id = ?", 1).List(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if err := posts.Save(ctx, deferred[0]); err != nil {
			t.Fatal(err)
		}
		check(11, "changed")
		if err := posts.DeleteRow(ctx, deferred[0]); err != nil {
			t.Fatal(err)
		}
		if err := posts.Save(ctx, deferred[0]); !errors.Is(err, orm.ErrNotFound) {
			t.Errorf("%v, want ErrNotFound: half a row must not be inserted", err)
		}
	})
}

func TestWhatIsKnownOfPartsOfRowsGoesWithTheRows(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "test.db"))
	rows, err := orm.For[Post](db).Only("title").List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if n := orm.KnownParts(); n < len(rows) {
		t.Errorf("%d rows known, want %d", n, len(rows))
	}
	runtime.KeepAlive(rows)
	for orm.KnownParts() > 0 { // the test's own time limit ends it
		runtime.GC()
	}
}

func TestSkipupdateIsForCreationAlone(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		withKinds(t, db)
		kinds, ctx := orm.For[Kind](db), t.Context()
		k := &Kind{}
		if err := kinds.Create(ctx, k); err != nil {
			t.Fatal(err)
		}
		made := k.Made
		k.Made, k.Mood = made.Add(time.Hour), "bad"
		if err := kinds.Save(ctx, k); err != nil {
			t.Fatal(err)
		}
		if err := kinds.Refresh(ctx, k); err != nil || !k.Made.Equal(made) || k.Mood != "bad" {
			t.Errorf("%+v, %v", k, err)
		}
		k.Made = made.Add(time.Hour)
		if err := kinds.Save(ctx, k, "made"); err != nil {
			t.Fatal(err)
		}
		if err := kinds.Refresh(ctx, k); err != nil || !k.Made.Equal(made.Add(time.Hour)) {
			t.Errorf("%+v, %v", k, err)
		}
	})
}

func TestRefreshForgetsRelations(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		posts, ctx := orm.For[Post](db), t.Context()
		p, err := posts.Related("Author").Get(ctx, 1)
		if err != nil {
			t.Fatal(err)
		}
		was := p.Author.Must()
		if err := posts.Refresh(ctx, p, "title"); err != nil || !p.Author.Loaded() {
			t.Errorf("refreshing another field: loaded %t, %v", p.Author.Loaded(), err)
		}
		if err := posts.Refresh(ctx, p); err != nil || p.Author.Loaded() || p.Author.PK() != int64(1) {
			t.Errorf("loaded %t, %v", p.Author.Loaded(), err)
		}
		if err := posts.Related("Author").Refresh(ctx, p); err != nil || !p.Author.Loaded() || p.Author.Must() == was {
			t.Errorf("loaded %t, %v", p.Author.Loaded(), err)
		}
	})
}
