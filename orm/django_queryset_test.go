package orm_test

import (
	"errors"
	"iter"
	"testing"
	"time"

	"github.com/tandem-go/tandem/orm"
)

func gathered(all iter.Seq2[*Simple, error]) (rows []*Simple, err error) {
	for row, err := range all {
		if err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	return rows, nil
}

func TestDjangoAsyncIteration(t *testing.T) {
	onDjango(t, func(d *django) {
		rows, err := gathered(d.simples.Order("id").All(d.ctx))
		d.same(rows, err, d.s1, d.s2, d.s3)
	})
}

func TestDjangoAiterator(t *testing.T) {
	onDjango(t, func(d *django) {
		rows, err := gathered(d.simples.Chunk(2).All(d.ctx))
		d.same(rows, err, d.s1, d.s2, d.s3)
	})
}

func TestDjangoAiteratorInvalidChunkSize(t *testing.T) {
	onDjango(t, func(d *django) {
		for _, n := range []int{0, -1} {
			if _, err := gathered(d.simples.Chunk(n).All(d.ctx)); !errors.Is(err, orm.ErrType) {
				t.Errorf("chunks of %d: %v", n, err)
			}
		}
	})
}

func TestDjangoAiteratorPrefetchRelated(t *testing.T) {
	onDjango(t, func(d *django) {
		want := []*Related{d.r1, d.r2, d.r3}
		n := 0
		for row, err := range d.simples.Related("Relateds").Chunk(2).All(d.ctx) {
			d.must(err)
			rows, err := row.Relateds.All() // in async code: it is loaded
			d.must(err)
			if len(rows) != 1 || rows[0].ID != want[n].ID {
				d.Errorf("%+v, want %+v", rows, want[n])
			}
			n++
		}
		if n != 3 {
			d.Errorf("%d rows", n)
		}
	})
}

func TestDjangoAcount(t *testing.T) {
	onDjango(t, func(d *django) { d.count(3) })
}

func TestDjangoAget(t *testing.T) {
	onDjango(t, func(d *django) {
		row, err := d.simples.Filter("field = ?", 1).One(d.ctx)
		d.one(row, err, d.s1)
	})
}

func TestDjangoAcreate(t *testing.T) {
	onDjango(t, func(d *django) {
		before := time.Now().Add(-2 * time.Second)
		row := &Simple{Field: 4}
		d.must(d.simples.Create(d.ctx, row))
		d.count(4)
		if row.ID == 0 || row.Created.Before(before) {
			d.Errorf("what the database has filled in is not there: %+v", row)
		}
	})
}

func TestDjangoAgetOrCreate(t *testing.T) {
	onDjango(t, func(d *django) {
		for _, want := range []bool{true, false} {
			row, created, err := d.simples.GetOrCreate(d.ctx, &Simple{Field: 4}, "field")
			d.must(err)
			if created != want || row.Field != 4 {
				d.Errorf("created %t, want %t: %+v", created, want, row)
			}
			d.count(4)
		}
	})
}

func TestDjangoAupdateOrCreate(t *testing.T) {
	onDjango(t, func(d *django) {
		row, created, err := d.simples.UpdateOrCreate(d.ctx, &Simple{ID: d.s1.ID, Field: 2}, []string{"id"}, "field")
		d.must(err)
		if created || row.ID != d.s1.ID || row.Field != 2 {
			d.Errorf("created %t, %+v", created, row)
		}
		again, err := d.simples.Get(d.ctx, d.s1.ID)
		d.one(again, err, row)
		row, created, err = d.simples.UpdateOrCreate(d.ctx, &Simple{Field: 4, Created: d.s1.Created}, []string{"field"})
		d.must(err)
		if !created || row.Field != 4 {
			d.Errorf("created %t, %+v", created, row)
		}
		d.count(4)
	})
}

func TestDjangoAbulkCreate(t *testing.T) {
	onDjango(t, func(d *django) {
		var rows []*Simple
		for i := range 10 {
			rows = append(rows, &Simple{Field: i})
		}
		d.must(d.simples.BulkCreate(d.ctx, rows))
		d.count(13)
		for _, row := range rows {
			again, err := d.simples.Get(d.ctx, row.ID)
			d.one(again, err, row)
		}
	})
}

func TestDjangoAbulkUpdate(t *testing.T) {
	onDjango(t, func(d *django) {
		rows, err := d.simples.List(d.ctx)
		d.must(err)
		for _, row := range rows {
			row.Field *= 10
		}
		n, err := d.simples.BulkUpdate(d.ctx, rows, "field")
		d.must(err)
		again, err := d.simples.Order("id").List(d.ctx)
		d.same(again, err, &Simple{ID: d.s1.ID, Field: 10}, &Simple{ID: d.s2.ID, Field: 20}, &Simple{ID: d.s3.ID, Field: 30})
		if n != 3 {
			d.Errorf("%d rows", n)
		}
	})
}

func TestDjangoAinBulk(t *testing.T) {
	onDjango(t, func(d *django) {
		all, err := orm.InBulk(d.ctx, d.simples, []int64{d.s1.ID, d.s2.ID, d.s3.ID})
		d.must(err)
		d.same([]*Simple{all[d.s1.ID], all[d.s2.ID], all[d.s3.ID]}, nil, d.s1, d.s2, d.s3)
		some, err := orm.InBulk(d.ctx, d.simples, []int64{d.s2.ID})
		d.must(err)
		if len(some) != 1 {
			d.Errorf("%d rows", len(some))
		}
		d.one(some[d.s2.ID], nil, d.s2)
	})
}

func TestDjangoAlatest(t *testing.T) {
	onDjango(t, func(d *django) {
		row, err := d.simples.Latest(d.ctx, "created")
		d.one(row, err, d.s3)
		row, err = d.simples.Latest(d.ctx, "-created")
		d.one(row, err, d.s1)
	})
}

func TestDjangoAearliest(t *testing.T) {
	onDjango(t, func(d *django) {
		row, err := d.simples.Earliest(d.ctx, "created")
		d.one(row, err, d.s1)
		row, err = d.simples.Earliest(d.ctx, "-created")
		d.one(row, err, d.s3)
	})
}

func TestDjangoAfirst(t *testing.T) {
	onDjango(t, func(d *django) {
		row, err := d.simples.First(d.ctx)
		d.one(row, err, d.s1)
		if _, err = d.simples.Filter("field = ?", 4).First(d.ctx); !errors.Is(err, orm.ErrNotFound) {
			d.Errorf("of no rows: %v", err)
		}
	})
}

func TestDjangoAlast(t *testing.T) {
	onDjango(t, func(d *django) {
		row, err := d.simples.Last(d.ctx)
		d.one(row, err, d.s3)
		if _, err = d.simples.Filter("field = ?", 4).Last(d.ctx); !errors.Is(err, orm.ErrNotFound) {
			d.Errorf("of no rows: %v", err)
		}
	})
}

func TestDjangoAaggregate(t *testing.T) {
	onDjango(t, func(d *django) {
		var total int
		d.must(d.simples.Aggregate(d.ctx, orm.Sum("field", &total)))
		if total != 6 {
			d.Errorf("total %d", total)
		}
	})
}

func TestDjangoAexists(t *testing.T) {
	onDjango(t, func(d *django) {
		for field, want := range map[int]bool{1: true, 4: false} {
			is, err := d.simples.Filter("field = ?", field).Exists(d.ctx)
			d.must(err)
			if is != want {
				d.Errorf("field %d: %t", field, is)
			}
		}
	})
}

func TestDjangoAcontains(t *testing.T) {
	onDjango(t, func(d *django) {
		for row, want := range map[*Simple]bool{d.s1: true, {ID: d.s3.ID + 1, Field: 4}: false} {
			is, err := d.simples.Contains(d.ctx, row)
			d.must(err)
			if is != want {
				d.Errorf("%+v: %t", row, is)
			}
		}
	})
}

func TestDjangoAupdate(t *testing.T) {
	onDjango(t, func(d *django) {
		n, err := d.simples.Update(d.ctx, orm.Set("field", 99))
		d.must(err)
		rows, err := d.simples.Filter("field = ?", 99).List(d.ctx)
		d.must(err)
		if n != 3 || len(rows) != 3 {
			d.Errorf("%d updated, %d there", n, len(rows))
		}
	})
}

func TestDjangoAdelete(t *testing.T) {
	onDjango(t, func(d *django) {
		n, err := d.simples.Filter("field = ?", 2).Delete(d.ctx)
		d.must(err)
		rows, err := d.simples.Order("id").List(d.ctx)
		d.same(rows, err, d.s1, d.s3)
		if n != 1 {
			d.Errorf("%d deleted", n)
		}
	})
}

func TestDjangoRaw(t *testing.T) {
	onDjango(t, func(d *django) {
		rows, err := d.simples.Raw(d.ctx, "SELECT id, field FROM simples WHERE created = ?", d.s1.Created)
		d.same(rows, err, d.s1)
	})
}
