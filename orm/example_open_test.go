package orm_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tandem-go/tandem/orm"
)

func ExampleOpen() {
	db, err := orm.Open(context.Background(), ":memory:", orm.PoolWait(time.Second))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer db.Close()
	fmt.Println(db.Dialect())

	_, err = orm.Open(context.Background(), "mysql://app:secret@db/app")
	fmt.Println(err)
	// Output:
	// sqlite
	// orm: open a database: no database is known by "mysql:": it is the path of a SQLite file, file:path, sqlite:path, :memory: or postgres://user@host/database
}

// A view makes a 422 of it, with the field that is wrong.
func ExampleConstraintError() {
	ctx := context.Background()
	db, err := orm.Open(ctx, ":memory:")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer db.Close()
	if _, err := db.SQL().Exec("CREATE TABLE tags (id integer PRIMARY KEY, name text UNIQUE)"); err != nil {
		fmt.Println(err)
		return
	}
	tags := orm.For[Tag](db)
	for range 2 {
		err = tags.Create(ctx, &Tag{Name: "go"})
	}
	var refused *orm.ConstraintError
	fmt.Println(errors.Is(err, orm.ErrUnique), errors.As(err, &refused), refused.Table, refused.Columns)
	fmt.Println(err)
	// Output:
	// true true tags [name]
	// orm: create Tag: there is a row with that value already: tags.name
}
