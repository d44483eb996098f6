package orm_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/tandem-go/tandem/bridge"
	"github.com/tandem-go/tandem/internal/tally"
	"github.com/tandem-go/tandem/orm"
)

// tree is what a path of relations leads to from a row, by keys, as text. What is
// not loaded is loaded by ctx.
func tree(ctx context.Context, row any, path string) (string, error) {
	v := reflect.ValueOf(row).Elem()
	key := fmt.Sprint(v.Field(0))
	if v.Field(0).Kind() == reflect.Struct { // bun.BaseModel
		key = fmt.Sprint(v.Field(1))
	}
	if path == "" {
		return key, nil
	}
	name, rest, _ := strings.Cut(path, ".")
	out := v.FieldByName(name).Addr().MethodByName("Load").Call([]reflect.Value{reflect.ValueOf(ctx)})
	if err, _ := out[1].Interface().(error); err != nil {
		return "", err
	}
	var below []string
	switch to := out[0]; {
	case to.Kind() == reflect.Slice:
		for i := range to.Len() {
			one, err := tree(ctx, to.Index(i).Interface(), rest)
			if err != nil {
				return "", err
			}
			below = append(below, one)
		}
	case !to.IsNil():
		one, err := tree(ctx, to.Interface(), rest)
		if err != nil {
			return "", err
		}
		below = append(below, one)
	}
	return key + "(" + strings.Join(below, " ") + ")", nil
}

func TestRelatedTakesOneStatementForEachLevel(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		posts := orm.For[Post](db).Order("id")
		for _, c := range []struct {
			paths      []string
			statements int
			want       string // of the first path, from post 1
		}{
			{[]string{"Author"}, 1, "1(1)"},
			{[]string{"Author.Profile", "Editor"}, 1, "1(1(11))"},
			{[]string{"Tags"}, 2, "1(1 2)"},
			{[]string{"Tags", "Tags"}, 2, "1(1 2)"},
			{[]string{"Tags", "Comments"}, 3, "1(1 2)"},
			{[]string{"Tags.Posts.Author"}, 3, "1(1(1(1) 2(1)) 2(1(1) 4(2)))"},
			{[]string{"Tags.Posts.Author", "Tags", "Tags.Posts"}, 3, "1(1(1(1) 2(1)) 2(1(1) 4(2)))"},
			{[]string{"Tags.Posts.Author.Profile", "Tags.Posts.Author"}, 3, "1(1(1(1(11)) 2(1(11))) 2(1(1(11)) 4(2(12))))"},
			{[]string{"Author.Posts", "Author"}, 2, "1(1(1 2 3))"},
			{[]string{"Author.Posts.Tags", "Author.Posts.Comments", "Author.Profile"}, 4, "1(1(1(1 2) 2(1) 3()))"},
			{[]string{"Author.Posts.Author.Posts"}, 3, "1(1(1(1(1 2 3)) 2(1(1 2 3)) 3(1(1 2 3))))"},
			{[]string{"Comments.Parent.Post", "Comments.Replies.Parent"}, 3, "1(1() 2(1(1)))"},
		} {
			ctx, statements := counting(t)
			rows, err := posts.Related(c.paths...).List(ctx)
			if err != nil {
				t.Fatalf("%q: %v", c.paths, err)
			}
			for _, path := range c.paths {
				for _, row := range rows {
					got, err := tree(ctx, row, path)
					if err != nil || path == c.paths[0] && row.ID == 1 && got != c.want {
						t.Errorf("%q: %s, %v; want %s", c.paths, got, err, c.want)
					}
				}
			}
			if n := statements(); n != c.statements {
				t.Errorf("%q: %d statements, want %d", c.paths, n, c.statements)
			}
		}
		ctx, statements := counting(t)
		if rows, err := posts.Filter("FALSE").Related("Tags.Posts").List(ctx); err != nil || len(rows) > 0 || statements() != 1 {
			t.Errorf("of no rows: %d statements, %v", statements(), err)
		}
	})
}

func TestRowsBehindARelationKnowTheirPlace(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		ctx, statements := counting(t)
		authors, err := orm.For[Author](db).Order("id").Related("Profile", "Posts.Tags").List(ctx)
		if err != nil {
			t.Fatal(err)
		}
		ada := authors[0]
		if ada.Profile.Must().Author.Must() != ada {
			t.Error("a profile's author is not the one that loaded it")
		}
		tags := map[int64]*Tag{}
		for _, a := range authors {
			for _, p := range must(a.Posts.All()) {
				if p.Author.Must() != a || p.Author.PK() != a.ID {
					t.Errorf("the author of post %d is not the one that loaded it", p.ID)
				}
				for _, tag := range must(p.Tags.All()) {
					if was, ok := tags[tag.ID]; ok && was != tag {
						t.Errorf("tag %d is there twice", tag.ID)
					}
					tags[tag.ID] = tag
				}
			}
		}
		if n := statements(); n != 3 || len(tags) != 2 {
			t.Errorf("%d statements, %d tags", n, len(tags))
		}
		profile, err := orm.For[Profile](db).Related("Author").Get(ctx, 11)
		if err != nil || profile.Author.Must().Profile.Must() != profile {
			t.Errorf("an author's profile is not the one that loaded it: %v", err)
		}
		_, err = tags[1].Posts.All()
		const want = `orm: Tag.Posts was not loaded, and its row came from async code: sync-only, and used from async code: add Related("Posts.Tags.Posts") to the query of Author, or call Load(ctx)`
		if err == nil || err.Error() != want {
			t.Errorf("%v\nwant %s", err, want)
		}
		_, err = must(tags[1].Posts.Load(ctx))[0].Author.Get()
		const further = `orm: Post.Author was not loaded, and its row came from async code: sync-only, and used from async code: add Related("Posts.Tags.Posts.Author") to the query of Author, or call Load(ctx)`
		if err == nil || err.Error() != further {
			t.Errorf("%v\nwant %s", err, further)
		}
	})
}

func TestTheModeOfARowIsThatOfWhatItLoads(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		for mode, want := range map[orm.FetchMode]int{orm.FetchOne: 1 + 4 + 4 + 4, orm.FetchPeers: 1 + 1 + 1 + 1} {
			ctx, statements := counting(t)
			job := bridge.NewRoot(ctx, bridge.Limits{})
			for _, p := range must(orm.For[Post](db).Filter("Author IS NOT NULL").Order("id").Fetch(mode).Sync(job).List()) {
				if bio := must(must(p.Author.Get()).Profile.Get()).Bio; bio == "" {
					t.Error("no profile")
				}
				must(p.Author.Must().Posts.All())
			}
			if n := statements(); n != want {
				t.Errorf("mode %d: %d statements, want %d", mode, n, want)
			}
			p := must(orm.For[Post](db).Fetch(orm.FetchRaise).Related("Author", "Tags").Sync(job).Get(1))
			_, err := p.Author.Must().Profile.Get()
			_, err2 := must(p.Tags.All())[0].Posts.All()
			if !errors.Is(err, orm.ErrNotLoaded) || !errors.Is(err2, orm.ErrNotLoaded) {
				t.Errorf("%v, %v", err, err2)
			}
			job.Close()
		}
	})
}

func TestAListOfKeysHasFewTexts(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		record := tally.New(nil, "", nil)
		for _, ids := range [][]int64{{1, 2, 3}, {1, 2, 3, 4}, {2, 3, 4}, {1, 2, 3, 4, 5}} {
			for _, p := range must(orm.For[Post](db).Filter("id IN (?)", ids).Related("Tags").List(record.Context(t.Context()))) {
				if want := []int{2, 1, 0, 1, 0}[p.ID-1]; len(must(p.Tags.All())) != want {
					t.Errorf("post %d has %d tags", p.ID, len(must(p.Tags.All())))
				}
			}
		}
		runs := []int{}
		texts, _ := record.Texts()
		for _, text := range texts {
			if strings.Contains(text.Text, "post_tags") {
				runs = append(runs, text.Runs)
			}
		}
		if !slices.Equal(runs, []int{3, 1}) {
			t.Errorf("texts ran %v times", runs)
		}
	})
}

// Part is a row of a model whose key is of two columns.
type Part struct {
	Whole orm.Ref[Whole] `bun:"whole_id,pk"`
	N     int            `bun:",pk"`
}

type Whole struct {
	ID    int64          `bun:",pk"`
	Parts orm.Refs[Part] `bun:"-"`
}

func TestRowsWithoutAKeyOfTheirOwnAreLoaded(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		ctx := t.Context()
		for _, text := range []string{
			"CREATE TABLE wholes (id bigint PRIMARY KEY)", "CREATE TABLE parts (whole_id bigint, n integer, PRIMARY KEY (whole_id, n))",
			"INSERT INTO wholes VALUES (1), (2)", "INSERT INTO parts VALUES (1, 2), (1, 1), (2, 7)",
		} {
			if _, err := db.SQL().ExecContext(ctx, text); err != nil {
				t.Fatal(err)
			}
		}
		w := must(orm.For[Whole](db).Related("Parts").Get(ctx, 1))
		parts := must(w.Parts.All())
		if len(parts) != 2 || parts[0].N != 1 || parts[1].Whole.Must() != w || must(w.Parts.Query().Count(ctx)) != 2 {
			t.Errorf("%+v", parts)
		}
		if err := w.Parts.Add(ctx, parts...); !errors.Is(err, orm.ErrField) {
			t.Errorf("%v", err)
		}
	})
}

// must is for what cannot fail in a test.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// paths are what the random graphs are walked by, from posts.
var paths = []string{
	"Author", "Author.Profile", "Author.Profile.Author", "Author.Posts", "Author.Posts.Tags", "Editor", "Tags", "Tags.Posts", "Tags.Posts.Author.Profile",
	"Tags.Posts.Tags", "Comments", "Comments.Parent", "Comments.Replies", "Comments.Replies.Replies.Post.Tags", "Comments.Parent.Replies",
}

func TestRelatedFindsWhatLoadingOneByOneFinds(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		for seed := range uint64(8) {
			rnd := rand.New(rand.NewPCG(seed, 0))
			if _, err := db.SQL().ExecContext(t.Context(), graph(rnd)); err != nil {
				t.Fatal(err)
			}
			for _, mode := range []orm.FetchMode{orm.FetchRaise, orm.FetchPeers} {
				some := []string{}
				for range 1 + rnd.IntN(4) {
					some = append(some, paths[rnd.IntN(len(paths))])
				}
				posts := orm.For[Post](db).Order("id").Fetch(mode)
				ctx, statements := counting(t)
				rows := must(posts.Related(some...).List(ctx))
				levels := statements()
				for i, plain := range must(posts.List(t.Context())) {
					for _, path := range some {
						want, err := tree(t.Context(), plain, path)
						got, err2 := tree(ctx, rows[i], path)
						if err = errors.Join(err, err2); err != nil || got != want {
							t.Errorf("seed %d, %q: %s, want %s: %v", seed, path, got, want, err)
						}
					}
				}
				if statements() != levels {
					t.Errorf("seed %d, %q: not all was loaded", seed, some)
				}
			}
		}
	})
}

// graph is statements that fill the tables anew, with rows that refer to each other.
func graph(rnd *rand.Rand) string {
	var b strings.Builder
	b.WriteString("DELETE FROM remarks; DELETE FROM post_tags; DELETE FROM posts; DELETE FROM profiles; DELETE FROM authors; DELETE FROM tags;\n")
	authors, posts, tags, remarks := 1+rnd.IntN(5), 1+rnd.IntN(12), 1+rnd.IntN(5), rnd.IntN(15)
	orNull := func(n int) string {
		if k := rnd.IntN(n + 1); k > 0 {
			return fmt.Sprint(k)
		}
		return "NULL"
	}
	for i := range authors {
		fmt.Fprintf(&b, "INSERT INTO authors (id, name) VALUES (%d, 'a');\n", i+1)
		if rnd.IntN(2) == 0 {
			fmt.Fprintf(&b, "INSERT INTO profiles (id, bio, author_id) VALUES (%d, 'p', %d);\n", i+50, i+1)
		}
	}
	for i := range tags {
		fmt.Fprintf(&b, "INSERT INTO tags (id, name) VALUES (%d, 'tag %d');\n", i+1, i)
	}
	for i := range posts {
		fmt.Fprintf(&b, "INSERT INTO posts (id, title, created_at, author_id) VALUES (%d, 't', '2026-01-01 00:00:00+00:00', %s);\n", i+1, orNull(authors))
		for k := range tags {
			if rnd.IntN(3) == 0 {
				fmt.Fprintf(&b, "INSERT INTO post_tags (post_id, tag_id) VALUES (%d, %d);\n", i+1, k+1)
			}
		}
	}
	for i := range remarks {
		fmt.Fprintf(&b, "INSERT INTO remarks (id, body, post_id, parent_id) VALUES (%d, 'r', %d, %s);\n", i+1, 1+rnd.IntN(posts), orNull(i))
	}
	return b.String()
}
