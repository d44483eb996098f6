package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"time"

	"github.com/uptrace/bun"

	"github.com/tandem-go/tandem/orm"
	"github.com/tandem-go/tandem/test/harness"
)

// manyRows are iterated over; the memory of it is looked at every lookEvery rows.
const (
	manyRows  = 1_000_000
	lookEvery = 10_000
)

// iterated is what a process that iterated over all rows prints: how much memory
// it had at most beyond what it had before the first row, in bytes.
type iterated struct {
	Rows      int
	Seconds   float64
	Heap, RSS int64
}

// iterate measures the memory of an iteration over a million rows, each in a
// process of its own.
func iterate(ctx context.Context, o options, r *report) error {
	r.text("All of %d posts, one by one, %d times, each in a process of its own. `All(ctx)` fetches chunks and holds no connection between them; bun's `Rows` is one cursor that holds its connection from the first row to the last. Memory is what the process has at most beyond what it has before the first row, looked at every %d rows.", manyRows, o.reps, lookEvery)
	self, err := os.Executable()
	if err != nil {
		return err
	}
	return eachDatabase(ctx, o, r, manyRows, func(d *database) error {
		ways := []struct{ kind, name string }{{"bun", "bun, `Rows`"}, {"orm", "ORM, `All(ctx)`"}}
		speed, heap, rss := make([]sample, len(ways)), make([]sample, len(ways)), make([]sample, len(ways))
		for range o.reps {
			for i, way := range ways {
				cmd := exec.CommandContext(ctx, self, rivalCommand, "iterate", d.url, way.kind)
				cmd.Env, cmd.Stderr = harness.Environ(), os.Stderr
				printed, err := cmd.Output()
				if err != nil {
					return fmt.Errorf("iterate with %s: %w", way.kind, err)
				}
				var got iterated
				if err := json.Unmarshal(printed, &got); err != nil || got.Rows != manyRows {
					return fmt.Errorf("iterate with %s: %d of %d rows, it printed %q (%v)", way.kind, got.Rows, manyRows, printed, err)
				}
				speed[i] = append(speed[i], float64(got.Rows)/got.Seconds)
				heap[i] = append(heap[i], float64(got.Heap)/(1<<20))
				rss[i] = append(rss[i], float64(got.RSS)/(1<<20))
			}
		}
		rows := [][]string{{d.name, "rows/s", "of bun's", "heap in use, MiB more", "resident, MiB more"}}
		for i, way := range ways {
			rows = append(rows, []string{way.name, speed[i].show("%.0f"), ratio(speed[i], speed[0]), heap[i].show("%.1f"), rss[i].show("%.1f")})
		}
		r.table(rows)
		return nil
	})
}

// iterateOnce is the process that iterates.
func iterateOnce(ctx context.Context, url, kind string) error {
	db, err := orm.Open(ctx, url)
	if err != nil {
		return err
	}
	defer db.Close()
	alone := bun.NewDB(db.SQL(), dialectOf(db))
	heapBefore, rssBefore, err := memory()
	if err != nil {
		return err
	}
	got := iterated{}
	look := func() error {
		heap, rss, err := memory()
		got.Heap, got.RSS = max(got.Heap, heap-heapBefore), max(got.RSS, rss-rssBefore)
		return err
	}
	start := time.Now()
	one := func(title string) error {
		if title == "" {
			return errors.New("a post without a title")
		}
		if got.Rows++; got.Rows%lookEvery == 0 {
			return look()
		}
		return nil
	}
	if kind == "bun" {
		err = bunRows(ctx, alone, one)
	} else {
		for p, problem := range orm.For[post](db).All(ctx) {
			if err = problem; err == nil {
				err = one(p.Title)
			}
			if err != nil {
				break
			}
		}
	}
	if err != nil {
		return err
	}
	got.Seconds = time.Since(start).Seconds()
	return json.NewEncoder(os.Stdout).Encode(got)
}

func bunRows(ctx context.Context, alone *bun.DB, one func(title string) error) (err error) {
	rows, err := alone.NewSelect().Model((*bunPost)(nil)).OrderExpr("post.id").Rows(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		p := new(bunPost)
		if err := alone.ScanRow(ctx, rows, p); err != nil {
			return err
		}
		if err := one(p.Title); err != nil {
			return err
		}
	}
	return rows.Err()
}

func memory() (heap, rss int64, err error) {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	rss, err = harness.RSS(os.Getpid())
	return int64(m.HeapInuse), rss, err
}
