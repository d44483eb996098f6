// Package schema describes Go types as JSON Schemas and checks input against them.
//
// The invariant: what a schema allows is what encoding/json can put into the type, and checking costs no more memory
// than the input has, however wrong it is.
//
// The rules come from struct tags in the vocabulary of github.com/danielgtaylor/huma (minLength, maximum, enum,
// pattern, format, default, required, doc, example, …), which also makes the schemas and judges scalars.
package schema

import (
	"encoding"
	"encoding/json"
	"fmt"
	"net"
	"path"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// Prefix is where a document keeps the schemas that have names.
const Prefix = "#/components/schemas/"

var (
	timeType        = reflect.TypeFor[time.Time]()
	ipType          = reflect.TypeFor[net.IP]()
	numberType      = reflect.TypeFor[json.Number]()
	rawType         = reflect.TypeFor[json.RawMessage]()
	providerType    = reflect.TypeFor[huma.SchemaProvider]()
	transformerType = reflect.TypeFor[huma.SchemaTransformer]()
	jsonTypes       = []reflect.Type{reflect.TypeFor[json.Unmarshaler](), reflect.TypeFor[json.Marshaler]()}
	textTypes       = []reflect.Type{reflect.TypeFor[encoding.TextUnmarshaler](), reflect.TypeFor[encoding.TextMarshaler]()}
	unmarshalTypes  = []reflect.Type{jsonTypes[0], textTypes[0]}
)

// Registry keeps the schemas of named types, once each. Unlike huma's own it knows what encoding/json makes of a
// type, gives two types of one name two names, and describes types that contain themselves in any way.
type Registry struct {
	schemas map[string]*huma.Schema
	names   map[reflect.Type]string
	types   map[string]reflect.Type
	goTypes map[*huma.Schema]reflect.Type // what a schema was made of
	path    []reflect.Type                // what is being described, outermost first
	refused bool                          // the panic under way is ours
}

// NewRegistry makes an empty one. It is for one goroutine.
func NewRegistry() *Registry {
	return &Registry{
		schemas: map[string]*huma.Schema{}, names: map[reflect.Type]string{},
		types: map[string]reflect.Type{}, goTypes: map[*huma.Schema]reflect.Type{},
	}
}

var _ huma.Registry = (*Registry)(nil)

// Of describes a type; named structs and the like by reference. It panics, naming the type, where that cannot be done.
func (r *Registry) Of(t reflect.Type) *huma.Schema { return r.Schema(t, true, "") }

// Schema is huma's way to ask for a type's schema.
func (r *Registry) Schema(t reflect.Type, allowRef bool, _ string) *huma.Schema {
	base := deref(t)
	nullable := t != base
	r.path = append(r.path, base)
	defer func() {
		r.blame(recover(), base)
		r.path = r.path[:len(r.path)-1]
	}()

	var s *huma.Schema
	if named(base) {
		name, known := r.names[base]
		if !known {
			name = r.nameOf(base)
			r.names[base], r.types[name] = name, base
			r.schemas[name] = &huma.Schema{} // so that it can refer to itself
			*r.schemas[name] = *r.describe(base)
			r.goTypes[r.schemas[name]] = base
		}
		if !allowRef {
			return r.schemas[name]
		}
		s = &huma.Schema{Ref: Prefix + name}
		if nullable {
			s = &huma.Schema{AnyOf: []*huma.Schema{s, {Type: "null"}}}
		}
	} else {
		s = r.describe(base)
		s.Nullable = s.Type != "" && (s.Nullable || nullable || canBeNil(base))
	}
	r.goTypes[s] = base
	return s
}

// describe makes the schema of a type that is no pointer.
func (r *Registry) describe(t reflect.Type) *huma.Schema {
	switch {
	case implements(t, providerType):
		return huma.SchemaFromType(r, t)
	case t == timeType:
		return &huma.Schema{Type: huma.TypeString, Format: "date-time"}
	case t == ipType:
		return &huma.Schema{Type: huma.TypeString, Format: "ip"}
	case t == numberType:
		return &huma.Schema{Type: huma.TypeNumber}
	case t == rawType, implements(t, jsonTypes...):
		return &huma.Schema{} // its own code writes it, and may write anything
	case implements(t, textTypes...):
		return &huma.Schema{Type: huma.TypeString}
	}
	var omitted []string
	switch t.Kind() {
	case reflect.Chan, reflect.Func, reflect.Complex64, reflect.Complex128, reflect.UnsafePointer, reflect.Uintptr:
		r.refuse(t, "JSON has nothing like it")
	case reflect.Struct:
		omitted = r.checkFields(t)
	case reflect.Map:
		if k := t.Key().Kind(); k != reflect.String && !isInt(k) && !isUint(k) && !implements(t.Key(), textTypes...) {
			r.refuse(t, "its keys cannot be names")
		}
	}
	for i := len(r.path) - 2; i >= 0 && !named(r.path[i]); i-- {
		if r.path[i] == t {
			r.refuse(t, "it contains itself with no named struct between")
		}
	}
	if implements(t, transformerType) {
		r.refuse(t, "TransformSchema is not supported: let it have a method Schema")
	}
	s := huma.SchemaFromType(r, t)
	for name, p := range s.Properties {
		// What refers to another schema says so itself; what is left out where it is nil is never null.
		p.Nullable = p.Nullable && p.Type != "" && !slices.Contains(omitted, name)
	}
	if low, high, ok := bounds(t.Kind()); ok {
		s.Minimum, s.Maximum = &low, &high
		s.PrecomputeMessages()
	}
	return s
}

// checkFields refuses what encoding/json would treat otherwise than the schema says. It returns the names of fields that
// are left out where they are empty.
func (r *Registry) checkFields(t reflect.Type) (omitted []string) {
	names := map[string]bool{}
	for _, f := range reflect.VisibleFields(t) {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous && !f.IsExported():
			r.refuse(t, "the type of the embedded "+f.Name+" is not exported")
		case f.Anonymous && name == "", !f.IsExported(), name == "-" && options == "":
			continue
		case name == "":
			name = f.Name
		}
		if names[name] {
			r.refuse(t, "two of its fields are called "+strconv.Quote(name))
		}
		names[name] = true
		for _, option := range strings.Split(options, ",") {
			switch option {
			case "string":
				r.refuse(t, "the option \"string\" of field "+f.Name+" is not supported")
			case "omitempty", "omitzero":
				if f.Tag.Get("nullable") != "true" {
					omitted = append(omitted, name)
				}
			}
		}
	}
	return omitted
}

// refuse panics with the way to what cannot be described.
func (r *Registry) refuse(t reflect.Type, why string) {
	r.refused = true
	var way []string
	for _, outer := range r.path {
		way = append(way, outer.String())
	}
	in := ""
	if len(way) > 1 {
		in = " (in " + strings.Join(way, ", ") + ")"
	}
	panic(fmt.Sprintf("%v cannot be described as JSON%s: %s", t, in, why))
}

// blame passes a panic on, with the type's name: huma's own, of a malformed tag, have none.
func (r *Registry) blame(panicked any, t reflect.Type) {
	switch {
	case panicked == nil:
	case r.refused:
		panic(panicked)
	default:
		r.refuse(t, fmt.Sprint(panicked))
	}
}

// nameOf gives a type a name that no other has.
func (r *Registry) nameOf(t reflect.Type) string {
	name := huma.DefaultSchemaNamer(t, "")
	if r.types[name] != nil {
		pkg := path.Base(t.PkgPath())
		name = strings.ToUpper(pkg[:1]) + strings.Map(wordOnly, pkg[1:]) + name
	}
	for base, n := name, 2; r.types[name] != nil; n++ {
		name = base + strconv.Itoa(n)
	}
	return name
}

func wordOnly(c rune) rune {
	if c == '_' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' {
		return c
	}
	return -1
}

// SchemaFromRef finds the schema that a reference means.
func (r *Registry) SchemaFromRef(ref string) *huma.Schema {
	return r.schemas[strings.TrimPrefix(ref, Prefix)]
}

// TypeFromRef finds the type that a reference means.
func (r *Registry) TypeFromRef(ref string) reflect.Type {
	return r.types[strings.TrimPrefix(ref, Prefix)]
}

// Map gives all schemas that have names.
func (r *Registry) Map() map[string]*huma.Schema { return r.schemas }

// MarshalJSON writes the schemas by their names.
func (r *Registry) MarshalJSON() ([]byte, error) { return json.Marshal(r.schemas) }

// RegisterTypeAlias is huma's; nothing here asks for it.
func (r *Registry) RegisterTypeAlias(t, _ reflect.Type) {
	r.refuse(t, "aliases are not supported")
}

// named says whether a type's schema is kept under a name: structs, which may contain themselves.
func named(t reflect.Type) bool {
	if t.Name() == "" || t == timeType || implements(t, providerType) || implements(t, jsonTypes...) || implements(t, textTypes...) {
		return false
	}
	return t.Kind() == reflect.Struct && t.NumField() > 0
}

func implements(t reflect.Type, interfaces ...reflect.Type) bool {
	if t.Kind() == reflect.Interface {
		return false
	}
	for _, i := range interfaces {
		if t.Implements(i) || reflect.PointerTo(t).Implements(i) {
			return true
		}
	}
	return false
}

func deref(t reflect.Type) reflect.Type {
	for range 8 {
		if t.Kind() != reflect.Pointer {
			return t
		}
		t = t.Elem()
	}
	panic(fmt.Sprintf("%v cannot be described as JSON: it points to itself", t))
}

func canBeNil(t reflect.Type) bool {
	return t.Kind() == reflect.Slice || t.Kind() == reflect.Map
}

func isInt(k reflect.Kind) bool  { return reflect.Int <= k && k <= reflect.Int64 }
func isUint(k reflect.Kind) bool { return reflect.Uint <= k && k <= reflect.Uint64 }

// bounds are those of the integers that a float64 can tell exactly.
func bounds(k reflect.Kind) (low, high float64, ok bool) {
	switch k {
	case reflect.Int8:
		return -1 << 7, 1<<7 - 1, true
	case reflect.Int16:
		return -1 << 15, 1<<15 - 1, true
	case reflect.Int32:
		return -1 << 31, 1<<31 - 1, true
	case reflect.Uint8:
		return 0, 1<<8 - 1, true
	case reflect.Uint16:
		return 0, 1<<16 - 1, true
	case reflect.Uint32:
		return 0, 1<<32 - 1, true
	}
	return 0, 0, false
}
