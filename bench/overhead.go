package main

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"github.com/uptrace/bun"

	"github.com/tandem-go/tandem/internal/tally"
	"github.com/tandem-go/tandem/orm"
)

// bunAuthor and bunPost are the same models as bun alone has them.
type bunAuthor struct {
	bun.BaseModel `bun:"table:authors,alias:author"`

	ID    int64 `bun:",pk,autoincrement"`
	Name  string
	Email string
}

type bunPost struct {
	bun.BaseModel `bun:"table:posts,alias:post"`

	ID        int64 `bun:",pk,autoincrement"`
	Title     string
	Body      string
	Published bool
	CreatedAt time.Time
	AuthorID  int64
	Author    *bunAuthor `bun:"rel:belongs-to,join:author_id=id"`
}

// duel is the same done by the ORM and by bun alone.
type duel struct {
	what      string
	ours, bun func(ctx context.Context) error
}

// duels are what is done, over one pool of connections. Both build their queries
// anew each time, as views do.
func duels(d *database, alone *bun.DB) []duel {
	text, now := "The one in front steers.", time.Now()
	var ourKey, bunKey int64 // keys in turn, as they are asked for
	next := func(key *int64) int64 { *key++; return 1 + *key%postRows }
	return []duel{
		{"list of 20 posts with their authors", func(ctx context.Context) error {
			list, err := orm.For[post](d.DB).Related("Author").Filter("published = ?", true).Order("id").Limit(20).List(ctx)
			if err == nil && (len(list) != 20 || list[19].Author.Must().Name == "") {
				err = fmt.Errorf("%d posts", len(list))
			}
			return err
		}, func(ctx context.Context) error {
			var list []*bunPost
			err := alone.NewSelect().Model(&list).Relation("Author").Where("published = ?", true).OrderExpr("post.id").Limit(20).Scan(ctx)
			if err == nil && (len(list) != 20 || list[19].Author.Name == "") {
				err = fmt.Errorf("%d posts", len(list))
			}
			return err
		}},
		{"one post by its key", func(ctx context.Context) error {
			_, err := orm.For[post](d.DB).Get(ctx, next(&ourKey))
			return err
		}, func(ctx context.Context) error {
			return alone.NewSelect().Model(new(bunPost)).Where("post.id = ?", next(&bunKey)).Scan(ctx)
		}},
		{"create a post", func(ctx context.Context) error {
			p := post{Title: text, Body: text, Published: true, CreatedAt: now}
			p.Author.SetPK(1)
			return orm.For[post](d.DB).Create(ctx, &p)
		}, func(ctx context.Context) error {
			p := bunPost{Title: text, Body: text, Published: true, CreatedAt: now, AuthorID: 1}
			_, err := alone.NewInsert().Model(&p).Exec(ctx)
			return err
		}},
	}
}

// overhead compares the ORM with bun, on which it stands.
func overhead(ctx context.Context, o options, r *report) error {
	r.text("The ORM and bun itself, with the same rows over the same pool, in turns of %v, %s each %d times; the ratio is the median of those of neighbouring turns. bun writes values into the text of its statements, the ORM binds them.", turn, o.each, o.reps)
	return eachDatabase(ctx, o, r, postRows, func(d *database) error {
		alone := bun.NewDB(d.SQL(), dialectOf(d.DB))
		rows := [][]string{{d.name, "ORM µs", "bun µs", "of bun", "allocations", "bun's", "of bun's", "KiB allocated", "bun's", "queries", "bun's"}}
		counted := duels(d, alone.WithQueryHook(countQueries{}))
		for i, duel := range duels(d, alone) {
			row, err := duel.fight(ctx, o)
			if err != nil {
				return fmt.Errorf("%s: %w", duel.what, err)
			}
			for _, do := range []func(context.Context) error{counted[i].ours, counted[i].bun} {
				n, err := queries(ctx, do)
				if err != nil {
					return fmt.Errorf("%s: %w", duel.what, err)
				}
				row = append(row, fmt.Sprint(n))
			}
			rows = append(rows, row)
		}
		r.table(rows)
		return nil
	})
}

// turn is how long one side does the same before it is the other's turn: whatever
// else the machine does then meets both.
const turn = 25 * time.Millisecond

// fight has both do it by turns.
func (d duel) fight(ctx context.Context, o options) ([]string, error) {
	var ours, buns, ratios sample
	for range o.reps {
		var our, its, of sample
		for n := range max(1, int(o.each/(2*turn))) {
			first, second := d.ours, d.bun
			if n%2 == 1 {
				first, second = second, first
			}
			a, err := perCall(ctx, first)
			if err != nil {
				return nil, err
			}
			b, err := perCall(ctx, second)
			if err != nil {
				return nil, err
			}
			if n%2 == 1 {
				a, b = b, a
			}
			our, its, of = append(our, a), append(its, b), append(of, a/b)
		}
		ours, buns, ratios = append(ours, our.median()), append(buns, its.median()), append(ratios, of.median())
	}
	ourCount, ourBytes, err := allocations(ctx, d.ours)
	if err != nil {
		return nil, err
	}
	bunCount, bunBytes, err := allocations(ctx, d.bun)
	if err != nil {
		return nil, err
	}
	return []string{
		d.what, ours.show("%.1f"), buns.show("%.1f"), ratios.show("%.2f"),
		fmt.Sprintf("%.0f", ourCount), fmt.Sprintf("%.0f", bunCount), fmt.Sprintf("%.2f", ourCount/bunCount),
		fmt.Sprintf("%.1f", ourBytes/1024), fmt.Sprintf("%.1f", bunBytes/1024),
	}, nil
}

// perCall is how many µs one call takes, over a turn.
func perCall(ctx context.Context, do func(context.Context) error) (float64, error) {
	start := time.Now()
	for n := 1; ; n++ {
		if err := do(ctx); err != nil {
			return 0, err
		}
		if d := time.Since(start); d >= turn {
			return float64(d) / float64(n) / float64(time.Microsecond), nil
		}
	}
}

// allocations of one call, those of the driver's goroutines included.
func allocations(ctx context.Context, do func(context.Context) error) (count, bytes float64, err error) {
	const calls = 200
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range calls {
		if err := do(ctx); err != nil {
			return 0, 0, err
		}
	}
	runtime.ReadMemStats(&after)
	return float64(after.Mallocs-before.Mallocs) / calls, float64(after.TotalAlloc-before.TotalAlloc) / calls, nil
}

// queries is how many one call makes.
func queries(ctx context.Context, do func(context.Context) error) (int, error) {
	counted := tally.New(nil, "", nil)
	err := do(counted.Context(ctx))
	n, _ := counted.Total()
	return n, err
}

// countQueries has bun's queries counted where the ORM's are.
type countQueries struct{}

func (countQueries) BeforeQuery(ctx context.Context, _ *bun.QueryEvent) context.Context { return ctx }

func (countQueries) AfterQuery(ctx context.Context, e *bun.QueryEvent) {
	tally.Of(ctx).Add(e.Query, time.Since(e.StartTime))
}
