package view_test

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/tandem-go/tandem/view"
)

func typedOf[In, Out any](opts ...view.TypedOption) func() {
	return func() {
		view.Path("/{id}", view.JSONViewSync(func(*view.Request, In) (o Out, err error) { return o, nil }, opts...))
	}
}

type (
	withChan     struct{ C chan int }
	withFunc     struct{ Deep []map[string]withInner }
	withInner    struct{ F func() }
	list         []list
	withList     struct{ Body list }
	self         *self
	tree         struct{ Left, Right *tree }
	reader       struct{ R io.Reader }
	intKeys      struct{ M map[int]int }
	quotedNumber struct {
		N int `json:"n,string"`
	}
	twins struct {
		A int `json:"B"`
		B int
	}
	hiddenBase struct{ base }
	base       struct{ A int }
	defaulted  struct {
		A int `json:"a" default:"1"`
	}
	badPattern struct {
		A string `json:"a" pattern:"("`
	}
	badMinimum struct {
		A int `json:"a" minimum:"few"`
	}
	unexported struct {
		a int `query:"a"`
	}
	untagged struct {
		A int `query:"a"`
		B int
	}
	sliceInPath struct {
		A []int `path:"id"`
	}
	structInQuery struct {
		A tree `query:"a"`
	}
	badDefault struct {
		A uint8 `query:"a" default:"300"`
	}
	requiredDefault struct {
		A int `query:"a" default:"3" required:"true"`
	}
	noName struct {
		A int `query:""`
	}
	notInPattern struct {
		A int `path:"slug"`
	}
)

func TestTypesThatCannotBeDescribedAreRefusedWhereTheyAreGiven(t *testing.T) {
	_ = unexported{}.a
	for _, test := range []struct {
		give func()
		want []string // in the panic
	}{
		{typedOf[int, int](), []string{"int cannot be an input: it must be a struct"}},
		{typedOf[withChan, int](), []string{"chan int", "withChan"}},
		{typedOf[withFunc, int](), []string{"func()", "withFunc", "withInner"}},
		{typedOf[view.None, withFunc](), []string{"func()", "withFunc", "withInner"}},
		{typedOf[withList, int](), []string{"view_test.list", "contains itself"}},
		{typedOf[view.None, self](), []string{"self", "points to itself"}},
		{typedOf[reader, int](), []string{"io.Reader", "not known what would be behind it"}},
		{typedOf[intKeys, int](), []string{"map[int]int", "keys must be strings"}},
		{typedOf[quotedNumber, int](), []string{"quotedNumber", `option "string" of field N`}},
		{typedOf[twins, int](), []string{"twins", `called "B"`}},
		{typedOf[hiddenBase, int](), []string{"hiddenBase", "embedded base is not exported"}},
		{typedOf[defaulted, int](), []string{"defaulted", "field A has the tag default"}},
		{typedOf[badPattern, int](), []string{"badPattern", "missing closing )"}},
		{typedOf[badMinimum, int](), []string{"badMinimum", "few"}},
		{typedOf[unexported, int](), []string{"unexported", "field a is a parameter but not exported"}},
		{typedOf[untagged, int](), []string{"untagged", "field B needs one of the tags path, query, header, cookie"}},
		{typedOf[sliceInPath, int](), []string{"sliceInPath", "field A cannot be such a slice"}},
		{typedOf[structInQuery, int](), []string{"structInQuery", "field A must be a string"}},
		{typedOf[badDefault, int](), []string{"badDefault", "field A has the default 300: out of range"}},
		{typedOf[requiredDefault, int](), []string{"requiredDefault", "required, and has a default"}},
		{typedOf[noName, int](), []string{"noName", "field A has an empty tag query"}},
		{typedOf[notInPattern, int](), []string{"notInPattern", `wants "slug" from the path, and /{id} has no {slug}`}},
		{typedOf[view.None, int](view.Answers(404)), []string{"int", "404"}},
		{typedOf[view.None, int](view.Answers(204)), []string{"int", "204"}},
		{func() { view.JSONView[view.None, int](nil) }, []string{"typed view is nil"}},
		{func() { view.Path("/", view.Typed{}) }, []string{"empty Typed"}},
		{func() { view.Describe[withChan, int]() }, []string{"chan int"}},
		{func() { view.Path("/it", view.JSONView(postAsync), view.Describe[view.None, int]()) }, []string{"the view of /it takes view_test.post, not struct {}"}},
	} {
		func() {
			defer func() {
				if msg := fmt.Sprint(recover()); !hasAll(msg, test.want...) {
					t.Errorf("panic %q, want %q in it", msg, test.want)
				}
			}()
			test.give()
		}()
	}
}

func TestATypeMayContainItselfThroughAStruct(t *testing.T) {
	s := newSite(t, 1, []view.Route{view.Path("/", view.JSONView(func(_ context.Context, _ *view.Request, v tree) (tree, error) { return v, nil }))})
	post := func(body string) string { return s.do(newPost("/", body)).Body.String() }
	if got := post(`{"Left":{"Left":null,"Right":null},"Right":null}`); got != `{"Left":{"Left":null,"Right":null},"Right":null}` {
		t.Errorf("%s", got)
	}
	got := post(`{"Left":{"Left":{"Left":7,"Right":null},"Right":null},"Right":null}`)
	if !strings.Contains(got, `{"in":"body","field":"Left.Left.Left","message":"expected object"}`) {
		t.Errorf("%s", got)
	}
	// As deep as encoding/json goes, and told in bounds.
	deep := strings.Repeat(`{"Right":null,"Left":`, 9_000) + "true" + strings.Repeat("}", 9_000)
	if got := post(deep); len(got) > 1000 || !strings.Contains(got, "expected object") {
		t.Errorf("%.2000s", got)
	}
}
