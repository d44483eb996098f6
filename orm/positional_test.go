package orm_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/tandem-go/tandem/orm"
)

func TestParametersInOrderAreCountedNotNamed(t *testing.T) {
	const same = ""
	for _, c := range []struct {
		text string
		n    int
		want string
	}{
		{`a = $1`, 1, `a = ?`},
		{`"a$1" = $1 AND b IN ($2, $3)`, 3, `"a$1" = ? AND b IN (?, ?)`},
		{`a = 'it''s $2' - $1 / $2`, 2, `a = 'it''s $2' - ? / ?`},
		{`a = $2 AND b = $1`, 2, same},
		{`a = $1 AND b = $1`, 1, same},
		{`a = $1`, 2, same},
		{`a = $10`, 1, same},
		{`a = $1 AND b = ?`, 1, same},
		{`a = $1 -- $2`, 1, same},
		{`a = $1 /* */`, 1, same},
		{"`a$1` = $1", 1, same},
		{`[a] = $1`, 1, same},
		{`a = '$1`, 1, same},
		{``, 0, ``},
	} {
		if c.want == same {
			c.want = c.text
		}
		if got := orm.Positional(c.text, c.n); got != c.want {
			t.Errorf("%s\nwant %s", got, c.want)
		}
	}
}

func BenchmarkAListOfKeys(b *testing.B) {
	db, err := orm.Open(b.Context(), b.TempDir()+"/test.db")
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	if _, err := db.SQL().ExecContext(b.Context(), "CREATE TABLE tags (id INTEGER PRIMARY KEY, name text)"); err != nil {
		b.Fatal(err)
	}
	for _, n := range []int{10, 1000, 30000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			keys := make([]int64, n)
			for i := range keys {
				keys[i] = time.Now().UnixNano()
			}
			for b.Loop() {
				if _, err := orm.For[Tag](db).Filter("id IN (?)", keys).Count(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
