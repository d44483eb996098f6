package orm_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/tandem-go/tandem/orm"
)

// managers is what Django's own tests of related managers begin with: many1 has no
// rows, many2 has alone; nothing refers to alone.
type managers struct {
	*django
	many1, many2 *ManyToMany
	alone        *Simple
}

func onManagers(t *testing.T, test func(m *managers)) {
	t.Helper()
	onDjango(t, func(d *django) {
		m := &managers{django: d, many1: &ManyToMany{}, many2: &ManyToMany{}, alone: &Simple{}}
		manies := orm.For[ManyToMany](d.db)
		d.must(errors.Join(manies.Create(d.ctx, m.many1), manies.Create(d.ctx, m.many2), d.simples.Create(d.ctx, m.alone)))
		d.must(m.many2.Simples.Set(d.ctx, m.alone))
		test(m)
	})
}

// has says that the database has these rows in a relation, and no others.
func has[T any](m *managers, refs *orm.Refs[T], id func(*T) int64, want ...*T) {
	m.Helper()
	rows, err := refs.Query().List(m.ctx)
	m.must(err)
	ids := func(rows []*T) (all []int64) {
		for _, row := range rows {
			all = append(all, id(row))
		}
		slices.Sort(all)
		return all
	}
	if got := ids(rows); !slices.Equal(got, ids(want)) {
		m.Errorf("the relation has %v, want %v", got, ids(want))
	}
}

func (m *managers) hasSimples(of *ManyToMany, want ...*Simple) {
	m.Helper()
	has(m, &of.Simples, func(s *Simple) int64 { return s.ID }, want...)
}

func (m *managers) hasRelateds(want ...*Related) {
	m.Helper()
	has(m, &m.alone.Relateds, func(r *Related) int64 { return r.ID }, want...)
}

// related is a new row that refers to to, or to none.
func (m *managers) related(to *Simple) *Related {
	m.Helper()
	r := &Related{Simple: orm.RefTo(to)}
	m.must(m.relateds.Create(m.ctx, r))
	return r
}

func TestDjangoRelatedAcreate(t *testing.T) {
	onManagers(t, func(m *managers) {
		m.must(m.many1.Simples.Create(m.ctx, &Simple{Field: 2}))
		if s, err := m.many1.Simples.Query().One(m.ctx); err != nil || s.Field != 2 {
			m.Errorf("%+v, %v", s, err)
		}
	})
}

func TestDjangoRelatedAcreateReverse(t *testing.T) {
	onManagers(t, func(m *managers) {
		m.must(m.alone.Relateds.Create(m.ctx, &Related{}))
		if r, err := m.alone.Relateds.Query().One(m.ctx); err != nil || r.Simple.PK() != m.alone.ID {
			m.Errorf("%+v, %v", r, err)
		}
	})
}

func TestDjangoRelatedAgetOrCreateReverse(t *testing.T) {
	onManagers(t, func(m *managers) {
		for i := range 2 {
			r, created, err := m.alone.Relateds.Query().GetOrCreate(m.ctx, &Related{Simple: orm.RefTo(m.alone)}, "Simple")
			m.must(err)
			if created != (i == 0) || r.Simple.PK() != m.alone.ID {
				m.Errorf("%+v, %t", r, created)
			}
			m.hasRelateds(r)
		}
	})
}

// Django's row has no field that could be updated.
func TestDjangoRelatedAupdateOrCreateReverse(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		ada := must(orm.For[Author](db).Get(t.Context(), 1))
		posts := ada.Posts.Query()
		for title, isNew := range map[string]bool{"Draft": false, "Pointers": true} { // another's has that title too
			row := &Post{Author: orm.RefTo(ada), Title: title, Views: 99}
			p, created, err := posts.UpdateOrCreate(t.Context(), row, []string{"Author", "title"}, "views")
			if err != nil || created != isNew || p.Views != 99 || p.Author.PK() != ada.ID {
				t.Errorf("%s: %+v, %t, %v", title, p, created, err)
			}
			if n := must(posts.Filter("title = ?", title).Count(t.Context())); n != 1 {
				t.Errorf("%s: %d posts", title, n)
			}
		}
	})
}

func TestDjangoRelatedAadd(t *testing.T) {
	onManagers(t, func(m *managers) {
		m.must(m.many1.Simples.Add(m.ctx, m.alone))
		m.hasSimples(m.many1, m.alone)
	})
}

func TestDjangoRelatedAaddReverse(t *testing.T) {
	onManagers(t, func(m *managers) {
		r := m.related(nil)
		m.must(m.alone.Relateds.Add(m.ctx, r))
		m.hasRelateds(r)
	})
}

func TestDjangoRelatedAremove(t *testing.T) {
	onManagers(t, func(m *managers) {
		m.hasSimples(m.many2, m.alone)
		m.must(m.many2.Simples.Remove(m.ctx, m.alone))
		m.hasSimples(m.many2)
	})
}

func TestDjangoRelatedAremoveReverse(t *testing.T) {
	onManagers(t, func(m *managers) {
		r := m.related(m.alone)
		m.hasRelateds(r)
		m.must(m.alone.Relateds.Remove(m.ctx, r))
		m.hasRelateds()
	})
}

func TestDjangoRelatedAset(t *testing.T) {
	onManagers(t, func(m *managers) {
		m.must(m.many1.Simples.Set(m.ctx, m.alone))
		m.hasSimples(m.many1, m.alone)
		m.must(m.many1.Simples.Set(m.ctx))
		m.hasSimples(m.many1)
		m.must(m.many1.Simples.Set(m.ctx, m.alone))
		m.hasSimples(m.many1, m.alone)
	})
}

func TestDjangoRelatedAsetReverse(t *testing.T) {
	onManagers(t, func(m *managers) {
		r := m.related(nil)
		m.must(m.alone.Relateds.Set(m.ctx, r))
		m.hasRelateds(r)
		m.must(m.alone.Relateds.Set(m.ctx))
		m.hasRelateds()
		m.must(m.alone.Relateds.Set(m.ctx, r))
		m.hasRelateds(r)
	})
}

func TestDjangoRelatedAclear(t *testing.T) {
	onManagers(t, func(m *managers) {
		m.hasSimples(m.many2, m.alone)
		m.must(m.many2.Simples.Clear(m.ctx))
		m.hasSimples(m.many2)
	})
}

func TestDjangoRelatedAclearReverse(t *testing.T) {
	onManagers(t, func(m *managers) {
		r := m.related(m.alone)
		m.hasRelateds(r)
		m.must(m.alone.Relateds.Clear(m.ctx))
		m.hasRelateds()
	})
}
