package orm

import (
	"context"
	"fmt"
	"reflect"
	"slices"

	"github.com/uptrace/bun"
)

// loading is a relation that is loaded for rows that are there: by one statement,
// whatever their number, up to maxList of them.
type loading struct {
	over relatedPath // relations to one, from the rows of a statement to its owners
	rel  *relation
	rest []relatedPath // what is loaded with it, from its own rows
}

// owner is a row whose relation is loaded.
type owner struct {
	row   any        // a pointer to it
	field relational // the relation
	key   any        // that it knows its rows by, as maps have it; nil: it has none
}

// found is what the statements of a loading have found.
type found struct {
	rows []any         // each once
	of   map[any][]any // by the key that owners know theirs by
}

// load loads a relation of a row, or of all its peers. field is that of the row, or
// of a copy of it.
func (o *origin) load(ctx context.Context, rel *relation, row any, field relational) error {
	owners := []owner{{row: row, field: field}}
	if o.mode == FetchPeers && field == rel.in(row) {
		owners = owners[:0]
		for _, peer := range o.peers {
			if f := rel.in(peer); !f.isLoaded() {
				owners = append(owners, owner{row: peer, field: f})
			}
		}
	}
	one := &loading{rel: rel}
	if err := one.load(o.rowByRow(ctx, rel), o.session(ctx), owners, o); err != nil {
		return fmt.Errorf("orm: load %s: %w", rel, err)
	}
	return nil
}

// session is where more is asked for the rows: in the transaction that ctx carries,
// else in the one that they are in; else on the database.
func (o *origin) session(ctx context.Context) session {
	if tx := txOf(ctx, o.db); tx != nil {
		return tx
	}
	if tx := o.lives(); tx != nil {
		return tx
	}
	return o.db
}

// lives is the innermost part of the transaction that has loaded the rows, or that
// their scope is in, if it has not ended.
func (o *origin) lives() *Tx {
	txs := []*Tx{o.tx}
	if o.scope != nil {
		txs = append(txs, o.db.txOfScope(o.scope))
	}
	for _, tx := range txs {
		if tx == nil {
			continue
		}
		if inner := tx.at.inner.Load(); !inner.ended.Load() {
			return inner
		}
	}
	return nil
}

// after loads what the plan leaves for when its rows are there.
func (pl *plan) after(ctx context.Context, on session, rows []any, from *origin) error {
	for _, one := range pl.later {
		at, above := rows, from
		for _, r := range one.over {
			at, above = r.rowsOf(at), above.over(r.name)
		}
		owners := make([]owner, len(at))
		for i, row := range at {
			owners[i] = owner{row: row, field: one.rel.in(row)}
		}
		if err := one.load(ctx, on, owners, above); err != nil {
			return fmt.Errorf("load %s: %w", one.rel, err)
		}
	}
	return nil
}

// rowsOf are the rows that a loaded relation to one leads to.
func (r *relation) rowsOf(rows []any) []any {
	all := make([]any, 0, len(rows))
	for _, row := range rows {
		all = append(all, r.in(row).loadedRows()...)
	}
	return all
}

// load loads the relation into its owners, which are from an origin.
func (l *loading) load(ctx context.Context, on session, owners []owner, from *origin) error {
	target, err := l.rel.other()
	if err != nil {
		return err
	}
	keys, err := l.rel.keysOf(owners, from)
	if err != nil {
		return err
	}
	s := &spec{db: from.db, scope: from.scope, m: target, limit: -1, mode: from.mode, related: l.rest}
	s.order, _ = s.keyed() // none, where rows have no key
	all := &found{of: make(map[any][]any, len(keys))}
	below := from.over(l.rel.name)
	below.tx, _ = on.(*Tx)
	var pl *plan
	part := ctx
	for some := range slices.Chunk(keys, maxList) {
		if pl, err = l.rel.fetch(part, on, s, some, below, all); err != nil {
			return err
		}
		part = goingOn(ctx)
	}
	if err := l.rel.give(owners, all); err != nil || pl == nil {
		return err
	}
	return pl.after(ctx, on, all.rows, below)
}

// keysOf notes the key that each owner knows its rows by, and returns them, each
// once, as the driver is given them.
func (r *relation) keysOf(owners []owner, from *origin) (args []any, err error) {
	asked := make(map[any]bool, len(owners))
	for i := range owners {
		o := &owners[i]
		var arg any
		if r.kind == belongsTo {
			key := o.field.refKey()
			if key == nil && !o.field.isLoaded() && !from.has(r.key) {
				return nil, fmt.Errorf("%w: the query of its row left out %s, its key", ErrNotLoaded, r.key.name())
			}
			if key == nil {
				continue
			}
			arg, o.key, err = boundKey(key)
		} else {
			arg, o.key, err = r.owner.keyOfRow(o.row)
		}
		if err != nil {
			return nil, err
		}
		if !asked[o.key] {
			asked[o.key] = true
			args = append(args, arg)
		}
	}
	return args, nil
}

// fetch finds the rows that belong to some keys.
func (r *relation) fetch(ctx context.Context, on session, s *spec, keys []any, from *origin, all *found) (*plan, error) {
	st, err := s.selection(func(sel *bun.SelectQuery, w *writer) error {
		r.among(sel, w, keys)
		return nil
	})
	if err != nil {
		return nil, err
	}
	result, err := on.query(ctx, st.statement)
	if err != nil {
		return nil, err
	}
	in := intake{rel: r, all: all}
	if r.kind == manyToMany {
		in.known, in.pairs = make(map[any]any), make(map[[2]any]bool)
		for _, row := range all.rows {
			_, key, err := r.target.keyOfRow(row)
			if err != nil {
				return nil, err
			}
			in.known[key] = row
		}
	}
	return st.plan, st.plan.read(result, from.ofSources(st.plan), &in)
}

// among has a SELECT of the target's rows find those that belong to some keys.
func (r *relation) among(sel *bun.SelectQuery, w *writer, keys []any) {
	at, key := w.joins.base, r.known()
	if r.kind == manyToMany {
		link := w.db.ident("between_0")
		sel.Join(fmt.Sprintf("JOIN %s AS %s ON %s.%s = %s.%s", w.db.ident(r.table), link, link, w.db.ident(r.to), at, key.SQLName))
		sel.ColumnExpr(link + "." + w.db.ident(r.from))
		w.b = append(w.b[:0], link+"."+w.db.ident(r.from)...)
	} else {
		w.b = append(w.b[:0], at+"."+string(key.SQLName)...)
	}
	w.among(keys)
	sel.Where(string(w.b))
}

// known is the column of the target's that owners, or the table between, know its
// rows by.
func (r *relation) known() *column {
	if r.kind == hasOne || r.kind == hasMany {
		return r.theirs
	}
	return r.target.key
}

// among writes IN and a list, made up to the next power of two by repeating the last
// value, so that there are few texts, not one for each number of values.
func (w *writer) among(values []any) {
	w.put(" IN (")
	for i := 0; i < len(values) || i&(i-1) != 0 && i < maxList; i++ {
		if i > 0 {
			w.put(", ")
		}
		w.bind(values[min(i, len(values)-1)])
	}
	w.put(")")
}

// give puts the rows into their owners, and tells them whose they are.
func (r *relation) give(owners []owner, all *found) error {
	for _, o := range owners {
		var rows []any
		if o.key != nil {
			rows = all.of[o.key]
		}
		if r.kind == hasOne && len(rows) > 1 {
			return fmt.Errorf("%w: %d of %s refer to %s %v, by %s", ErrMultiple, len(rows), r.target.typ.Name(), r.owner.typ.Name(), o.key, r.theirs.name())
		}
		o.field.put(rows)
		if r.inverse == nil {
			continue
		}
		for _, row := range rows {
			r.inverse.in(row).putBack(o.row)
		}
	}
	return nil
}

// follow has rows that know who loaded them know where that row is now.
func (r *relation) follow(rows []any, from, to any) {
	if r.inverse == nil {
		return
	}
	for _, row := range rows {
		if back := r.inverse.in(row); slices.Contains(back.loadedRows(), from) {
			back.point(to)
		}
	}
}

// intake takes the rows of a relation as they are read. A row that is found for a
// second owner is the same one in memory.
type intake struct {
	rel   *relation
	all   *found
	known map[any]any     // manyToMany: rows by their keys
	pairs map[[2]any]bool // manyToMany: what the table between has said already
	key   any             // manyToMany: of the owner, in the column behind the row's
}

func (in *intake) place() reflect.Value { return reflect.New(in.rel.target.typ).Elem() }

func (in *intake) beside() []any {
	if in.rel.kind == manyToMany {
		return []any{&in.key}
	}
	return nil
}

func (in *intake) take(v reflect.Value) (isNew bool, err error) {
	row := v.Addr().Interface()
	var key any
	switch in.rel.kind {
	case belongsTo:
		_, key, err = in.rel.target.keyOfRow(row)
	case hasOne, hasMany:
		_, key, err = boundKey(in.rel.inverse.in(row).refKey())
	case manyToMany:
		return in.takeOverTable(row)
	}
	if err != nil {
		return false, err
	}
	in.add(key, row)
	in.all.rows = append(in.all.rows, row)
	return true, nil
}

func (in *intake) takeOverTable(row any) (isNew bool, err error) {
	_, key, err := boundKey(keyAs(in.rel.owner.typ, in.key))
	if err != nil {
		return false, err
	}
	_, own, err := in.rel.target.keyOfRow(row)
	if err != nil {
		return false, err
	}
	known, was := in.known[own]
	if was {
		row = known
	} else {
		in.known[own] = row
		in.all.rows = append(in.all.rows, row)
	}
	if pair := [2]any{key, own}; !in.pairs[pair] {
		in.pairs[pair] = true
		in.add(key, row)
	}
	return !was, nil
}

func (in *intake) add(key, row any) { in.all.of[key] = append(in.all.of[key], row) }
