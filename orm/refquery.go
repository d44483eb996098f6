package orm

import "reflect"

// Query is the query of the row that it refers to, to load it otherwise or to ask
// more about it. It finds nothing where the key is NULL. It is in the transaction
// that has loaded the row that it is a field of, if that lives.
func (r *Ref[T]) Query() Query[T] {
	if r.rel == nil {
		return Query[T]{unknownSpec[T](r.unknown())}
	}
	return Query[T]{r.from.behind(r.rel, r.of, r)}
}

// Query is the query of the relation's rows, to filter, order and count them. It
// asks the database, whatever was loaded. It is in the transaction that has loaded
// the row that it is a field of, if that lives.
func (r *Refs[T]) Query() Query[T] {
	if r.rel == nil {
		return Query[T]{unknownSpec[T](r.unknown())}
	}
	return Query[T]{r.from.behind(r.rel, r.of, r)}
}

// unknownSpec is a query that fails.
func unknownSpec[T any](err error) *spec {
	return &spec{m: &model{typ: reflect.TypeFor[T]()}, err: err, limit: -1}
}

// behind is the query of the rows that a relation of a row leads to.
func (o *origin) behind(rel *relation, row any, field relational) *spec {
	target, err := rel.other()
	s := &spec{db: o.db, m: target, limit: -1, err: err}
	if err != nil {
		s.m = &model{typ: rel.of}
		return s
	}
	if s.tx = o.lives(); o.mode != (&spec{scope: o.scope}).fetchMode() {
		s.mode = o.mode // asked for
	}
	owners := []owner{{row: row, field: field}}
	keys, err := rel.keysOf(owners, o)
	if err != nil {
		s.err = err
		return s
	}
	n := node(word("FALSE"))
	if len(keys) > 0 {
		n = &belonging{rel, keys[0]}
	}
	s.conds = []checked{{n: n}}
	return s
}

// belonging is the condition that a row belongs to another one over a relation.
type belonging struct {
	rel *relation
	key any // of the other one
}

func (b *belonging) write(w *writer) error {
	r := b.rel
	w.put(w.joins.base, ".", string(r.known().SQLName))
	if r.kind == manyToMany {
		w.put(" IN (SELECT ", w.db.ident(r.to), " FROM ", w.db.ident(r.table), " WHERE ", w.db.ident(r.from))
		defer w.put(")")
	}
	w.put(" = ")
	w.bind(b.key)
	return nil
}
