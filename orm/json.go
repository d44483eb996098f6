package orm

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"sync"
)

// chain is the rows that are being marshalled around a relation, the innermost
// first: pointers to them.
type chain struct {
	row   any
	outer *chain
}

func (c *chain) has(row any) bool {
	for ; c != nil; c = c.outer {
		if c.row == row {
			return true
		}
	}
	return false
}

// aroundOf is the chain that a relation of a row begins, where it is in none yet.
func aroundOf(around *chain, of any) *chain {
	if around == nil && of != nil {
		return &chain{row: of}
	}
	return around
}

// MarshalJSON gives the row if it is loaded, else the key. A row that leads back to
// where it was loaded from, or that this one is in already, is given by its key, so
// that it ends whatever refers to what. It never asks the database.
func (r Ref[T]) MarshalJSON() ([]byte, error) {
	around := aroundOf(r.around, r.of)
	if r.row == nil || r.back || around.has(r.row) {
		return marshal(r.PK())
	}
	return marshalRow(r.row, around)
}

// UnmarshalJSON takes null, a key, or a row. It does not look at the database: a row
// is the one that is given, whatever its key.
func (r *Ref[T]) UnmarshalJSON(text []byte) error {
	text = bytes.TrimSpace(text)
	switch {
	case string(text) == "null":
		r.SetPK(nil)
		return nil
	case len(text) > 0 && text[0] == '{':
		row := new(T)
		if err := json.Unmarshal(text, row); err != nil {
			return err
		}
		r.Set(row)
		return nil
	}
	typ := reflect.TypeFor[T]()
	field := keyField(typ)
	if field == nil {
		return fmt.Errorf("%w: %s has no key of one column, so a reference to it is null or an object", ErrType, typ.Name())
	}
	key := reflect.New(field.IndirectType)
	if err := json.Unmarshal(text, key.Interface()); err != nil {
		return err
	}
	r.SetPK(key.Elem().Interface())
	return nil
}

// MarshalJSON gives the rows if they are loaded, else null. It never asks the
// database, and ends whatever refers to what; see [Ref.MarshalJSON].
func (r Refs[T]) MarshalJSON() ([]byte, error) {
	if !r.loaded {
		return []byte("null"), nil
	}
	around := aroundOf(r.around, r.of)
	b := []byte{'['}
	for i, row := range r.rows {
		if i > 0 {
			b = append(b, ',')
		}
		one, err := []byte(nil), error(nil)
		if around.has(row) {
			one, err = marshal(keyOf(row))
		} else {
			one, err = marshalRow(row, around)
		}
		if err != nil {
			return nil, err
		}
		b = append(b, one...)
	}
	return append(b, ']'), nil
}

// UnmarshalJSON takes rows; null is none loaded. It does not look at the database,
// and nothing of it is stored with the row that it is a field of.
func (r *Refs[T]) UnmarshalJSON(text []byte) error {
	var rows []*T
	if err := json.Unmarshal(text, &rows); err != nil {
		return err
	}
	for i, row := range rows {
		if row == nil {
			return fmt.Errorf("%w: row %d of %s is null", ErrType, i, reflect.TypeFor[T]().Name())
		}
	}
	r.rows, r.loaded = rows, rows != nil
	return nil
}

// marshalRow gives a row that is inside of others. Its relations are told of them by
// a copy of it, so that two may marshal it at once.
func marshalRow(row any, around *chain) ([]byte, error) {
	v := reflect.ValueOf(row).Elem()
	related := relationsOf(v.Type())
	if len(related) == 0 {
		return marshal(row)
	}
	at := &chain{row, around}
	clone := reflect.New(v.Type())
	clone.Elem().Set(v)
	for _, index := range related {
		clone.Elem().FieldByIndex(index).Addr().Interface().(relational).within(at)
	}
	return marshal(clone.Interface())
}

// marshal leaves it to whoever marshals the whole to escape HTML.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte{'\n'}), err
}

// relationsByType are the indices of the relations of types that were marshalled.
var relationsByType sync.Map

// relationsOf are the indices of a type's relations.
func relationsOf(typ reflect.Type) [][]int {
	if known, ok := relationsByType.Load(typ); ok {
		return known.([][]int)
	}
	var all [][]int
	for _, f := range reflect.VisibleFields(typ) {
		if isRelation(f) && !throughPointer(typ, f) {
			all = append(all, f.Index)
		}
	}
	relationsByType.Store(typ, all)
	return all
}
