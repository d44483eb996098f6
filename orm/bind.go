package orm

import (
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"math"
	"net"
	"net/netip"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// bound makes what the driver is given of a field's value in a row.
func (c *column) bound(row reflect.Value) (any, error) {
	v, err := row.FieldByIndexErr(c.Index)
	if err != nil { // below a nil pointer to an embedded struct
		return nil, nil
	}
	if c.NullZero && c.IsZero(v) {
		return nil, nil
	}
	arg, err := c.bindable(v)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.name(), err)
	}
	if c.rel != nil { // whose key may be of any type
		return c.argument(arg)
	}
	return arg, nil
}

// bindable is what the driver is given of a value of the column, which is one that
// the database keeps as it is.
func (c *column) bindable(v reflect.Value) (any, error) {
	if c.isArray() {
		return v.Interface(), nil
	}
	if c.isJSON() {
		return asJSON(v)
	}
	arg, err := bindable(v)
	if err != nil {
		return nil, err
	}
	switch arg := arg.(type) {
	case string:
		if c.model.db.dialect == PostgreSQL && (strings.IndexByte(arg, 0) >= 0 || !utf8.ValidString(arg)) {
			return nil, fmt.Errorf("%w: PostgreSQL stores no text with a NUL byte or with what is not UTF-8; []byte holds it", ErrType)
		}
	case float64:
		if c.model.db.dialect == SQLite && math.IsNaN(arg) {
			return nil, fmt.Errorf("%w: SQLite stores no NaN", ErrType)
		}
	}
	return arg, nil
}

// isArray says whether the column is an array of PostgreSQL's; on SQLite it is JSON.
func (c *column) isArray() bool {
	return c.model.db.dialect == PostgreSQL && (c.Tag.HasOption("array") || strings.HasSuffix(c.UserSQLType, "[]"))
}

// isJSON says whether bun reads whatever the column holds as JSON.
func (c *column) isJSON() bool {
	typ, _ := c.Tag.Option("type") // UserSQLType is what bun guesses too, after it has picked its scanner
	is := strings.EqualFold(typ, "json") || strings.EqualFold(typ, "jsonb")
	return is && c.StructField.Type.Kind() == reflect.Interface || c.Tag.HasOption("json_use_number")
}

// asJSON is JSON of a value; NULL of nil.
func asJSON(v reflect.Value) (any, error) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Map, reflect.Slice, reflect.Interface:
		if v.IsNil() {
			return nil, nil
		}
	}
	text, err := json.Marshal(v.Interface())
	if err != nil {
		return nil, fmt.Errorf("%w: it is no JSON: %w", ErrType, err)
	}
	return string(text), nil
}

var valuerType = reflect.TypeFor[driver.Valuer]()

// valuerOf is a value that gives the driver what it is by itself, or a copy of it
// where its pointer does; nil if none does.
func valuerOf(v reflect.Value) driver.Valuer {
	if valuer, ok := v.Interface().(driver.Valuer); ok {
		return valuer
	}
	if !reflect.PointerTo(v.Type()).Implements(valuerType) {
		return nil
	}
	p := reflect.New(v.Type())
	p.Elem().Set(v)
	return p.Interface().(driver.Valuer)
}

// address is the text of an address of a network, which databases and bun's scanners
// have as text; NULL of one that is none.
func address(v any) (arg any, is bool) {
	switch a := v.(type) {
	case net.IP:
		return a.String(), true
	case net.IPNet:
		return a.String(), true
	case netip.Addr:
		if !a.IsValid() {
			return nil, true
		}
		return a.String(), true
	case netip.Prefix:
		if !a.IsValid() {
			return nil, true
		}
		return a.String(), true
	}
	return nil, false
}

// bindable makes what the driver is given of a value: what database/sql knows, text of
// addresses, and JSON of all other structs, maps and slices.
func bindable(v reflect.Value) (any, error) {
	for v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface {
		if v.IsNil() {
			return nil, nil
		}
		if _, ok := v.Interface().(driver.Valuer); ok {
			break
		}
		v = v.Elem()
	}
	if v.Type() == timeType {
		return v.Interface().(time.Time).UTC(), nil
	}
	if valuer := valuerOf(v); valuer != nil {
		arg, err := valuer.Value()
		if t, ok := arg.(time.Time); ok {
			arg = t.UTC()
		}
		return arg, err
	}
	if (v.Kind() == reflect.Map || v.Kind() == reflect.Slice) && v.IsNil() {
		return nil, nil
	}
	if arg, is := address(v.Interface()); is {
		return arg, nil
	}
	switch v.Kind() {
	case reflect.Bool:
		return v.Bool(), nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return v.Int(), nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		if v.Uint() > math.MaxInt64 {
			return nil, fmt.Errorf("%w: an integer is beyond what a database's hold", ErrType)
		}
		return int64(v.Uint()), nil
	case reflect.Float32, reflect.Float64:
		return v.Float(), nil
	case reflect.String:
		return v.String(), nil
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return v.Bytes(), nil
		}
		return asJSON(v)
	case reflect.Array, reflect.Map, reflect.Struct:
		return asJSON(v)
	}
	return nil, fmt.Errorf("%w: a %s cannot be stored", ErrType, v.Type())
}

// argument makes what the driver is given of a value that a column is compared
// with or set to, and refuses what cannot be one of its values.
func (c *column) argument(value any) (any, error) {
	v := reflect.ValueOf(value)
	for v.IsValid() && v.Kind() == reflect.Pointer && v.Type().Elem().Kind() != reflect.Struct {
		v = v.Elem() // of a nil pointer: invalid
	}
	if !v.IsValid() {
		return nil, nil
	}
	want := c.IndirectType
	if c.rel != nil {
		other, err := c.rel.other()
		if err != nil {
			return nil, err
		}
		if v.Type() == reflect.PointerTo(other.typ) && v.IsNil() {
			return nil, nil
		}
		if row := reflect.Indirect(v); row.IsValid() && row.Type() == other.typ { // a row stands for its key
			return other.key.bound(row)
		}
		want = other.key.IndirectType
	}
	if v.Type() == want || v.Type() == reflect.PointerTo(want) {
		return c.bindable(v)
	}
	if _, ok := v.Interface().(driver.Valuer); ok {
		return c.bindable(v)
	}
	wrong := func() error {
		return fmt.Errorf("%w: %s is %s, got %s", ErrType, c.name(), want, v.Type())
	}
	switch want.Kind() {
	case reflect.Bool, reflect.String:
		if v.Kind() != want.Kind() {
			return nil, wrong()
		}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		if !v.CanInt() && !v.CanUint() {
			return nil, wrong()
		}
		arg, err := c.bindable(v)
		if n, ok := arg.(int64); err == nil && ok && outside(n, want) {
			return nil, fmt.Errorf("%w: %s is %s, which does not hold so great or small a number", ErrType, c.name(), want)
		}
		return arg, err
	case reflect.Float32, reflect.Float64:
		if !v.CanInt() && !v.CanUint() && !v.CanFloat() {
			return nil, wrong()
		}
	case reflect.Slice:
		switch {
		case want.Elem().Kind() != reflect.Uint8, v.Kind() == reflect.String && want != bytesType:
		case v.Kind() != reflect.String && (v.Kind() != reflect.Slice || v.Type().Elem().Kind() != reflect.Uint8):
			return nil, wrong()
		default: // text and bytes are never equal on SQLite
			v = v.Convert(want)
		}
	default:
		if want == timeType {
			return nil, wrong()
		}
	}
	return c.bindable(v)
}

var bytesType = reflect.TypeFor[[]byte]()

// outside says whether an integer is none of a type's values.
func outside(n int64, typ reflect.Type) bool {
	zero := reflect.Zero(typ)
	if zero.CanInt() {
		return zero.OverflowInt(n)
	}
	return n < 0 || zero.OverflowUint(uint64(n))
}

// keyArgument is argument for primary keys, which also come as text: out of paths.
// A text that cannot be a key has no row.
func (c *column) keyArgument(key any) (any, error) {
	text, ok := key.(string)
	if !ok || c.IndirectType.Kind() == reflect.String {
		if key == nil {
			return nil, fmt.Errorf("%w: a key of %s is never NULL", ErrType, c.model.typ.Name())
		}
		arg, err := c.argument(key)
		if ok && err != nil {
			err = fmt.Errorf("%w: %s %.40q is no text that is stored", ErrNotFound, c.name(), text)
		}
		return arg, err
	}
	zero := reflect.Zero(c.IndirectType)
	switch {
	case zero.CanInt(), zero.CanUint():
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || outside(n, c.IndirectType) {
			return nil, fmt.Errorf("%w: %s %.40q is no %s", ErrNotFound, c.name(), text, c.IndirectType)
		}
		return n, nil
	}
	return c.argument(key)
}
