package orm

import (
	"database/sql"
	"errors"
	"fmt"
	"reflect"
	"strconv"

	"github.com/uptrace/bun/schema"

	"github.com/tandem-go/tandem/bridge"
)

// guard keeps a panic of a type's own scanner until database/sql is left, which
// would stay with its rows locked, so that to close them waits for ever.
type guard struct{ caught *bridge.PanicError }

// keep is to be deferred by a Scan.
func (g *guard) keep(err *error) {
	if v := recover(); v != nil {
		g.caught = bridge.Caught(v)
		*err = g.caught
	}
}

// raise goes on with the panic.
func (g *guard) raise() {
	if g.caught != nil {
		panic(g.caught)
	}
}

// unread is the error of a database's value that a Go type does not take. What bun
// says of it has the value in it.
func unread(into string, typ reflect.Type, src any, err error) error {
	text := fmt.Sprintf("%s %s", into, typ)
	if scansItself(typ) {
		return &classified{ErrType, text + ": " + err.Error(), err}
	}
	return &classified{ErrType, fmt.Sprintf("%s, and the database's %T is none", text, src), err}
}

var scannerType = reflect.TypeFor[sql.Scanner]()

func scansItself(typ reflect.Type) bool {
	return typ.Implements(scannerType) || reflect.PointerTo(typ).Implements(scannerType)
}

var errOutside = errors.New("it is outside of what the type holds")

// inFull is a scanner that refuses the numbers that a type does not hold. Bun's keep
// as many bits of them as it has.
func inFull(typ reflect.Type, scan schema.ScannerFunc) schema.ScannerFunc {
	for typ.Kind() == reflect.Pointer && !scansItself(typ) {
		typ = typ.Elem()
	}
	zero := reflect.Zero(typ)
	narrow := zero.CanUint() || (zero.CanInt() || zero.CanFloat()) && typ.Bits() < 64
	if scan == nil || !narrow || scansItself(typ) {
		return scan
	}
	return func(dest reflect.Value, src any) error {
		if isBeyond(zero, src) {
			return errOutside
		}
		return scan(dest, src)
	}
}

// isBeyond says whether what a driver gives is a number that is none of the type of
// zero.
func isBeyond(zero reflect.Value, src any) bool {
	switch src := src.(type) {
	case int64:
		return !zero.CanFloat() && outside(src, zero.Type())
	case float64:
		return zero.CanFloat() && zero.OverflowFloat(src)
	case []byte:
		return isBeyond(zero, string(src))
	case string:
		var err error
		switch bits := zero.Type().Bits(); {
		case zero.CanInt():
			_, err = strconv.ParseInt(src, 10, bits)
		case zero.CanUint():
			_, err = strconv.ParseUint(src, 10, bits)
		default:
			_, err = strconv.ParseFloat(src, bits)
		}
		return errors.Is(err, strconv.ErrRange)
	}
	return false
}
