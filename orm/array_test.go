package orm_test

import (
	"slices"
	"testing"

	"github.com/tandem-go/tandem/orm"
)

func TestTextsOfAnArray(t *testing.T) {
	for text, want := range map[string][]string{
		`{}`:                     {},
		`{a,b}`:                  {"a", "b"},
		`{"",(,[x,"{","a\"b\\"}`: {"", "(", "[x", "{", `a"b\`},
		`{NULL,"NULL",null}`:     {"<nil>", "NULL", "null"},
		`{a`:                     nil,
		`a}`:                     nil,
		`{`:                      nil,
		``:                       nil,
		`{a,}`:                   nil,
		`{"a}`:                   nil,
		`{"a"b}`:                 nil,
		`{a"b}`:                  nil,
		`{{a},{b}}`:              nil,
		`[0:1]={a,b}`:            nil,
	} {
		all, err := orm.Texts(text)
		var got []string
		for _, one := range all {
			if one == nil {
				got = append(got, "<nil>")
			} else {
				got = append(got, *one)
			}
		}
		if (err != nil) != (want == nil) || !slices.Equal(got, want) && err == nil {
			t.Errorf("%s: %q, %v; want %q", text, got, err, want)
		}
	}
}
