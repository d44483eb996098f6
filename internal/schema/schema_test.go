package schema

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tandem-go/tandem/internal/schema/testdata/other"
)

// walk builds what a cursor sees.
func walk(c *cursor) any {
	switch c.first() {
	case '{':
		m := map[string]any{}
		for c.enter(); c.more(); {
			name := unquote(c.name())
			m[name] = walk(c)
		}
		return m
	case '[':
		list := []any{}
		for c.enter(); c.more(); {
			list = append(list, walk(c))
		}
		return list
	case '"':
		return unquote(c.value())
	}
	var v any
	if err := json.Unmarshal(c.value(), &v); err != nil {
		panic(err)
	}
	return v
}

// FuzzCursor: whatever encoding/json takes, the cursor walks to its end, sees the same, and steps over as a whole.
func FuzzCursor(f *testing.F) {
	for _, seed := range []string{`{"a":[1,{"b":null}],"a\"\\":"]}"}`, ` [ ] `, `"\\"`, `-0.5e+3`, "\t{\"\\u0061\" :\ntrue , \"\":{}}\r"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var want any
		if !utf8.Valid(text) || json.Unmarshal(text, &want) != nil {
			return // as the view does
		}
		c := &cursor{text: text}
		if got := walk(c); !reflect.DeepEqual(got, want) {
			t.Errorf("%q: saw %#v, want %#v", text, got, want)
		}
		if c.space(); c.at != len(text) {
			t.Errorf("%q: ends at %d", text, c.at)
		}
		c = &cursor{text: text}
		if got, want := string(c.value()), strings.Trim(string(text), " \t\r\n"); got != want {
			t.Errorf("%q: the value is %q", text, got)
		}
	})
}

// FuzzCheck: what a shape passes can be decoded, and the same is passed again when it is written by encoding/json.
func FuzzCheck(f *testing.F) {
	type inner struct {
		A int8              `json:"a"`
		B *uint64           `json:"b"`
		C map[string][]bool `json:"c"`
		D *inner            `json:"d"`
		E []byte            `json:"e"`
		F string            `json:"f" enum:"x,y"`
		G [2]float32        `json:"g"`
	}
	in := NewInput(NewRegistry(), reflect.TypeFor[inner]())
	f.Add([]byte(`{"a":1,"b":null,"c":{"k":[true,null]},"d":{"a":-128,"b":1,"c":null,"d":null,"e":"","f":"y","g":[0,1]},"e":"YQ==","f":"x","g":[1e3,-0]}`))
	f.Add([]byte(`{"a":128,"a":1,"c":{"k":1,"k":2},"b":-1,"e":"YQ","f":"z","g":[1,2,3],"h":{}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if !utf8.Valid(text) || !json.Valid(text) {
			return
		}
		var v, again inner
		faults := in.Read(reflect.ValueOf(&v).Elem(), nil, nil, text)
		if len(faults) > MaxFaults {
			t.Errorf("%d faults", len(faults))
		}
		for _, f := range faults {
			if f.Message == "" || len(f.Message) > 200 || len(f.Field) > 200*maxWay {
				t.Errorf("%q: %+v", text, f)
			}
		}
		if faults != nil {
			return
		}
		written, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		if faults := in.Read(reflect.ValueOf(&again).Elem(), nil, nil, written); faults != nil || !reflect.DeepEqual(v, again) {
			t.Errorf("%q was read as %s, of which it says %+v", text, written, faults)
		}
	})
}

type Item struct {
	Mine int `json:"mine"`
}

// hue describes itself.
type hue string

func (hue) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Enum: []any{"red", "blue"}}
}

func TestTypesOfOneNameHaveTwoNames(t *testing.T) {
	r := NewRegistry()
	first, second := r.Of(reflect.TypeFor[Item]()), r.Of(reflect.TypeFor[[]other.Item]())
	if first.Ref != Prefix+"Item" || second.Items.Ref != Prefix+"OtherItem" || len(r.Map()) != 2 {
		t.Errorf("%s and %s of %v", first.Ref, second.Items.Ref, r.Map())
	}
	if r.TypeFromRef(second.Items.Ref) != reflect.TypeFor[other.Item]() || r.SchemaFromRef(first.Ref).Properties["mine"] == nil {
		t.Error("they are mixed up")
	}
	if again := r.Of(reflect.TypeFor[*Item]()); again.AnyOf[0].Ref != first.Ref || len(r.Map()) != 2 {
		t.Errorf("%+v", again)
	}
}

func TestATypeMayDescribeItself(t *testing.T) {
	type in struct {
		Hue hue `json:"hue"`
	}
	input := NewInput(NewRegistry(), reflect.TypeFor[in]())
	var v in
	read := func(text string) []Fault { return input.Read(reflect.ValueOf(&v).Elem(), nil, nil, []byte(text)) }
	if faults := read(`{"hue":"red"}`); faults != nil || v.Hue != "red" {
		t.Errorf("%+v, %q", faults, v.Hue)
	}
	if faults := read(`{"hue":"green"}`); len(faults) != 1 || faults[0].Message != `expected value to be one of "red, blue"` {
		t.Errorf("%+v", faults)
	}
}

func TestRulesBetweenFields(t *testing.T) {
	type card struct {
		ID     int64          `json:"id" readOnly:"true"`
		Number string         `json:"number,omitempty" dependentRequired:"expires"`
		Expire string         `json:"expires,omitempty"`
		Limits map[string]int `json:"limits,omitempty" minProperties:"1" maxProperties:"2"`
	}
	in := NewInput(NewRegistry(), reflect.TypeFor[card]())
	for text, want := range map[string]string{
		`{}`:                                   "", // what is read only need not be sent
		`{"number":"1","expires":"2"}`:         "",
		`{"expires":"2"}`:                      "",
		`{"number":"1"}`:                       "expires: required beside number",
		`{"limits":{}}`:                        "limits: expected at least 1 fields",
		`{"limits":{"a":1,"b":2,"c":3}}`:       "limits: expected at most 2 fields",
		`{"limits":{"a":1.5},"id":"1"}`:        "limits.a: expected integer\nid: expected integer",
		`{"limits":{"a":9223372036854775808}}`: "limits.a: out of range",
	} {
		var v card
		var got []string
		for _, f := range in.Read(reflect.ValueOf(&v).Elem(), nil, nil, []byte(text)) {
			got = append(got, f.Field+": "+f.Message)
		}
		if g := strings.Join(got, "\n"); g != want {
			t.Errorf("%s: %q, want %q", text, g, want)
		}
	}
}

func TestPlacesAreToldInBounds(t *testing.T) {
	var deep *place
	for range 100 {
		deep = &place{up: deep, name: []byte(`"a"`)}
	}
	if got := deep.String(); got != strings.TrimSuffix(strings.Repeat("a.", maxWay), ".") {
		t.Errorf("%q", got)
	}
	long := &place{up: &place{index: 7}, name: []byte(`"` + strings.Repeat("é", 200) + `"`)}
	if got := long.String(); got != `[7]["`+strings.Repeat("é", maxText/2)+`…"]` {
		t.Errorf("%q", got)
	}
}
