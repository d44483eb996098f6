package websocket

import (
	"reflect"
	"testing"
)

func TestExtensionsAreReadByTheGrammar(t *testing.T) {
	for list, want := range map[string][]extension{
		"a":              {{name: "a"}},
		" a , b ":        {{name: "a"}, {name: "b"}},
		", a,,b\t,":      {{name: "a"}, {name: "b"}},
		"a;x":            {{"a", []parameter{{name: "x", bare: true}}}},
		"a ; x = 1 ;y":   {{"a", []parameter{{name: "x", value: "1"}, {name: "y", bare: true}}}},
		`a;x="1\2", b`:   {{"a", []parameter{{name: "x", value: "12"}}}, {name: "b"}},
		"a;x=1;x=2":      {{"a", []parameter{{name: "x", value: "1"}, {name: "x", value: "2"}}}},
		"":               nil,
		" , ":            nil,
		"a;":             nil,
		"a;;x":           nil,
		"a;=1":           nil,
		"a;x=":           nil,
		`a;x=""`:         nil,
		`a;x="1`:         nil,
		`a;x="1\`:        nil,
		`a;x="1 2"`:      nil,
		`a;x="1"2`:       nil,
		"a b":            nil,
		"a;x=1 2":        nil,
		"a=1":            nil,
		"(a)":            nil,
		"\u00e9":         nil,
		"a;x=1;\x00y":    nil,
		"a;x=\"\u00e9\"": nil,
	} {
		got, ok := extensions(list)
		if ok != (want != nil) || ok && !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %+v, %v; want %+v", list, got, ok, want)
		}
	}
}

// Whatever is offered, what is agreed on is an offer that agrees to the same.
func FuzzOffers(f *testing.F) {
	for _, list := range []string{
		"permessage-deflate", "permessage-deflate; server_max_window_bits=10; client_max_window_bits",
		`x;y="z\"", permessage-deflate;client_no_context_takeover ;server_max_window_bits="8"`, ",;=\"\\", "a;b=c d",
	} {
		f.Add(list)
	}
	f.Fuzz(func(t *testing.T, list string) {
		offers, ok := extensions(list)
		if !ok && offers != nil {
			t.Errorf("%q is malformed, and has %+v", list, offers)
		}
		d, said := agree(offers)
		if d == nil {
			return
		}
		again, ok := extensions(said)
		if twice, _ := agree(again); !ok || len(again) != 1 || twice == nil || *twice != *d {
			t.Errorf("%q: agreed on %q, which is %+v", list, said, again)
		}
	})
}
