package orm_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/tandem-go/tandem/orm"
)

func TestUpdateIsOneStatement(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		posts := orm.For[Post](db)
		for _, c := range []struct {
			name string
			q    orm.Query[Post]
			set  []orm.Assignment
			n    int64
			text string
			args string
		}{
			{
				"all", posts,
				[]orm.Assignment{orm.Set("views", 3)},
				5,
				`UPDATE "posts" AS "post" SET "views" = $1`, "[3]",
			},
			{
				"a condition", posts.Filter("published AND id < ?", 3).Order("-title"),
				[]orm.Assignment{orm.Set("Title", "x"), orm.SetExpr("views", "views + ?", 1)},
				2,
				`UPDATE "posts" AS "post" SET "title" = $1, "views" = ("post"."views" + $2) WHERE ("post"."published" AND "post"."id" < $3)`, "[x 1 3]",
			},
			{
				"a row", posts.Filter("id = ?", 1),
				[]orm.Assignment{orm.Set("Author", &Author{ID: 2}), orm.Set("editor_id", nil)},
				1,
				`UPDATE "posts" AS "post" SET "author_id" = $1, "editor_id" = $2 WHERE "post"."id" = $3`, "[2 <nil> 1]",
			},
			{
				"over a relation", posts.Filter("Author.name = ?", "Ada"),
				[]orm.Assignment{orm.Set("body", "")},
				2,
				`UPDATE "posts" AS "post" SET "body" = $1 WHERE "post"."id" IN (SELECT "post"."id" FROM "posts" AS "post" LEFT JOIN "authors" AS "rel_Author" ON "rel_Author"."id" = "post"."author_id" WHERE ("rel_Author"."name" = $2))`, "[ Ada]",
			},
			{
				"over a relation to many", posts.Filter("Tags.name = ?", "go"), []orm.Assignment{orm.Set("body", "")}, 2, "", "",
			},
			{
				"the last two", posts.Order("-id").Limit(2).Distinct(),
				[]orm.Assignment{orm.Set("published", false)},
				2,
				`UPDATE "posts" AS "post" SET "published" = $1 WHERE "post"."id" IN (SELECT "post"."id" FROM "posts" AS "post" ORDER BY "post"."id" DESC LIMIT 2)`, "[false]",
			},
			{"all but three", posts.Order("id").Offset(3), []orm.Assignment{orm.Set("published", true)}, 2, "", ""},
			{"none", posts.Limit(0), []orm.Assignment{orm.Set("published", true)}, 0, "", ""},
		} {
			t.Run(c.name, func(t *testing.T) {
				if text, args, err := orm.UpdateText(c.q, c.set...); c.text != "" && (err != nil || text != c.text || fmt.Sprint(args) != c.args) {
					t.Errorf("%s %v, %v", text, args, err)
				}
				if n, err := c.q.Update(t.Context(), c.set...); n != c.n || err != nil {
					t.Errorf("%d rows, %v; want %d", n, err, c.n)
				}
			})
		}
		for _, c := range []struct {
			q    orm.Query[Post]
			want []int64
		}{
			{posts.Filter("published"), []int64{1, 2, 4, 5}},
			{posts.Filter("title = ?", "x"), []int64{1, 2}},
			{posts.Filter("views = ?", 4), []int64{1, 2}},
			{posts.Filter("body = ?", ""), []int64{1, 2, 3}},
			{posts.Filter("Author.name = ?", "Brian"), []int64{1, 4}},
		} {
			if got := ids(t, c.q.Order("id")); !slices.Equal(got, c.want) {
				t.Errorf("%v, want %v", got, c.want)
			}
		}
	})
}

func TestExpressionsAreComputedByTheDatabase(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		posts := orm.For[Post](db)
		was, err := posts.Get(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			set  orm.Assignment
			want string
		}{
			{orm.SetExpr("views", "views * ? - ?", 2, 5), "Engines first 15 4.5"},
			{orm.SetExpr("views", "? - (views - ?)", 20, 5), "Engines first 15 4.5"},
			{orm.SetExpr("views", "views + views * ?", 2), "Engines first 30 4.5"},
			{orm.SetExpr("views", "(views + id) / ?", 2), "Engines first 5 4.5"},
			{orm.SetExpr("views", "?", 1), "Engines first 1 4.5"},
			{orm.SetExpr("rating", "coalesce(rating, ?) * ?", 1, 2.5), "Engines first 10 11.25"},
			{orm.SetExpr("title", "upper(coalesce(body, title))"), "FIRST first 10 4.5"},
			{orm.SetExpr("title", "lower(?)", "ABC"), "abc first 10 4.5"},
			{orm.SetExpr("rating", "views / ? + rating", 4.0), "Engines first 10 7"},
		} {
			one := posts.Filter("id = ?", 1)
			if n, err := one.Update(t.Context(), c.set); n != 1 || err != nil {
				t.Errorf("%d, %v", n, err)
			}
			p, err := one.One(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if got := fmt.Sprint(p.Title, " ", p.Body, " ", p.Views, " ", *p.Rating); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
			if err := posts.Save(t.Context(), was); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestWhatIsWrongWithAnUpdate(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		posts := orm.For[Post](db)
		for _, c := range []struct {
			q    orm.Query[Post]
			set  []orm.Assignment
			is   error
			want string
		}{
			{posts, nil, orm.ErrField, "orm: update Post: no such field: nothing is set"},
			{posts, []orm.Assignment{orm.Set("nothing", 1)}, orm.ErrField, ""},
			{posts, []orm.Assignment{orm.Set("Tags", 1)}, orm.ErrField, "orm: update Post: no such field: Post.Tags is a relation without a column of its own"},
			{posts, []orm.Assignment{orm.Set("Views", 1), orm.SetExpr("views", "views")}, orm.ErrField, "orm: update Post: no such field: Post.Views is set twice"},
			{posts, []orm.Assignment{orm.Set("views", "many")}, orm.ErrType, "orm: update Post: wrong type: Post.Views is int, got string"},
			{posts, []orm.Assignment{orm.Set("Author", &Tag{ID: 1})}, orm.ErrType, ""},
			{posts, []orm.Assignment{orm.SetExpr("views", "views + 1")}, nil, `orm: update Post: expression "views + 1": at "1", want a field or ?; a value is written ? and given as an argument`},
			{posts, []orm.Assignment{orm.SetExpr("views", "views + ?")}, nil, `orm: update Post: expression "views + ?": it has more ? than arguments`},
			{posts, []orm.Assignment{orm.SetExpr("views", "views + ?", 1.5)}, orm.ErrType, `orm: update Post: expression "views + ?": wrong type: Post.Views is int, got float64`},
			{posts, []orm.Assignment{orm.SetExpr("views", "views + ?", 1, 2)}, nil, ""},
			{posts, []orm.Assignment{orm.SetExpr("views", "title")}, orm.ErrType, `orm: update Post: expression "title": wrong type: Post.Views is an integer, Post.Title text`},
			{posts, []orm.Assignment{orm.SetExpr("title", "title + ?", "x")}, orm.ErrType, `orm: update Post: expression "title + ?": wrong type: Post.Title is text, and + is for numbers`},
			{posts, []orm.Assignment{orm.SetExpr("views", "lower(views)")}, orm.ErrType, ""},
			{posts, []orm.Assignment{orm.SetExpr("views", "rating")}, orm.ErrType, `orm: update Post: expression "rating": wrong type: Post.Views is an integer, Post.Rating a number`},
			{posts, []orm.Assignment{orm.SetExpr("views", "coalesce(views, TRUE)")}, orm.ErrType, `orm: update Post: expression "coalesce(views, TRUE)": wrong type: Post.Views is an integer, not TRUE`},
			{posts, []orm.Assignment{orm.SetExpr("views", "coalesce(views)")}, nil, `orm: update Post: expression "coalesce(views)": at ")", want , and what is taken where that is NULL`},
			{posts, []orm.Assignment{orm.SetExpr("views", "Author.id")}, orm.ErrField, `orm: update Post: expression "Author.id": no such field: Author.ID is of another row, and an expression has the row's own fields`},
			{posts, []orm.Assignment{orm.SetExpr("views", "views + ? * ?", 2, 3)}, orm.ErrType, `orm: update Post: expression "views + ? * ?": wrong type: * of arguments alone: what they make is to be the argument`},
			{posts, []orm.Assignment{orm.SetExpr("rating", "coalesce(NULL, ?)", 1.5)}, orm.ErrType, ""},
			{posts, []orm.Assignment{orm.SetExpr("views", "(views")}, nil, `orm: update Post: expression "(views": at its end, want )`},
			{posts, []orm.Assignment{orm.SetExpr("views", "views; DROP TABLE posts")}, nil, `orm: update Post: expression "views; DROP TABLE posts": at ";", want + - * / or the end`},
			{posts.Order("nothing"), []orm.Assignment{orm.Set("views", 1)}, orm.ErrField, ""},
		} {
			n, err := c.q.Update(t.Context(), c.set...)
			if err == nil || n != 0 || c.is != nil && !errors.Is(err, c.is) || c.want != "" && err.Error() != c.want {
				t.Errorf("%d, %v\nwant %s", n, err, c.want)
			}
		}
		if n, err := posts.Filter("views IN (?)", []int{10, 20, 0, 5, 1}).Count(t.Context()); n != 5 || err != nil {
			t.Errorf("%d rows as they were, %v", n, err)
		}
	})
}

func TestDeleteOfAQuery(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		posts := orm.For[Post](db)
		for _, c := range []struct {
			q    orm.Query[Post]
			n    int64
			left []int64
		}{
			{posts.Limit(0), 0, []int64{1, 2, 3, 4, 5}},
			{posts.Filter("Author.name = ?", "Brian"), 1, []int64{1, 2, 3, 5}},
			{posts.Filter("Tags.name = ?", "c"), 1, []int64{2, 3, 5}},
			{posts.Order("-id").Limit(1), 1, []int64{2, 3}},
			{posts.Filter("id = ?", 3), 1, []int64{2}},
			{posts, 1, []int64{}},
			{posts, 0, []int64{}},
		} {
			if n, err := c.q.Delete(t.Context()); n != c.n || err != nil {
				t.Errorf("%d, %v; want %d", n, err, c.n)
			}
			if left := ids(t, posts.Order("id")); !slices.Equal(left, c.left) {
				t.Errorf("%v are left, want %v", left, c.left)
			}
		}
		if n, err := orm.For[Tag](db).Count(t.Context()); n != 3 || err != nil {
			t.Errorf("%d tags, %v", n, err)
		}
	})
}
