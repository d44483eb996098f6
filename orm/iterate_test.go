package orm_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/tandem-go/tandem/bridge"
	"github.com/tandem-go/tandem/internal/tally"
	"github.com/tandem-go/tandem/orm"
)

func TestAllGivesWhatListGivesInAnyOrder(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		fill(t, db, 60)
		posts := orm.For[Post](db)
		for _, order := range [][]string{
			nil,
			{"id"},
			{"-id"},
			{"views"},
			{"-views", "title"},
			{"rating"},
			{"-rating"},
			{"rating", "-views"},
			{"Author.name"},
			{"-Author.name", "rating"},
			{"created_at"},
			{"-created_at"},
			{"published", "-rating", "id"},
			{"editor_id", "-title"},
		} {
			for _, q := range []orm.Query[Post]{posts, posts.Filter("views > ?", 3), posts.Limit(17), posts.Offset(5), posts.Limit(20).Offset(7), posts.Limit(0), posts.Only("title")} {
				q = q.Order(order...)
				total := q
				if !slices.Contains(order, "id") && !slices.Contains(order, "-id") {
					total = q.Order(append(slices.Clone(order), "id")...)
				}
				want := ids(t, total)
				for _, chunk := range []int{1, 7, 1000} {
					got := []int64{}
					for p, err := range q.Chunk(chunk).All(t.Context()) {
						if err != nil {
							t.Fatal(err)
						}
						got = append(got, p.ID)
					}
					if !slices.Equal(got, want) {
						t.Errorf("order %v, chunks of %d:\n%v, want\n%v", order, chunk, got, want)
					}
				}
			}
		}
	})
}

func TestAChunkBeginsWhereAnIndexFindsIt(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		authors := orm.For[Author](db).Chunk(2)
		for _, c := range []struct {
			order []string
			want  string // what the second chunk is asked for by
		}{
			{nil, `WHERE (("author"."id" > $1)) ORDER`},
			{[]string{"-id"}, `WHERE (("author"."id" < $1)) ORDER`},
			{[]string{"name"}, `WHERE ("author"."name" >= $1 AND ("author"."name" > $2 OR ("author"."name" = $3 AND ("author"."id" > $4)))) ORDER`},
			{[]string{"-name", "-id"}, `WHERE ("author"."name" <= $1 AND ("author"."name" < $2 OR ("author"."name" = $3 AND ("author"."id" < $4)))) ORDER`},
		} {
			asked := tally.New(nil, "", nil)
			for _, err := range authors.Order(c.order...).All(asked.Context(t.Context())) {
				if err != nil {
					t.Fatal(err)
				}
			}
			texts, _ := asked.Texts()
			if len(texts) != 2 || !strings.Contains(texts[1].Text, c.want) {
				t.Errorf("order %v: %v\nwant in the second %s", c.order, texts, c.want)
			}
		}
	})
}

// fill adds posts whose values are equal and NULL often.
func fill(t *testing.T, db *orm.DB, n int) {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	maybe := func(v string) string {
		if r.IntN(3) == 0 {
			return "NULL"
		}
		return v
	}
	for i := range n {
		text := fmt.Sprintf("INSERT INTO posts (id, title, published, views, rating, created_at, author_id, editor_id) VALUES (%d, 'title %d', %t, %d, %s, '2026-02-0%d 10:00:00+00:00', %s, %s)",
			1000+i, r.IntN(4), r.IntN(2) == 0, r.IntN(5), maybe(fmt.Sprint(r.IntN(3))), 1+r.IntN(4), maybe(fmt.Sprint(1+r.IntN(3))), maybe("'ed'"))
		if i%2 == 0 && db.Dialect() == orm.SQLite { // as CURRENT_TIMESTAMP writes it
			text = fmt.Sprintf("INSERT INTO posts (id, title, created_at) VALUES (%d, 'default', '2026-02-0%d 10:00:00')", 1000+i, 1+r.IntN(4))
		}
		if _, err := db.SQL().ExecContext(t.Context(), text); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTheLoopsBodyMayQueryWithOneConnection(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		db.SQL().SetMaxOpenConns(1)
		posts := orm.For[Post](db)
		n := 0
		for p, err := range posts.Chunk(2).All(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			if again, err := posts.Get(t.Context(), p.ID); err != nil || again.Title != p.Title {
				t.Fatalf("%+v, %v", again, err)
			}
			n++
		}
		if n != 5 {
			t.Errorf("%d rows", n)
		}
	})
}

func TestALeftLoopLeavesNothingOpen(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		posts := orm.For[Post](db).Chunk(2)
		for name, leave := range map[string]func(cancel func()) bool{
			"break":  func(func()) bool { return true },
			"panic":  func(func()) bool { panic("out") },
			"cancel": func(cancel func()) bool { cancel(); return false },
		} {
			ctx, cancel := context.WithCancel(t.Context())
			var last error
			n := 0
			func() {
				defer func() { _ = recover() }()
				for _, err := range posts.All(ctx) {
					if last = err; err == nil {
						n++
					}
					if err == nil && leave(cancel) {
						break
					}
				}
			}()
			cancel()
			if n != 1 || (name == "cancel") != errors.Is(last, context.Canceled) {
				t.Errorf("%s: %d rows, %v", name, n, last)
			}
			if open := db.SQL().Stats().InUse; open != 0 {
				t.Errorf("%s: %d connections in use", name, open)
			}
		}
	})
}

func TestAllOfSyncCode(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		job := bridge.NewRoot(t.Context(), bridge.Limits{})
		var got []int64
		var last error
		for p, err := range orm.For[Post](db).Chunk(2).Sync(job).All() {
			if last = err; err != nil {
				break
			}
			got = append(got, p.ID)
			if p.ID == 3 {
				job.Close()
			}
		}
		if !slices.Equal(got, []int64{1, 2, 3, 4}) || !errors.Is(last, bridge.ErrSynchronousOnly) {
			t.Errorf("%v, %v", got, last)
		}
	})
}

func TestIterationInsideATransactionIsOfOneMoment(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		err := orm.AtomicAsync(t.Context(), db, func(ctx context.Context, tx *orm.Tx) error {
			n := 0
			for p, err := range orm.For[Post](db).Chunk(1).All(ctx) {
				if err != nil {
					return err
				}
				if n++; n == 1 {
					if _, err := db.SQL().ExecContext(t.Context(), "INSERT INTO posts (id, title, created_at) VALUES (99, 'late', '2026-03-01 10:00:00+00:00')"); err != nil {
						return err
					}
				}
				if p.ID == 99 {
					t.Error("a row that came later")
				}
			}
			return nil
		}, orm.ReadOnly(), orm.Isolation(sql.LevelRepeatableRead))
		if err != nil {
			t.Error(err)
		}
	})
}
