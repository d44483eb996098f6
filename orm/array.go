package orm

import (
	"fmt"
	"reflect"
	"strings"
)

// readsTexts has a column that is an array of text read by [texts]: bun takes
// elements that begin with a parenthesis for ranges, up to the next bracket.
func (c *column) readsTexts() {
	typ := c.StructField.Type
	if !c.isArray() || typ.Kind() != reflect.Slice {
		return
	}
	elem := typ.Elem()
	if elem.Kind() == reflect.Pointer {
		elem = elem.Elem()
	}
	if elem.Kind() != reflect.String {
		return
	}
	c.Scan = func(dest reflect.Value, src any) error {
		var text string
		switch src := src.(type) {
		case nil:
			dest.SetZero()
			return nil
		case string:
			text = src
		case []byte:
			text = string(src)
		default:
			return fmt.Errorf("%w: no array: %T", ErrType, src)
		}
		all, err := texts(text)
		if err != nil {
			return err
		}
		made := reflect.MakeSlice(typ, len(all), len(all))
		for i, one := range all {
			at := made.Index(i)
			if one == nil {
				continue
			}
			if at.Kind() == reflect.Pointer {
				at.Set(reflect.New(elem))
				at = at.Elem()
			}
			at.SetString(*one)
		}
		dest.Set(made)
		return nil
	}
}

// texts reads PostgreSQL's text of an array of one dimension, such as
// {a,"b c",NULL}; nil is NULL.
func texts(array string) (all []*string, err error) {
	wrong := fmt.Errorf("%w: no array of one dimension: %.40q", ErrType, array)
	if len(array) < 2 || array[0] != '{' || array[len(array)-1] != '}' {
		return nil, wrong
	}
	inside := array[1 : len(array)-1]
	for inside != "" {
		var b strings.Builder
		quoted := inside[0] == '"'
		i := 0
		if quoted {
			i = 1
		}
		for ; i < len(inside) && inside[i] != '"' && (quoted || inside[i] != ','); i++ {
			if inside[i] == '\\' && i+1 < len(inside) {
				i++
			}
			b.WriteByte(inside[i])
		}
		if quoted {
			i++ // its end
		}
		if i > len(inside) || i < len(inside) && inside[i] != ',' || !quoted && strings.HasPrefix(inside, "{") {
			return nil, wrong
		}
		one := b.String()
		if all = append(all, &one); !quoted && one == "NULL" {
			all[len(all)-1] = nil
		}
		if i == len(inside) {
			break
		}
		if inside = inside[i+1:]; inside == "" {
			return nil, wrong
		}
	}
	return all, nil
}
