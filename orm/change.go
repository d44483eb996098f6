package orm

import (
	"context"
	"fmt"
	"slices"
)

// change is a change of a relation to many of one row, in the database. Keys are as
// the driver is given them.
type change struct {
	ctx  context.Context // of the call that it is made in
	on   session
	rel  *relation
	key  any   // of the row whose relation it is
	keys []any // of the rows that it is made with, each once
}

func newChange(rel *relation, of any, rows []any) (*change, error) {
	target, err := rel.other()
	if err != nil {
		return nil, err
	}
	if target.key == nil {
		return nil, fmt.Errorf("%w: %s has no primary key of one column", ErrField, target.typ.Name())
	}
	c := &change{rel: rel}
	if c.key, _, err = rel.owner.keyOfRow(of); err != nil {
		return nil, err
	}
	seen := make(map[any]bool, len(rows))
	for i, row := range rows {
		key, err := keyOfGiven(row)
		if err != nil {
			return nil, fmt.Errorf("row %d: %w", i, err)
		}
		arg, in, err := boundKey(key)
		if err != nil {
			return nil, err
		}
		if !seen[in] {
			seen[in] = true
			c.keys = append(c.keys, arg)
		}
	}
	return c, nil
}

func (c *change) in(ctx context.Context, on session) *change {
	c.ctx, c.on = ctx, on
	return c
}

// add has rows of these keys be part of the relation.
func (c *change) add(keys []any) error {
	if c.rel.kind == manyToMany {
		for some := range slices.Chunk(keys, maxList/2) {
			if err := c.link(some); err != nil {
				return err
			}
		}
		return nil
	}
	for some := range slices.Chunk(keys, maxList) {
		w := c.update(c.key)
		w.put(" WHERE ", string(c.rel.target.key.SQLName))
		w.among(some)
		n, err := affect(c.ctx, c.on, w)
		if err != nil {
			return err
		}
		if n < int64(len(some)) {
			return fmt.Errorf("%w: %d of the %d are not there", ErrNotFound, int64(len(some))-n, len(some))
		}
	}
	return nil
}

// link adds to the table between what it has not.
func (c *change) link(keys []any) error {
	w := &writer{db: c.on.database()}
	w.put("INSERT INTO ", w.db.ident(c.rel.table), " (", w.db.ident(c.rel.from), ", ", w.db.ident(c.rel.to), ") VALUES ")
	for i, key := range keys {
		if i > 0 {
			w.put(", ")
		}
		w.put("(")
		w.bind(c.key)
		w.put(", ")
		w.bind(key)
		w.put(")")
	}
	w.put(" ON CONFLICT DO NOTHING")
	_, err := affect(c.ctx, c.on, w)
	return err
}

// remove takes rows of these keys out of the relation, those that are in it.
func (c *change) remove(keys []any) error {
	for some := range slices.Chunk(keys, maxList) {
		w, err := c.taking()
		if err != nil {
			return err
		}
		column := string(c.rel.target.key.SQLName)
		if c.rel.kind == manyToMany {
			column = w.db.ident(c.rel.to)
		}
		w.put(" AND ", column)
		w.among(some)
		if _, err := affect(c.ctx, c.on, w); err != nil {
			return err
		}
	}
	return nil
}

// clear takes all rows out of the relation.
func (c *change) clear() error {
	w, err := c.taking()
	if err != nil {
		return err
	}
	_, err = affect(c.ctx, c.on, w)
	return err
}

// taking begins a statement that takes rows out of the relation: all, if nothing
// follows.
func (c *change) taking() (*writer, error) {
	if c.rel.kind == manyToMany {
		w := &writer{db: c.on.database()}
		w.put("DELETE FROM ", w.db.ident(c.rel.table), " WHERE ", w.db.ident(c.rel.from), " = ")
		w.bind(c.key)
		return w, nil
	}
	if !c.rel.inverse.null {
		return nil, fmt.Errorf("%w: the key %s is not tagged orm:\"null\": add the rows to another %s, or delete them",
			ErrNotNull, c.rel.theirs.name(), c.rel.owner.typ.Name())
	}
	w := c.update(nil)
	w.put(" WHERE ", string(c.rel.theirs.SQLName), " = ")
	w.bind(c.key)
	return w, nil
}

// update begins the UPDATE that sets the keys of rows.
func (c *change) update(key any) *writer {
	w := &writer{db: c.on.database()}
	w.put("UPDATE ", string(c.rel.target.table.SQLName), " SET ", string(c.rel.theirs.SQLName), " = ")
	if key == nil {
		w.put("NULL")
	} else {
		w.bind(key)
	}
	return w
}

// set makes the relation the rows that it is made with.
func (c *change) set() error {
	there, err := c.there()
	if err != nil {
		return err
	}
	var more []any
	for _, key := range c.keys {
		_, in, err := boundKey(key)
		if err != nil {
			return err
		}
		if _, ok := there[in]; !ok {
			more = append(more, key)
		}
		delete(there, in)
	}
	less := make([]any, 0, len(there))
	for _, key := range there {
		less = append(less, key)
	}
	if err := c.remove(less); err != nil {
		return err
	}
	return c.add(more)
}

// there is the keys of the rows that the relation has, by what they are in maps.
func (c *change) there() (there map[any]any, err error) {
	w := &writer{db: c.on.database()}
	if c.rel.kind == manyToMany {
		w.put("SELECT ", w.db.ident(c.rel.to), " FROM ", w.db.ident(c.rel.table), " WHERE ", w.db.ident(c.rel.from), " = ")
	} else {
		w.put("SELECT ", string(c.rel.target.key.SQLName), " FROM ", string(c.rel.target.table.SQLName), " WHERE ", string(c.rel.theirs.SQLName), " = ")
	}
	w.bind(c.key)
	rows, err := c.on.query(c.ctx, statement{text: string(w.b), args: w.args})
	if err != nil {
		return nil, err
	}
	defer func() {
		if closed := rows.Close(); closed != nil {
			err = closed
		}
	}()
	there = make(map[any]any)
	for rows.Next() {
		var raw any
		if err := rows.Scan(&raw); err != nil {
			return nil, err
		}
		arg, in, err := boundKey(keyAs(c.rel.target.typ, raw))
		if err != nil {
			return nil, err
		}
		there[in] = arg
	}
	return there, nil
}
