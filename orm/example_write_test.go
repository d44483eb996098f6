package orm_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/tandem-go/tandem/orm"
)

type Visitor struct {
	ID     int64  `bun:",pk,autoincrement"`
	Email  string // unique
	Name   string
	Visits int
}

// exampleDB is a database that was filled by a text.
func exampleDB(ctx context.Context, text string) (db *orm.DB, done func()) {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		panic(err)
	}
	if db, err = orm.Open(ctx, filepath.Join(dir, "app.db")); err != nil {
		panic(err)
	}
	if _, err := db.SQL().ExecContext(ctx, text); err != nil {
		panic(err)
	}
	return db, func() { _, _ = db.Close(), os.RemoveAll(dir) }
}

// visitors is a database with one table, for an example.
func visitors(ctx context.Context) (q orm.Query[Visitor], done func()) {
	db, done := exampleDB(ctx, "CREATE TABLE visitors (id INTEGER PRIMARY KEY AUTOINCREMENT, email text UNIQUE, name text, visits integer)")
	return orm.For[Visitor](db), done
}

func ExampleQuery_Save() {
	ctx := context.Background()
	visitors, done := visitors(ctx)
	defer done()

	v := &Visitor{Email: "ada@example.org", Name: "Ada"}
	fmt.Println(visitors.Save(ctx, v), v.ID) // inserted
	v.Name = "Countess"
	fmt.Println(visitors.Save(ctx, v), v.ID) // updated
	// Output:
	// <nil> 1
	// <nil> 1
}

func ExampleQuery_Update() {
	ctx := context.Background()
	visitors, done := visitors(ctx)
	defer done()

	v := &Visitor{Email: "ada@example.org", Visits: 1}
	fmt.Println(visitors.Create(ctx, v))
	fmt.Println(visitors.Filter("email = ?", v.Email).Update(ctx, orm.Set("name", "Ada"), orm.SetExpr("visits", "visits + ?", 1)))
	fmt.Println(visitors.Refresh(ctx, v), v.Name, v.Visits)
	// Output:
	// <nil>
	// 1 <nil>
	// <nil> Ada 2
}

func ExampleQuery_GetOrCreate() {
	ctx := context.Background()
	visitors, done := visitors(ctx)
	defer done()

	for range 2 {
		v, created, err := visitors.GetOrCreate(ctx, &Visitor{Email: "ada@example.org", Name: "Ada"}, "email")
		fmt.Println(v.ID, created, err)
	}
	// Output:
	// 1 true <nil>
	// 1 false <nil>
}

func ExampleQuery_UpdateOrCreate() {
	ctx := context.Background()
	visitors, done := visitors(ctx)
	defer done()

	for _, name := range []string{"Ada", "Countess"} {
		v, created, err := visitors.UpdateOrCreate(ctx, &Visitor{Email: "ada@example.org", Name: name}, []string{"email"}, "name")
		fmt.Println(v.ID, v.Name, created, err)
	}
	// Output:
	// 1 Ada true <nil>
	// 1 Countess false <nil>
}

func ExampleQuery_BulkCreate() {
	ctx := context.Background()
	visitors, done := visitors(ctx)
	defer done()

	rows := []*Visitor{{Email: "ada@example.org"}, {Email: "brian@example.org"}}
	fmt.Println(visitors.BulkCreate(ctx, rows), rows[0].ID, rows[1].ID)
	// who is there already is updated
	rows = []*Visitor{{Email: "brian@example.org", Name: "Brian"}, {Email: "chris@example.org", Name: "Chris"}}
	fmt.Println(visitors.BulkCreate(ctx, rows, orm.UpdateConflicts([]string{"email"}, []string{"name"})), rows[0].ID)
	// Output:
	// <nil> 1 2
	// <nil> 2
}

func ExampleInBulk() {
	ctx := context.Background()
	visitors, done := visitors(ctx)
	defer done()

	fmt.Println(visitors.BulkCreate(ctx, []*Visitor{{Email: "ada@example.org"}, {Email: "brian@example.org"}}))
	byID, err := orm.InBulk(ctx, visitors, []int64{2, 3})
	fmt.Println(len(byID), byID[2].Email, err)
	// Output:
	// <nil>
	// 1 brian@example.org <nil>
}
