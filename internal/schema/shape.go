package schema

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"

	"github.com/danielgtaylor/huma/v2"
)

// kind is what a value must be.
type kind uint8

const (
	anything kind = iota
	boolean
	integer
	number
	text
	encoded // base64
	array
	object
)

var kindNames = [...]string{"value", "boolean", "integer", "number", "string", "base64 string", "array", "object"}

// shape is a schema made ready for checking.
type shape struct {
	kind
	nullable bool
	rules    *huma.Schema // of a scalar, if its tags ask for anything
	own      reflect.Type // whose own code reads the value, and has the last word
	bits     int          // of numbers
	unsigned bool

	item     *shape // of an array
	min, max *int   // elements
	unique   bool

	fields  []field // of an object
	index   map[string]int
	rest    *shape           // what other names hold; nil if there can be no other
	depends map[string][]int // fields that others need beside them
}

type field struct {
	name     string
	required bool
	*shape
}

// compiler makes shapes of schemas, each once, so that a shape can contain itself.
type compiler struct {
	*Registry
	shapes map[*huma.Schema]*shape
}

func (c *compiler) of(s *huma.Schema) *shape {
	if s.Ref != "" {
		return c.of(c.SchemaFromRef(s.Ref))
	}
	if sh := c.shapes[s]; sh != nil {
		return sh
	}
	sh := &shape{nullable: s.Nullable}
	c.shapes[s] = sh
	if len(s.AnyOf) == 2 && s.AnyOf[1].Type == "null" { // as Registry.Schema makes it
		*sh = *c.of(s.AnyOf[0])
		sh.nullable = true
		return sh
	}
	t := c.goTypes[s]
	if t != nil && (implements(t, providerType) || implements(t, unmarshalTypes...) && t != rawType) {
		sh.own = t
	}
	if t != nil && t.Kind() == reflect.Interface && t.NumMethod() > 0 {
		c.refuse(t, "it is not known what would be behind it")
	}
	if sh.own != nil && s.Type != huma.TypeString {
		return sh // the schema is for people; the type's own code decides
	}
	switch s.Type {
	case huma.TypeBoolean:
		sh.kind = boolean
	case huma.TypeInteger:
		sh.kind, sh.bits, sh.unsigned = integer, t.Bits(), isUint(t.Kind())
	case huma.TypeNumber:
		sh.kind, sh.bits = number, 64
		if t.Kind() == reflect.Float32 {
			sh.bits = 32
		}
	case huma.TypeString:
		sh.kind = text
		if s.ContentEncoding == "base64" {
			sh.kind = encoded
		}
	case huma.TypeArray:
		sh.kind, sh.item = array, c.of(s.Items)
		sh.min, sh.max, sh.unique = s.MinItems, s.MaxItems, s.UniqueItems
	case huma.TypeObject:
		sh.kind, sh.min, sh.max = object, s.MinProperties, s.MaxProperties
		c.fields(sh, s, t)
	}
	if asksForMore(s) {
		sh.rules = s
	}
	return sh
}

func (c *compiler) fields(sh *shape, s *huma.Schema, t reflect.Type) {
	if t.Kind() == reflect.Map && t.Key().Kind() != reflect.String {
		c.refuse(t, "as input its keys must be strings")
	}
	if t.Kind() == reflect.Struct {
		for _, f := range reflect.VisibleFields(t) {
			for _, tag := range []string{"default", "timeFormat"} {
				if _, ok := f.Tag.Lookup(tag); ok {
					c.refuse(t, "field "+f.Name+" has the tag "+tag+", which does nothing in a body")
				}
			}
		}
	}
	sh.index = make(map[string]int, len(s.Properties))
	for _, name := range s.Required { // first, so that what is missing is told in the struct's order
		sh.index[name] = len(sh.fields)
		sh.fields = append(sh.fields, field{name: name, required: !s.Properties[name].ReadOnly})
	}
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		if _, ok := sh.index[name]; !ok {
			sh.index[name] = len(sh.fields)
			sh.fields = append(sh.fields, field{name: name})
		}
	}
	for i := range sh.fields {
		sh.fields[i].shape = c.of(s.Properties[sh.fields[i].name])
	}
	for name, others := range s.DependentRequired {
		if sh.depends == nil {
			sh.depends = map[string][]int{}
		}
		for _, other := range others {
			sh.depends[name] = append(sh.depends[name], sh.index[other])
		}
	}
	switch rest := s.AdditionalProperties.(type) {
	case *huma.Schema:
		sh.rest = c.of(rest)
	case bool:
		if rest {
			sh.rest = &shape{}
		}
	}
}

// asksForMore says whether a scalar has rules beyond its type.
func asksForMore(s *huma.Schema) bool {
	return s.Minimum != nil || s.Maximum != nil || s.ExclusiveMinimum != nil || s.ExclusiveMaximum != nil || s.MultipleOf != nil ||
		s.MinLength != nil || s.MaxLength != nil || s.Pattern != "" || len(s.Enum) > 0 || s.Type == huma.TypeString && s.Format != ""
}

// check finds what is wrong with the next value, and steps over it.
func (sh *shape) check(c *cursor, at *place, out *faults) {
	first := c.first()
	switch {
	case first == 'n':
		null := c.value()
		if !sh.nullable {
			out.add(at, sh.scalar(null, out)...)
		}
	case sh.kind == object && first == '{':
		sh.checkObject(c, at, out)
	case sh.kind == array && first == '[':
		sh.checkArray(c, at, out)
	default:
		if messages := sh.scalar(c.value(), out); messages != nil {
			out.add(at, messages...)
		}
	}
}

func (sh *shape) expected() string { return "expected " + kindNames[sh.kind] }

func (sh *shape) checkArray(c *cursor, at *place, out *faults) {
	var seen map[string]bool
	if sh.unique {
		seen = map[string]bool{}
	}
	n := 0
	for c.enter(); c.more(); n++ {
		here := place{up: at, index: n}
		c.space()
		start := c.at
		sh.item.check(c, &here, out)
		if out.full() {
			return
		}
		if sh.unique {
			if v := canonical(c.text[start:c.at]); seen[v] {
				out.add(&here, "given twice")
			} else {
				seen[v] = true
			}
		}
	}
	if message := sh.count(n, "elements"); message != "" {
		out.add(at, message)
	}
}

// count says what is wrong with a number of elements; "" if nothing is.
func (sh *shape) count(n int, what string) string {
	switch {
	case sh.min != nil && n < *sh.min:
		return fmt.Sprintf("expected at least %d %s", *sh.min, what)
	case sh.max != nil && n > *sh.max:
		return fmt.Sprintf("expected at most %d %s", *sh.max, what)
	}
	return ""
}

// canonical writes a value so that equal ones are equal texts.
func canonical(text []byte) string {
	if text[0] == '"' {
		return `"` + unquote(text)
	}
	var v any
	if json.Unmarshal(text, &v) != nil {
		return string(text) // a number beyond float64
	}
	b, _ := json.Marshal(v)
	return string(b)
}

func (sh *shape) checkObject(c *cursor, at *place, out *faults) {
	var few [32]bool
	seen := few[:]
	if len(sh.fields) > len(few) {
		seen = make([]bool, len(sh.fields))
	}
	var others map[string]bool
	n := 0
	for c.enter(); c.more(); n++ {
		name := c.name()
		here := place{up: at, name: name}
		plainName := name[1 : len(name)-1]
		i, known := sh.index[string(plainName)]
		if !known { // or written with escapes
			i, known = sh.index[unquote(name)]
		}
		switch {
		case known && !seen[i]:
			seen[i] = true
			sh.fields[i].check(c, &here, out)
		case known || others[unquote(name)]:
			c.value()
			out.add(&here, "given twice")
		case sh.rest != nil:
			if others == nil {
				others = map[string]bool{}
			}
			others[unquote(name)] = true
			sh.rest.check(c, &here, out)
		default:
			c.value()
			out.add(&here, "unknown field")
		}
		if out.full() {
			return
		}
	}
	for i := range sh.fields {
		if f := &sh.fields[i]; f.required && !seen[i] {
			out.add(&place{up: at, name: strconv.AppendQuote(nil, f.name)}, "required")
		}
		for _, other := range sh.depends[sh.fields[i].name] {
			if seen[i] && !seen[other] {
				out.add(&place{up: at, name: strconv.AppendQuote(nil, sh.fields[other].name)}, "required beside "+sh.fields[i].name)
			}
		}
	}
	if message := sh.count(n, "fields"); message != "" {
		out.add(at, message)
	}
}

// scalar judges whatever is no object or array of this shape.
func (sh *shape) scalar(value []byte, out *faults) []string {
	var messages []string
	switch first := value[0]; {
	case sh.kind == anything:
	case sh.kind == boolean && (first == 't' || first == 'f'):
	case (sh.kind == integer || sh.kind == number) && (first == '-' || '0' <= first && first <= '9'):
		messages = sh.number(string(value), out)
	case (sh.kind == text || sh.kind == encoded) && first == '"':
		messages = sh.string(unquote(value), out)
	default:
		return []string{sh.expected()}
	}
	if sh.own == nil || messages != nil {
		return messages
	}
	if err := json.Unmarshal(value, reflect.New(sh.own).Interface()); err != nil {
		return []string{"cannot be read: " + err.Error()}
	}
	return nil
}

// number judges a number as JSON writes it.
func (sh *shape) number(s string, out *faults) []string {
	var v float64
	var err error
	switch {
	case sh.kind == number:
		v, err = strconv.ParseFloat(s, sh.bits)
	case sh.unsigned:
		var n uint64
		n, err = strconv.ParseUint(s, 10, sh.bits)
		v = float64(n)
	default:
		var n int64
		n, err = strconv.ParseInt(s, 10, sh.bits)
		v = float64(n)
	}
	switch {
	case errors.Is(err, strconv.ErrRange), err != nil && sh.unsigned && s[0] == '-':
		return []string{"out of range"}
	case err != nil:
		return []string{sh.expected()}
	}
	return sh.judge(v, out)
}

func (sh *shape) string(s string, out *faults) []string {
	if sh.kind == encoded {
		if _, err := base64.StdEncoding.DecodeString(s); err != nil {
			return []string{sh.expected()}
		}
	}
	return sh.judge(s, out)
}

// judge has huma apply what the tags say of a scalar.
func (sh *shape) judge(v any, out *faults) []string {
	if sh.rules == nil {
		return nil
	}
	out.result.Reset()
	huma.Validate(nil, sh.rules, &out.path, huma.ModeWriteToServer, v, &out.result)
	var messages []string
	for _, err := range out.result.Errors {
		messages = append(messages, err.(*huma.ErrorDetail).Message)
	}
	return messages
}
