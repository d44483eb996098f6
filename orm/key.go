package orm

import (
	"reflect"

	"github.com/uptrace/bun/dialect/sqlitedialect"
)

// bare reflects on models where no database is at hand.
var bare = sqlitedialect.New().Tables()

// keyOf is the primary key of a row, a pointer to a struct; nil if it has none yet
// or more than one column.
func keyOf(row any) any {
	v := reflect.ValueOf(row).Elem()
	keys := bare.Get(v.Type()).PKs
	if len(keys) != 1 || keys[0].HasZeroValue(v) {
		return nil
	}
	return keys[0].Value(v).Interface()
}
