package orm_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/tandem-go/tandem/orm"
)

// Folk refer to each other in every way.
type Folk struct {
	ID     int64           `bun:",pk"`
	Parent orm.Ref[Folk]   `bun:"parent_id" json:",omitzero"`
	Friend orm.Ref[Folk]   `bun:"friend_id" json:",omitzero"`
	Kids   orm.Refs[Folk]  `bun:"-" orm:"by:Parent" json:",omitzero"`
	Grown  bool            `json:",omitempty"`
	Named  orm.Ref[Editor] `bun:"editor" json:",omitzero"`
}

func TestJSONOfRowsEnds(t *testing.T) {
	alone := &Folk{ID: 1}
	alone.Friend.Set(alone)

	a, b, c := &Folk{ID: 1}, &Folk{ID: 2}, &Folk{ID: 3}
	a.Friend.Set(b)
	b.Friend.Set(c)
	c.Friend.Set(a)

	twice := &Folk{ID: 1}
	twice.Friend.Set(&Folk{ID: 2})
	twice.Parent.Set(twice.Friend.Must())

	unsaved := &Folk{}
	unsaved.Friend.Set(unsaved)

	for _, c := range []struct {
		name string
		row  any
		want string
	}{
		{"nothing", &Folk{ID: 1}, `{"ID":1}`},
		{"a key", &Folk{ID: 1, Friend: orm.RefKey[Folk](2), Named: orm.RefKey[Editor]("<ed>")}, `{"ID":1,"Friend":2,"Named":"\u003ced\u003e"}`},
		{"of itself", alone, `{"ID":1,"Friend":{"ID":1,"Friend":1}}`},
		{"a ring", a, `{"ID":1,"Friend":{"ID":2,"Friend":{"ID":3,"Friend":{"ID":1,"Friend":2}}}}`},
		{"by value", *a, `{"ID":1,"Friend":{"ID":2,"Friend":{"ID":3,"Friend":{"ID":1,"Friend":2}}}}`},
		{"twice, and no ring", twice, `{"ID":1,"Parent":{"ID":2},"Friend":{"ID":2}}`},
		{"without a key", unsaved, `{"ID":0,"Friend":{"ID":0,"Friend":null}}`},
	} {
		if got, err := json.Marshal(c.row); err != nil || string(got) != c.want {
			t.Errorf("%s: %s, %v\nwant %s", c.name, got, err, c.want)
		}
	}
	var b2 strings.Builder
	e := json.NewEncoder(&b2)
	e.SetEscapeHTML(false)
	if err := e.Encode(&Folk{Friend: orm.RefTo(&Folk{Named: orm.RefTo(&Editor{Code: "<"})})}); err != nil || !strings.Contains(b2.String(), `"<"`) {
		t.Errorf("%s, %v", b2.String(), err)
	}
}

func TestJSONOfLoadedRowsAsksForNothing(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		for _, c := range []struct {
			related []string
			want    string
		}{
			{nil, `{"ID":2,"Name":"Brian","Email":null,"Profile":null,"Posts":null}`},
			{[]string{"Profile"}, `{"ID":2,"Name":"Brian","Email":null,"Profile":{"ID":12,"Bio":"Of C","Author":2},"Posts":null}`},
			{[]string{"Profile.Author.Profile"}, `{"ID":2,"Name":"Brian","Email":null,"Profile":{"ID":12,"Bio":"Of C","Author":{"ID":2,"Name":"Brian","Email":null,"Profile":{"ID":12,"Bio":"Of C","Author":2},"Posts":null}},"Posts":null}`},
			{[]string{"Posts.Tags.Posts"}, `{"ID":2,"Name":"Brian","Email":null,"Profile":null,"Posts":[` + post4(`2`, `[{"ID":2,"Name":"c","Posts":[`+post1+`,`+post4(`2`, `null`)+`]}]`) + `]}`},
		} {
			ctx, statements := counting(t)
			row := must(orm.For[Author](db).Related(c.related...).Fetch(orm.FetchPeers).Get(ctx, 2))
			before := statements()
			var all sync.WaitGroup
			for range 2 { // it may be marshalled by two
				all.Go(func() {
					if got, err := json.Marshal(row); err != nil || string(got) != c.want {
						t.Errorf("%q: %s, %v\nwant %s", c.related, got, err, c.want)
					}
				})
			}
			all.Wait()
			posts, err := json.Marshal(must(row.Posts.Load(ctx)))
			if err != nil || !strings.Contains(string(posts), `"Author":2`) {
				t.Errorf("%s, %v", posts, err)
			}
			if n := statements() - before; n > 1 {
				t.Errorf("%q: %d statements", c.related, n)
			}
		}
	})
}

const post1 = `{"ID":1,"Title":"Engines","Body":"first","Published":true,"Views":10,"Rating":4.5,"CreatedAt":"2026-01-01T10:00:00Z","Author":1,"Editor":"ed","Tags":null,"Comments":null}`

func post4(author, tags string) string {
	return fmt.Sprintf(`{"ID":4,"Title":"Pointers","Body":"fourth","Published":true,"Views":5,"Rating":3.5,"CreatedAt":"2026-01-04T10:00:00Z","Author":%s,"Editor":"ed","Tags":%s,"Comments":null}`, author, tags)
}

func TestReferencesAreReadFromJSON(t *testing.T) {
	for _, c := range []struct {
		text   string
		key    any
		loaded bool
		name   any // of the row
	}{
		{`{"Author": null}`, nil, true, nil},
		{`{"Author": 7}`, int64(7), false, nil},
		{`{"Author": {"ID": 7, "Name": "Ada"}}`, int64(7), true, "Ada"},
		{`{"Author": {"Name": "Ada"}}`, nil, true, "Ada"},
	} {
		var p Post
		if err := json.Unmarshal([]byte(c.text), &p); err != nil {
			t.Fatal(err)
		}
		if p.Author.PK() != c.key || p.Author.Loaded() != c.loaded || c.name != nil && p.Author.Must().Name != c.name {
			t.Errorf("%s: %+v", c.text, p.Author)
		}
	}
	p := Post{Author: orm.RefKey[Author](1)}
	for _, text := range []string{`{"Author": "x"}`, `{"Author": 1.5}`, `{"Author": [1]}`, `{"Author": {"ID": "x"}}`, `{"Author": true}`, `{"Tags": [1]}`, `{"Tags": {}}`, `{"Tags": [null]}`} {
		if err := json.Unmarshal([]byte(text), &p); err == nil || p.Author.PK() != int64(1) || p.Tags.Loaded() {
			t.Errorf("%s: %v, %+v", text, err, p)
		}
	}
	if err := json.Unmarshal([]byte(`{"Tags": [{"Name": "go"}], "Comments": []}`), &p); err != nil || must(p.Tags.All())[0].Name != "go" || !p.Comments.Loaded() {
		t.Errorf("%v, %+v", err, p)
	}
	var pair struct{ To orm.Ref[Pair] }
	if err := json.Unmarshal([]byte(`{"To": 1}`), &pair); !errors.Is(err, orm.ErrType) {
		t.Errorf("%v, want ErrType", err)
	}
}

// Pair has a key of two columns.
type Pair struct {
	A int64 `bun:",pk"`
	B int64 `bun:",pk"`
}

func FuzzReferencesAreReadFromJSON(f *testing.F) {
	for _, text := range []string{`null`, `7`, `{"ID":7,"Parent":{"ID":8,"Kids":[{"ID":9}]}}`, `"x"`, `[1]`, `{"Kids":[null]}`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var ref, again orm.Ref[Folk]
		if json.Unmarshal([]byte(text), &ref) != nil {
			if !ref.IsZero() || ref.Loaded() {
				t.Errorf("%q changed it to %+v", text, ref)
			}
			return
		}
		out, err := json.Marshal(ref)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if err := json.Unmarshal(out, &again); err != nil || !reflect.DeepEqual(again.PK(), ref.PK()) {
			t.Errorf("%q became %s: %v", text, out, err)
		}
	})
}
