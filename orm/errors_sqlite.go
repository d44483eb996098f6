package orm

import (
	"errors"
	"regexp"
	"strings"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// sqliteKinds are the kinds of SQLite's codes, first the extended ones.
var sqliteKinds = map[int]*Error{
	sqlite3.SQLITE_CONSTRAINT_UNIQUE:     ErrUnique,
	sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY: ErrUnique,
	sqlite3.SQLITE_CONSTRAINT_ROWID:      ErrUnique,
	sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY: ErrForeignKey,
	sqlite3.SQLITE_CONSTRAINT_NOTNULL:    ErrNotNull,
	sqlite3.SQLITE_CONSTRAINT_CHECK:      ErrCheck,
	sqlite3.SQLITE_CONSTRAINT_TRIGGER:    ErrCheck,
	sqlite3.SQLITE_CONSTRAINT_DATATYPE:   ErrType,
	sqlite3.SQLITE_BUSY_SNAPSHOT:         ErrSerialization, // it has read what another one has changed since

	sqlite3.SQLITE_MISMATCH: ErrType,
	sqlite3.SQLITE_TOOBIG:   ErrType,
	sqlite3.SQLITE_RANGE:    ErrType,
	sqlite3.SQLITE_READONLY: ErrReadOnly,
	sqlite3.SQLITE_FULL:     ErrFull,
	sqlite3.SQLITE_BUSY:     ErrLocked,
	sqlite3.SQLITE_LOCKED:   ErrLocked,
	sqlite3.SQLITE_PROTOCOL: ErrLocked,
	sqlite3.SQLITE_CANTOPEN: ErrUnavailable,
}

var (
	// refused is SQLite's text about a constraint: its kind, and what it is on.
	refused = regexp.MustCompile(`(UNIQUE|NOT NULL|CHECK|FOREIGN KEY) constraint failed(?:: (.*))? \(\d+\)$`)
	missing = regexp.MustCompile(`no such (?:table|column): |has no column named `)
)

// sqliteError gives an error of SQLite's its kind; nil is none. SQLite's texts hold
// no values.
func sqliteError(err error) error {
	var of *sqlite.Error
	if !errors.As(err, &of) {
		return nil
	}
	kind := sqliteKinds[of.Code()]
	if kind == nil {
		kind = sqliteKinds[of.Code()&0xff]
	}
	switch {
	case kind != nil:
	case of.Code() == sqlite3.SQLITE_ERROR && missing.MatchString(of.Error()):
		kind = ErrSchema
	default:
		return nil
	}
	match := refused.FindStringSubmatch(of.Error())
	if match == nil {
		return &classified{kind, of.Error(), err}
	}
	c := &ConstraintError{Kind: kind, err: err}
	switch what := match[2]; {
	case match[1] == "CHECK":
		c.Constraint = what
	case strings.HasPrefix(what, "index '"):
		c.Constraint = strings.TrimSuffix(strings.TrimPrefix(what, "index '"), "'")
	case what != "":
		for column := range strings.SplitSeq(what, ", ") {
			c.Table, column, _ = strings.Cut(column, ".")
			c.Columns = append(c.Columns, column)
		}
	}
	return c
}
