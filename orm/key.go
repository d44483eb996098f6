package orm

import (
	"fmt"
	"reflect"

	"github.com/uptrace/bun/dialect/sqlitedialect"
	"github.com/uptrace/bun/schema"
)

// bare reflects on models where no database is at hand.
var bare = sqlitedialect.New().Tables()

// keyField is the primary key of a type of rows; nil if it has more than one column.
func keyField(typ reflect.Type) *schema.Field {
	keys := bare.Get(typ).PKs
	if len(keys) != 1 {
		return nil
	}
	return keys[0]
}

// keyOf is the primary key of a row, a pointer to a struct; nil if it has none yet
// or more than one column.
func keyOf(row any) any {
	v := reflect.ValueOf(row).Elem()
	key := keyField(v.Type())
	if key == nil || key.HasZeroValue(v) {
		return nil
	}
	return key.Value(v).Interface()
}

// keyAs makes a key of rows of typ, as Go has it, of what a database or a program
// gave for one. What cannot be one is left as it is: no row has it.
func keyAs(typ reflect.Type, key any) any {
	field := keyField(typ)
	if key == nil || field == nil || reflect.TypeOf(key) == field.IndirectType {
		return key
	}
	arg, err := bindable(reflect.ValueOf(key))
	if err != nil {
		return key
	}
	v := reflect.New(field.IndirectType).Elem()
	if inFull(field.IndirectType, schema.Scanner(field.IndirectType))(v, arg) != nil {
		return key
	}
	return v.Interface()
}

// boundKey is a key as the driver is given it, and as a map has it: keys that are
// one key to the database are one to the map.
func boundKey(key any) (arg, inMap any, err error) {
	if key == nil {
		return nil, nil, nil
	}
	if arg, err = bindable(reflect.ValueOf(key)); err != nil {
		return nil, nil, fmt.Errorf("key: %w", err)
	}
	return arg, mapKey(arg), nil
}

// mapKey is a key that the driver is given as a map has it.
func mapKey(arg any) any {
	if b, ok := arg.([]byte); ok {
		return string(b)
	}
	return arg
}

// keyOfRow is boundKey of the primary key of a row that the database has.
func (m *model) keyOfRow(row any) (arg, inMap any, err error) {
	return boundKey(m.key.Value(reflect.ValueOf(row).Elem()).Interface())
}

// keyOfGiven is the primary key of a row that a program says is in the database.
func keyOfGiven(row any) (any, error) {
	if reflect.ValueOf(row).IsNil() {
		return nil, fmt.Errorf("%w: it is nil", ErrType)
	}
	key := keyOf(row)
	if key == nil {
		return nil, fmt.Errorf("%w: it has no key yet: create it first", ErrType)
	}
	return key, nil
}
