package orm_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/uptrace/bun"

	"github.com/tandem-go/tandem/bridge"
	"github.com/tandem-go/tandem/orm"
)

// Node is in tables without constraints.
type Node struct {
	bun.BaseModel `bun:"table:nodes,alias:node" json:"-"`

	ID    int64          `bun:",pk"`
	Up    orm.Ref[Node]  `bun:"up" orm:"null"`
	Only  orm.Ref[Node]  `bun:"-" orm:"by:Up"`
	Near  orm.Refs[Node] `bun:"-" orm:"m2m:near,from:a,to:b"`
	Near2 orm.Refs[Node] `bun:"-" orm:"m2m:near,from:b,to:a"`
}

// withNodes adds the tables, with rows that refer to each other: 1 and 2 to 3,
// 4 to none that is there; 1 is near 2, twice, and near none that is there.
func withNodes(t *testing.T, db *orm.DB) orm.Query[Node] {
	t.Helper()
	for _, text := range []string{
		"CREATE TABLE nodes (id bigint PRIMARY KEY, up bigint)", "CREATE TABLE near (a bigint, b bigint)",
		"INSERT INTO nodes VALUES (1, 3), (2, 3), (3, NULL), (4, 99), (5, 4)", "INSERT INTO near VALUES (1, 2), (1, 2), (1, 99), (5, 2)",
	} {
		if _, err := db.SQL().ExecContext(t.Context(), text); err != nil {
			t.Fatal(err)
		}
	}
	return orm.For[Node](db).Order("id")
}

func TestAKeyThatNoRowHas(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		ctx := t.Context()
		nodes := withNodes(t, db)
		const want = "orm: Node.Up refers to a Node that is not there, with the key 99"
		for name, q := range map[string]orm.Query[Node]{"by itself": nodes, "joined": nodes.Related("Up"), "peers": nodes.Fetch(orm.FetchPeers)} {
			row := must(q.List(ctx))[3]
			for range 2 {
				_, err := row.Up.Load(ctx)
				var status interface{ HTTPStatus() int }
				if err == nil || err.Error() != want || !errors.Is(err, orm.ErrNotFound) || !errors.As(err, &status) || status.HTTPStatus() != http.StatusInternalServerError {
					t.Errorf("%s: %v", name, err)
				}
			}
			if _, err := row.Up.Get(); err == nil || err.Error() != want {
				t.Errorf("%s: %v", name, err)
			}
			if text := must(json.Marshal(row.Up)); string(text) != "99" || row.Up.PK() != int64(99) || row.Up.IsZero() {
				t.Errorf("%s: it became %s", name, text)
			}
			if must(row.Up.Query().Exists(ctx)) {
				t.Errorf("%s: its query finds a row", name)
			}
		}
	})
}

func TestWhatAToOneRelationCannotHold(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		ctx := t.Context()
		nodes := withNodes(t, db)
		_, err := must(nodes.Get(ctx, 3)).Only.Load(ctx)
		const want = "orm: load Node.Only: more than one row: 2 of Node refer to Node 3, by Node.Up"
		if !errors.Is(err, orm.ErrMultiple) || err.Error() != want {
			t.Errorf("%v", err)
		}
		if one := must(must(nodes.Get(ctx, 4)).Only.Load(ctx)); one.ID != 5 || one.Up.Must().ID != 4 {
			t.Errorf("%+v", one)
		}
	})
}

func TestATableBetweenMayHoldAnything(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		ctx := t.Context()
		rows := must(withNodes(t, db).Related("Near", "Near2").List(ctx))
		one, two, five := rows[0], rows[1], rows[4]
		if near := must(one.Near.All()); len(near) != 1 || near[0].ID != 2 || near[0] != must(five.Near.All())[0] {
			t.Errorf("%+v", near)
		}
		if near := must(two.Near2.All()); len(near) != 2 || near[0].ID != 1 || near[1].ID != 5 {
			t.Errorf("%+v", near)
		}
		if n := must(one.Near.Query().Count(ctx)); n != 1 {
			t.Errorf("%d", n)
		}
	})
}

func TestACopyOfARowLoadsForItself(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		ctx := t.Context()
		for _, mode := range []orm.FetchMode{orm.FetchRaise, orm.FetchPeers} {
			row := must(orm.For[Post](db).Fetch(mode).Get(ctx, 1))
			clone := *row
			if a := must(clone.Author.Load(ctx)); a == nil || a.Name != "Ada" || row.Author.Loaded() {
				t.Errorf("%+v", a)
			}
			if tags := must(clone.Tags.Load(ctx)); len(tags) != 2 || row.Tags.Loaded() {
				t.Errorf("%+v", tags)
			}
			clone.Author.SetPK(2)
			if a := must(clone.Author.Load(ctx)); a.Name != "Brian" || must(row.Author.Load(ctx)).Name != "Ada" {
				t.Errorf("%+v", a)
			}
			clone.Author.Set(nil)
			if a, err := clone.Author.Get(); a != nil || err != nil {
				t.Errorf("%+v, %v", a, err)
			}
		}
	})
}

func TestARowWithoutItsKeyColumn(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		ctx := t.Context()
		posts := orm.For[Post](db).Only("title")
		p := must(posts.Get(ctx, 1))
		_, err := p.Author.Load(ctx)
		const want = "orm: load Post.Author: the relation was not loaded: the query of its row left out Post.Author, its key"
		if !errors.Is(err, orm.ErrNotLoaded) || err.Error() != want {
			t.Errorf("%v", err)
		}
		if _, err := p.Author.Query().One(ctx); !errors.Is(err, orm.ErrNotLoaded) {
			t.Errorf("%v", err)
		}
		if tags := must(p.Tags.Load(ctx)); len(tags) != 2 {
			t.Errorf("%+v", tags)
		}
		if p := must(posts.Related("Author").Get(ctx, 1)); p.Author.Must().Name != "Ada" {
			t.Errorf("%+v", p)
		}
		p = &Post{Title: "new", Author: orm.RefKey[Author](1)}
		if err := orm.For[Post](db).Create(ctx, p); err != nil || must(p.Author.Load(ctx)).Name != "Ada" || must(p.Editor.Load(ctx)) != nil {
			t.Errorf("of a row that was created: %v", err)
		}
	})
}

func TestTheQueryOfARelation(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		ctx := t.Context()
		ada := must(orm.For[Author](db).Get(ctx, 1))
		posts := ada.Posts.Query()
		if n := must(posts.Filter("published").Count(ctx)); n != 2 {
			t.Errorf("%d posts", n)
		}
		if last := must(posts.Order("views").Related("Author").Last(ctx)); last.Title != "Notes" || last.Author.Must().Name != "Ada" {
			t.Errorf("%+v", last)
		}
		if bio := must(ada.Profile.Query().One(ctx)).Bio; bio != "Countess" || ada.Profile.Loaded() {
			t.Errorf("%s", bio)
		}
		first := must(posts.First(ctx))
		tags := first.Tags.Query().Filter("Posts.title = ? AND name <> ?", "Pointers", "go")
		if names := must(tags.List(ctx)); len(names) != 1 || names[0].Name != "c" {
			t.Errorf("%+v", names)
		}
		if a := must(first.Author.Query().Related("Profile").One(ctx)); a.Profile.Must().Bio != "Countess" {
			t.Errorf("%+v", a)
		}
		if _, err := must(orm.For[Post](db).Get(ctx, 5)).Author.Query().One(ctx); !errors.Is(err, orm.ErrNotFound) {
			t.Errorf("of NULL: %v", err)
		}
		if n := must(orm.For[Post](db).Filter("Author IN (?)", []*Author{ada, {ID: 2}}).Count(ctx)); n != 4 {
			t.Errorf("%d posts of two authors", n)
		}
		job := bridge.NewRoot(ctx, bridge.Limits{})
		defer job.Close()
		if a := must(posts.Sync(job).First()).Author; must(a.Get()).Name != "Ada" {
			t.Error("rows of its sync form do not load")
		}
		raise := must(orm.For[Author](db).Fetch(orm.FetchRaise).Sync(job).Get(1))
		if _, err := must(raise.Posts.Query().Sync(job).First()).Author.Get(); !errors.Is(err, orm.ErrNotLoaded) {
			t.Errorf("the mode is not that of its row: %v", err)
		}

		const unknown = "orm: rows of Post were not loaded, and no query has loaded the row that refers to them"
		none := new(Author).Posts.Query()
		if _, err := none.Filter("published").Count(ctx); err == nil || err.Error() != unknown {
			t.Errorf("%v", err)
		}
		if _, err := none.Sync(job).List(); err == nil || err.Error() != unknown {
			t.Errorf("%v", err)
		}
		for _, err := range none.All(ctx) {
			if err == nil || err.Error() != unknown {
				t.Errorf("%v", err)
			}
		}
		if _, err := new(Post).Author.Query().One(ctx); err == nil || !strings.HasPrefix(err.Error(), "orm: a reference to Author was not loaded") {
			t.Errorf("%v", err)
		}
	})
}

func TestMoreIsLoadedWhereTheRowWas(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		ctx := t.Context()
		authors, posts := orm.For[Author](db), orm.For[Post](db)
		// begun changes what only the transaction sees, and returns a row of it.
		begun := func(in context.Context) *Post {
			a := &Author{Name: "Dan"}
			if err := errors.Join(authors.Create(in, a), a.Posts.Create(in, &Post{Title: "Within"})); err != nil {
				t.Fatal(err)
			}
			return must(posts.Filter("title = ?", "Within").One(in))
		}
		var kept *Post
		err := orm.AtomicAsync(ctx, db, func(in context.Context, _ *orm.Tx) error {
			p := begun(in)
			for name, by := range map[string]context.Context{"the ctx of the transaction": in, "another ctx": ctx} {
				clone := *p
				if a := must(clone.Author.Load(by)); a.Name != "Dan" || must(a.Posts.Load(by))[0].ID != p.ID || must(a.Posts.Query().Count(by)) != 1 {
					t.Errorf("by %s: %+v", name, a)
				}
			}
			err := orm.AtomicAsync(in, db, func(context.Context, *orm.Tx) error {
				kept = must(posts.Get(in, p.ID))
				return kept.Tags.Add(ctx, &Tag{ID: 1})
			})
			return errors.Join(err, errRolledBack)
		})
		if err == nil || err.Error() != "rolled back" {
			t.Fatal(err)
		}
		if _, err := kept.Author.Load(ctx); !errors.Is(err, orm.ErrNotFound) {
			t.Errorf("after the transaction: %v", err)
		}

		job := bridge.NewRoot(ctx, bridge.Limits{})
		defer job.Close()
		err = orm.Atomic(job, db, func(tx *orm.Tx) error {
			a := &Author{Name: "Dan"}
			if err := authors.Sync(tx).Create(a); err != nil {
				return err
			}
			if err := a.Posts.Sync(job).Create(&Post{Title: "Within"}); err != nil {
				return err
			}
			for name, s := range map[string]bridge.Scoped{"the transaction": tx, "its scope": job} {
				p := must(posts.Filter("title = ?", "Within").Sync(s).One())
				if name := must(p.Author.Get()).Name; name != "Dan" {
					t.Error(name)
				}
				if err := p.Tags.Sync(s).Set(&Tag{ID: 1}); err != nil || len(must(p.Tags.All())) != 1 {
					t.Errorf("by %s: %v", name, err)
				}
				kept = p
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if tags, err := kept.Comments.All(); len(tags) != 0 || err != nil {
			t.Errorf("after the transaction: %v", err)
		}
	})
}

func TestManyKeysAreAskedForInParts(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		const rows = 30100
		text := fmt.Sprintf(`WITH RECURSIVE n(i) AS (SELECT 1000 UNION ALL SELECT i + 1 FROM n WHERE i < %d)
			INSERT INTO authors (id, name) SELECT i, 'many' FROM n`, 1000+rows-1)
		for _, text := range []string{text, "UPDATE posts SET author_id = 1000 + id"} {
			if _, err := db.SQL().ExecContext(t.Context(), text); err != nil {
				t.Fatal(err)
			}
		}
		ctx, statements := counting(t)
		many := must(orm.For[Author](db).Filter("name = ?", "many").Order("-id").Related("Posts.Tags").List(ctx))
		if n := statements(); n != 4 || len(many) != rows {
			t.Fatalf("%d statements, %d rows", n, len(many))
		}
		found := 0
		for _, a := range many {
			for _, p := range must(a.Posts.All()) {
				if found++; p.ID != a.ID-1000 || p.Author.Must() != a || !p.Tags.Loaded() {
					t.Errorf("post %d is with author %d", p.ID, a.ID)
				}
			}
		}
		if found != 5 {
			t.Errorf("%d posts", found)
		}
	})
}

func TestMistakesInRelations(t *testing.T) {
	type inner struct {
		Up orm.Ref[Node] `bun:"up"`
	}
	type pointed struct {
		ID int64 `bun:",pk"`
		*inner
	}
	type nullOne struct {
		ID int64         `bun:",pk"`
		Up orm.Ref[Node] `bun:"-" orm:"null"`
	}
	type nullTag struct {
		ID int64         `bun:",pk"`
		Up orm.Ref[Node] `bun:"up" orm:"nul"`
	}
	onEach(t, func(t *testing.T, db *orm.DB) {
		for _, c := range []struct {
			model func()
			want  string
		}{
			{func() { orm.For[nullOne](db) }, "no such field: null is for a key column of its own"},
			{func() { orm.For[nullTag](db) }, `no such field: orm:"nul": "nul" is none of null, by:Field, m2m:table, from:column, to:column`},
			{func() { orm.For[pointed](db) }, "no such field: field Up is in a struct that is embedded by a pointer, which a new row has not"},
		} {
			func() {
				defer func() {
					if got := fmt.Sprint(recover()); !strings.HasSuffix(got, c.want) {
						t.Errorf("%s\nwant %s", got, c.want)
					}
				}()
				c.model()
			}()
		}
	})
}

func TestARowThatWasRefreshedIsKnownToWhatItLoads(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		ctx := t.Context()
		ada := must(orm.For[Author](db).Get(ctx, 1))
		if err := orm.For[Author](db).Related("Posts", "Profile").Refresh(ctx, ada); err != nil {
			t.Fatal(err)
		}
		posts := must(ada.Posts.All())
		if !slices.ContainsFunc(posts, func(p *Post) bool { return p.Author.Must() == ada }) || ada.Profile.Must().Author.Must() != ada {
			t.Error("they have another row")
		}
	})
}
