package main

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// What is described below by comments of its own.
type (
	inner struct {
		Age float64 `json:"age_seconds"`
	}
	outer struct {
		inner
		Name   string    `json:"name,omitempty"`
		Last   *inner    `json:"last"`
		When   time.Time `json:"when"`
		Hidden bool      `json:"-"`
	}
	bare struct {
		Name string `json:"name"`
	}
	strange struct {
		To chan int `json:"to"`
	}
	unnamed struct {
		Of struct{} `json:"of"`
	}
)

const commentsOfThem = `package some

// The results.
const Good, Bad = "ok", "failed"

// inner is what is inside.
type inner struct {
	// Age is how old it is.
	Age float64 ` + "`json:\"age_seconds\"`" + `
}

// outer has the Name and more, as [inner.Age].
type outer struct {
	inner
	Name string  ` + "`json:\"name,omitempty\"`" + ` // [Good] | [Bad]
	// Last is of Name,
	Last *inner ` + "`json:\"last\"`" + ` // after all
	When int ` + "`json:\"when\"`" + ` // it was
	Hidden bool ` + "`json:\"-\"`" + `
}

// bare has nothing to say.
type bare struct {
	Name string ` + "`json:\"name\"`" + `
}

// unnamed has something without a name.
type unnamed struct {
	Of struct{} ` + "`json:\"of\"`" + ` // what
}

// strange cannot be JSON.
type strange struct {
	To chan int ` + "`json:\"to\"`" + ` // nowhere
}
`

func TestObjectsAreDescribed(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.go"), []byte(commentsOfThem), 0o600); err != nil {
		t.Fatal(err)
	}
	said, err := readComments(dir)
	if err != nil {
		t.Fatal(err)
	}
	this := reflect.TypeFor[outer]().PkgPath()
	o := &objects{source: sources{this: said}, taken: map[reflect.Type]bool{}}
	text, err := o.describe(reflect.TypeFor[outer]())
	want := `
### Outer

Has the ` + "`name` and more, as `age_seconds`." + `

| field | type | there | meaning |
|---|---|---|---|
| ` + "`age_seconds`" + ` | number |  | how old it is |
| ` + "`name`" + ` | string | optional | ` + "`ok` \\| `failed`" + ` |
| ` + "`last`" + ` | [Inner](#inner) | may be null | of ` + "`name`" + `, after all |
| ` + "`when`" + ` | time |  | it was |
`
	if err != nil || text != want {
		t.Errorf("%v\n%s\nwant\n%s", err, text, want)
	}
	if len(o.all) != 1 || o.all[0] != reflect.TypeFor[inner]() {
		t.Errorf("met: %v", o.all)
	}
	for of, want := range map[reflect.Type]string{
		reflect.TypeFor[bare]():            "Name has no comment",
		reflect.TypeFor[unnamed]():         "has no name",
		reflect.TypeFor[strange]():         "is no type that this knows",
		reflect.TypeFor[strings.Builder](): "not of this module",
		reflect.TypeFor[objects]():         "says nothing of it",
	} {
		if _, err := o.describe(of); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %s", of, err, want)
		}
	}
}
