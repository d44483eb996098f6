package orm

import (
	"runtime"
	"slices"
	"sync"
	"weak"
)

// parts says of rows that were loaded with some of their columns alone, and are
// still there, with which: []string by weak.Pointer. Names of columns, because a row
// may be loaded from one database and saved to another.
var parts sync.Map

// rememberPart remembers with which columns a row was loaded.
func rememberPart[T any](row *T, columns []*column) {
	var names []string
	for _, c := range columns {
		names = append(names, c.Name)
	}
	key := weak.Make(row)
	if _, known := parts.Swap(key, names); !known {
		runtime.AddCleanup(row, func(key weak.Pointer[T]) { parts.Delete(key) }, key)
	}
}

// partOf is the names of the columns that a row was loaded with; nil is all.
func partOf[T any](row *T) []string {
	if names, ok := parts.Load(weak.Make(row)); ok {
		return names.([]string)
	}
	return nil
}

// growPart says that more columns of a row are known.
func growPart[T any](row *T, columns []*column) {
	names := partOf(row)
	if names == nil {
		return
	}
	names = slices.Clone(names)
	for _, c := range columns {
		if !slices.Contains(names, c.Name) {
			names = append(names, c.Name)
		}
	}
	parts.Store(weak.Make(row), names)
}

// forgetPart says that all of a row is known.
func forgetPart[T any](row *T) { parts.Delete(weak.Make(row)) }
