package orm_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/tandem-go/tandem/orm"
)

// truth is SQL's: what is compared with NULL is neither true nor false.
type truth int8

const (
	no truth = iota
	unknown
	yes
)

func truthOf(is bool) truth {
	if is {
		return yes
	}
	return no
}

func (t truth) not() truth { return yes - t }

// claim is a condition, and what it is of a post by the meaning that its
// documentation gives it.
type claim struct {
	text string
	args []any
	of   func(*Post) truth
}

// reached is a field, and the values that it has of a post: one, or those of all rows
// of a relation to many. nil is NULL.
type reached struct {
	name string
	many bool
	of   func(*Post) []any
}

func pointed[T any](p *T) any {
	if p == nil {
		return nil
	}
	return *p
}

// field is one of a row that may not be there.
func field[T any](row *T, of func(*T) any) any {
	if row == nil {
		return nil
	}
	return of(row)
}

func each[T any](rows []*T, of func(*T) any) (all []any) {
	for _, row := range rows {
		all = append(all, of(row))
	}
	return all
}

func alone(of func(*Post) any) func(*Post) []any {
	return func(p *Post) []any { return []any{of(p)} }
}

func loaded[T any](r *orm.Refs[T]) []*T {
	rows, err := r.All()
	if err != nil {
		panic(err)
	}
	return rows
}

// rated is a rating, which are whole here.
func rated(p *Post) any { return field(p.Rating, func(r *float64) any { return int(*r) }) }

func words(c *Comment) any { return c.Text }

var (
	numberFields = []reached{
		{"views", false, alone(func(p *Post) any { return p.Views })},
		{"Rating", false, alone(rated)},
		{"Author.Posts.rating", true, func(p *Post) []any {
			if a := p.Author.Must(); a != nil {
				return each(loaded(&a.Posts), rated)
			}
			return nil
		}},
	}
	textFields = []reached{
		{"Title", false, alone(func(p *Post) any { return p.Title })},
		{"Author.name", false, alone(func(p *Post) any { return field(p.Author.Must(), func(a *Author) any { return a.Name }) })},
		{"Author.email", false, alone(func(p *Post) any {
			return field(p.Author.Must(), func(a *Author) any { return pointed(a.Email) })
		})},
		{"Author.Profile.bio", false, alone(func(p *Post) any {
			return field(p.Author.Must(), func(a *Author) any { return field(a.Profile.Must(), func(p *Profile) any { return p.Bio }) })
		})},
		{"Tags.name", true, func(p *Post) []any { return each(loaded(&p.Tags), func(t *Tag) any { return t.Name }) }},
		{"Comments.Text", true, func(p *Post) []any { return each(loaded(&p.Comments), words) }},
		{"Comments.Parent.Text", true, func(p *Post) []any {
			return each(loaded(&p.Comments), func(c *Comment) any { return field(c.Parent.Must(), words) })
		}},
		{"Comments.Replies.Text", true, func(p *Post) (all []any) {
			for _, c := range loaded(&p.Comments) {
				all = append(all, each(loaded(&c.Replies), words)...)
			}
			return all
		}},
	}
	someTexts = []string{"a", "b", "A", "ab"}
)

// over is a comparison of a field: over a relation to many it holds if it does for
// one of the rows, and is never unknown.
func over(f reached, rest string, args []any, of func(value any) truth) claim {
	return claim{f.name + rest, args, func(p *Post) truth {
		if !f.many {
			return of(f.of(p)[0])
		}
		return truthOf(slices.ContainsFunc(f.of(p), func(v any) bool { return of(v) == yes }))
	}}
}

// known is the truth of something about a value that is not NULL.
func known[T any](value any, of func(T) bool) truth {
	if value == nil {
		return unknown
	}
	return truthOf(of(value.(T)))
}

// among is the truth of IN: nothing is in an empty list, not even NULL.
func among[T comparable](value any, list []T) truth {
	if len(list) == 0 {
		return no
	}
	return known(value, func(v T) bool { return slices.Contains(list, v) })
}

func some[T any](r *rand.Rand, of func() T) (list []T) {
	for range r.IntN(3) {
		list = append(list, of())
	}
	return list
}

func comparison(r *rand.Rand) claim {
	number := func() int { return r.IntN(4) }
	word := func() string { return someTexts[r.IntN(len(someTexts))] }
	negated := r.IntN(2) == 0
	either := func(plain, not string) string {
		if negated {
			return not
		}
		return plain
	}
	not := either("", " NOT")
	signed := func(t truth) truth {
		if negated {
			return t.not()
		}
		return t
	}
	n, s := numberFields[r.IntN(len(numberFields))], textFields[r.IntN(len(textFields))]
	from, to, w := number(), number(), word()
	switch r.IntN(9) {
	case 0:
		return claim{"published", nil, func(p *Post) truth { return truthOf(p.Published) }}
	case 1:
		return over(s, " IS"+not+" NULL", nil, func(v any) truth { return signed(truthOf(v == nil)) })
	case 2:
		list := some(r, word)
		return over(s, not+" IN (?)", []any{list}, func(v any) truth { return signed(among(v, list)) })
	case 3:
		list := some(r, number)
		return over(n, not+" IN (?)", []any{list}, func(v any) truth { return signed(among(v, list)) })
	case 4:
		return over(n, not+" BETWEEN ? AND ?", []any{from, to}, func(v any) truth {
			return signed(known(v, func(v int) bool { return from <= v && v <= to }))
		})
	case 5:
		return over(s, not+" LIKE ?", []any{w + "%"}, func(v any) truth {
			return signed(known(v, func(v string) bool { return strings.HasPrefix(v, w) }))
		})
	case 6:
		return over(s, not+" ILIKE ?", []any{w + "_"}, func(v any) truth {
			return signed(known(v, func(v string) bool { return len(v) == len(w)+1 && strings.EqualFold(v[:len(w)], w) }))
		})
	case 7:
		return over(s, either(" = ?", " != ?"), []any{w}, func(v any) truth {
			return signed(known(v, func(v string) bool { return v == w }))
		})
	}
	return over(n, either(" < ?", " >= ?"), []any{from}, func(v any) truth {
		return signed(known(v, func(v int) bool { return v < from }))
	})
}

// condition is a random one, whose parts bind as SQL's do.
func condition(r *rand.Rand, depth int) claim {
	part := func() claim {
		switch {
		case depth > 0 && r.IntN(3) == 0:
			c := condition(r, depth-1)
			return claim{"(" + c.text + ")", c.args, c.of}
		case r.IntN(4) == 0:
			c := comparison(r)
			return claim{"NOT " + c.text, c.args, func(p *Post) truth { return c.of(p).not() }}
		}
		return comparison(r)
	}
	all := func() claim { return joined(r, " AND ", part, func(a, b truth) truth { return min(a, b) }) }
	return joined(r, " OR ", all, func(a, b truth) truth { return max(a, b) })
}

func joined(r *rand.Rand, op string, part func() claim, of func(a, b truth) truth) claim {
	c := part()
	for range r.IntN(3) {
		left, right := c, part()
		c = claim{left.text + op + right.text, slices.Concat(left.args, right.args), func(p *Post) truth { return of(left.of(p), right.of(p)) }}
	}
	return c
}

// scatter makes ratings whole, and adds rows that differ in all that the conditions ask for.
func scatter(t *testing.T, db *orm.DB, r *rand.Rand) {
	t.Helper()
	var b strings.Builder
	b.WriteString("UPDATE posts SET rating = 3 WHERE rating IS NOT NULL;")
	word := func() string { return "'" + someTexts[r.IntN(len(someTexts))] + "'" }
	orNull := func(value any) any {
		if r.IntN(3) == 0 {
			return "NULL"
		}
		return value
	}
	for i := range 6 {
		fmt.Fprintf(&b, "INSERT INTO authors (id, name, email) VALUES (%d, %s, %v);", 50+i, word(), orNull(fmt.Sprintf("'%c'", 'a'+i)))
		if r.IntN(2) == 0 {
			fmt.Fprintf(&b, "INSERT INTO profiles (id, bio, author_id) VALUES (%d, %s, %d);", 50+i, word(), 50+i)
		}
	}
	for i, name := range someTexts {
		fmt.Fprintf(&b, "INSERT INTO tags (id, name) VALUES (%d, '%s');", 50+i, name)
	}
	for i := range 20 {
		fmt.Fprintf(&b, "INSERT INTO posts (id, title, published, views, rating, created_at, author_id) VALUES (%d, %s, %t, %d, %v, '2026-01-01 10:00:00+00:00', %v);",
			50+i, word(), r.IntN(2) == 0, r.IntN(4), orNull(r.IntN(4)), orNull(50+r.IntN(6)))
		for tag := range someTexts {
			if r.IntN(3) == 0 {
				fmt.Fprintf(&b, "INSERT INTO post_tags (post_id, tag_id) VALUES (%d, %d);", 50+i, 50+tag)
			}
		}
		parent := any("NULL")
		if i > 0 {
			parent = orNull(50 + r.IntN(i))
		}
		fmt.Fprintf(&b, "INSERT INTO remarks (id, body, post_id, parent_id) VALUES (%d, %s, %d, %v);", 50+i, word(), 50+r.IntN(i+1), parent)
	}
	if _, err := db.SQL().ExecContext(context.WithoutCancel(t.Context()), b.String()); err != nil {
		t.Fatal(err)
	}
}

// The databases find for random conditions the rows that an evaluation of them in Go
// finds, by SQL's logic of three values.
func TestConditionsMeanWhatTheySay(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		r := rand.New(rand.NewPCG(1, 2))
		scatter(t, db, r)
		posts := orm.For[Post](db).Order("id")
		all, err := posts.Related("Author.Profile", "Author.Posts", "Tags", "Comments.Parent", "Comments.Replies").List(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for range 150 {
			a, b := condition(r, 2), condition(r, 1)
			is, also := orm.QOf(a.text, a.args...), orm.QOf(b.text, b.args...)
			for name, c := range map[string]struct {
				cond orm.Cond
				of   func(*Post) bool
			}{
				"the one":     {is, func(p *Post) bool { return a.of(p) == yes }},
				"not the one": {is.Not(), func(p *Post) bool { return a.of(p) != yes }},
				"the other":   {is.Not().And(also), func(p *Post) bool { return a.of(p) != yes && b.of(p) == yes }},
				"neither":     {is.Or(also).Not(), func(p *Post) bool { return max(a.of(p), b.of(p)) != yes }},
			} {
				want := []int64{}
				for _, p := range all {
					if c.of(p) {
						want = append(want, p.ID)
					}
				}
				what := fmt.Sprintf("%s of %s %v and %s %v", name, a.text, a.args, b.text, b.args)
				q := posts.Where(c.cond)
				if got := ids(t, q); !slices.Equal(got, want) {
					t.Fatalf("%s:\n%v, want\n%v", what, got, want)
				}
				if n, err := q.Update(t.Context(), orm.Set("body", "")); err != nil || n != int64(len(want)) {
					t.Fatalf("%s: %d rows are updated, %v; want %d", what, n, err, len(want))
				}
			}
		}
	})
}
