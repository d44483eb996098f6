package schema

import (
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/textproto"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
)

// Carrier is what an input comes in, but for query and body.
type Carrier interface {
	PathValue(name string) string
	Header() http.Header
	Cookie(name string) (*http.Cookie, error)
}

// Input is the description of a struct that a request is read into.
type Input struct {
	Params []Param
	Body   *huma.Schema // nil if none is read

	typ       reflect.Type
	registry  *Registry
	needQuery bool
	bodyIndex []int // nil: the struct is the body
	body      *shape
}

// Param is one parameter.
type Param struct {
	In, Name string
	Required bool
	Schema   *huma.Schema

	index    []int
	shape    *shape // of one value
	list     *shape // of the slice, if the parameter may be repeated
	fallback string // the default
}

// places are the struct tags that make a field a parameter.
var places = []string{"path", "query", "header", "cookie"}

// NewInput describes the struct t. Its fields with the tags path, query, header or cookie are parameters, and one
// called Body, without a json tag, is the body; a struct that has neither is the body itself, and an empty one takes
// nothing. It panics, naming the type, where something cannot be described.
func NewInput(r *Registry, t reflect.Type) *Input {
	if t.Kind() != reflect.Struct {
		panic(fmt.Sprintf("%v cannot be an input: it must be a struct (a field Body can hold any type)", t))
	}
	in := &Input{typ: t, registry: r}
	c := &compiler{r, map[*huma.Schema]*shape{}}
	var untagged []string
	for _, f := range reflect.VisibleFields(t) {
		_, isJSON := f.Tag.Lookup("json")
		where, name := placeOf(f)
		switch {
		case where != "" && f.IsExported():
			in.Params = append(in.Params, c.param(t, f, where, name))
			in.needQuery = in.needQuery || where == "query"
		case where != "":
			panic(fmt.Sprintf("%v cannot be an input: its field %s is a parameter but not exported", t, f.Name))
		case f.Name == "Body" && len(f.Index) == 1 && !isJSON:
			in.bodyIndex = f.Index
			in.Body = r.Of(f.Type)
		case f.Anonymous && f.Type.Kind() == reflect.Struct, !f.IsExported() && len(f.Index) > 1:
		default:
			untagged = append(untagged, f.Name)
		}
	}
	switch {
	case len(untagged) == 0:
	case in.Params == nil && in.Body == nil:
		in.Body = r.Of(t)
	default:
		panic(fmt.Sprintf("%v cannot be an input: beside parameters or a Body its field %s needs one of the tags %s",
			t, untagged[0], strings.Join(places, ", ")))
	}
	if in.Body != nil {
		in.body = c.of(in.Body)
	}
	return in
}

func placeOf(f reflect.StructField) (where, name string) {
	for _, where := range places {
		if name, ok := f.Tag.Lookup(where); ok {
			return where, name
		}
	}
	return "", ""
}

func (c *compiler) param(t reflect.Type, f reflect.StructField, where, name string) Param {
	refuse := func(why string) {
		panic(fmt.Sprintf("%v cannot be an input: its field %s %s", t, f.Name, why))
	}
	p := Param{In: where, Name: name, index: f.Index, Required: where == "path" || f.Tag.Get("required") == "true"}
	if where == "header" {
		p.Name = textproto.CanonicalMIMEHeaderKey(name)
	}
	if name == "" {
		refuse("has an empty tag " + where)
	}
	for outer, i := t, 0; i < len(f.Index)-1; i++ {
		if outer = outer.Field(f.Index[i]).Type; outer.Kind() == reflect.Pointer {
			refuse("is in an embedded pointer")
		}
	}
	func() {
		defer func() { c.blame(recover(), t) }()
		p.Schema = huma.SchemaFromField(c.Registry, f, "")
	}()
	if p.Schema.Format == "date-time-http" {
		p.Schema.Format = "date-time" // what time.Time reads, in a header too
	}
	p.fallback = f.Tag.Get("default")
	p.shape = c.of(p.Schema)
	if p.shape.kind == array {
		p.list, p.shape = p.shape, p.shape.item
		if where != "query" || p.fallback != "" || p.list.unique {
			refuse("cannot be such a slice: only a query parameter can, without default and uniqueItems")
		}
	}
	p.Schema.Nullable = false // it is given or it is not
	elem := f.Type
	if p.list != nil {
		elem = elem.Elem()
	}
	switch p.shape.kind {
	case boolean, integer, number, text:
	default:
		refuse("must be a string, boolean, number, or have UnmarshalText")
	}
	if p.fallback != "" {
		if p.Required {
			refuse("is required, and has a default")
		}
		if wrong := p.shape.word(p.fallback, reflect.New(elem).Elem(), new(faults)); wrong != nil {
			refuse("has the default " + p.fallback + ": " + wrong[0])
		}
	}
	return p
}

// Type is the struct's.
func (in *Input) Type() reflect.Type { return in.typ }

// Query says whether the query is to be parsed.
func (in *Input) Query() bool { return in.needQuery }

// Optional says whether the body may be missing.
func (in *Input) Optional() bool { return in.body.nullable }

// Read fills the struct, or says what is wrong with the parameters and the body. The query may be nil where [Input.Query]
// is false. The body is a JSON text that is known to be valid; nil where there is none.
func (in *Input) Read(into reflect.Value, from Carrier, query url.Values, body []byte) []Fault {
	var out faults
	for i := range in.Params {
		in.Params[i].read(into, from, query, &out)
	}
	if body == nil {
		return out.list
	}
	out.in = "body"
	in.body.check(&cursor{text: body}, nil, &out)
	if out.list != nil {
		return out.list
	}
	if in.bodyIndex != nil {
		into = into.FieldByIndex(in.bodyIndex)
	}
	if err := json.Unmarshal(body, into.Addr().Interface()); err != nil {
		out.addUnmarshal(err) // what no schema can tell, such as a number in an any that is beyond float64
	}
	return out.list
}

func (out *faults) addUnmarshal(err error) {
	f := Fault{In: "body", Message: clip(err.Error())}
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		f.Field, f.Message = clip(wrong.Field), clip("cannot be a "+wrong.Value)
	}
	out.list = append(out.list, f)
}

func (p *Param) read(into reflect.Value, from Carrier, query url.Values, out *faults) {
	var value string
	given := true
	switch p.In {
	case "path":
		value = from.PathValue(p.Name)
	case "header":
		values := from.Header()[p.Name]
		if given = len(values) > 0; given {
			value = values[0]
		}
	case "cookie":
		c, err := from.Cookie(p.Name)
		if given = err == nil; given {
			value = c.Value
		}
	case "query":
		values := query[p.Name]
		if p.list != nil && len(values) > 0 {
			p.readMany(into, values, out)
			return
		}
		if given = len(values) > 0; given {
			value = values[0]
		}
	}
	if !given && p.fallback == "" {
		if p.Required {
			p.fault(out, "required")
		}
		return
	}
	if !given {
		value = p.fallback
	}
	p.fault(out, p.shape.word(value, into.FieldByIndex(p.index), out)...)
}

func (p *Param) readMany(into reflect.Value, values []string, out *faults) {
	all := reflect.MakeSlice(into.FieldByIndex(p.index).Type(), len(values), len(values))
	for i, value := range values {
		p.fault(out, p.shape.word(value, all.Index(i), out)...)
		if out.full() {
			return
		}
	}
	if message := p.list.count(len(values), "values"); message != "" {
		p.fault(out, message)
	}
	into.FieldByIndex(p.index).Set(all)
}

func (p *Param) fault(out *faults, messages ...string) {
	for _, m := range messages {
		if !out.full() {
			out.list = append(out.list, Fault{p.In, p.Name, clip(m)})
		}
	}
}

// word judges a parameter, and sets v to it.
func (sh *shape) word(s string, v reflect.Value, out *faults) []string {
	if !utf8.ValidString(s) {
		return []string{"expected UTF-8"}
	}
	var messages []string
	switch sh.kind {
	case boolean:
		if s != "true" && s != "false" {
			return []string{sh.expected()}
		}
	case integer, number:
		if !json.Valid([]byte(s)) || s[0] != '-' && (s[0] < '0' || s[0] > '9') {
			return []string{sh.expected()}
		}
		messages = sh.number(s, out)
	default:
		messages = sh.string(s, out)
	}
	if messages != nil {
		return messages
	}
	if err := set(v, s); err != nil {
		return []string{"cannot be read: " + err.Error()}
	}
	return nil
}

// set gives v what a parameter's text means; the text has been judged.
func set(v reflect.Value, s string) error {
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		return set(v.Elem(), s)
	}
	if u, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		return u.UnmarshalText([]byte(s))
	}
	switch k := v.Kind(); {
	case k == reflect.String:
		v.SetString(s)
	case k == reflect.Bool:
		v.SetBool(s == "true")
	case isInt(k):
		n, err := strconv.ParseInt(s, 10, v.Type().Bits())
		v.SetInt(n)
		return err
	case isUint(k):
		n, err := strconv.ParseUint(s, 10, v.Type().Bits())
		v.SetUint(n)
		return err
	default:
		n, err := strconv.ParseFloat(s, v.Type().Bits())
		v.SetFloat(n)
		return err
	}
	return nil
}
