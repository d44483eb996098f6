package orm_test

import (
	"context"
	"errors"
	"math"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/uptrace/bun"

	"github.com/tandem-go/tandem/bridge"
	"github.com/tandem-go/tandem/orm"
)

// explosive panics when it is read.
type explosive string

func (*explosive) Scan(any) error { panic("boom") }

// picky says what it does not take.
type picky string

func (*picky) Scan(any) error { return errPicky }

var errPicky = errors.New("not to my taste")

// titled is posts whose title is read into a T.
type titled[T any] struct {
	bun.BaseModel `bun:"table:posts,alias:p"`
	ID            int64 `bun:",pk"`
	Title         T
}

// viewed is posts whose views are read into a T.
type viewed[T any] struct {
	bun.BaseModel `bun:"table:posts,alias:p"`
	ID            int64 `bun:",pk"`
	Views         T
}

// scored is posts whose rating is read into a T.
type scored[T any] struct {
	bun.BaseModel `bun:"table:posts,alias:p"`
	ID            int64 `bun:",pk"`
	Rating        T
}

// A panic under Rows.Scan leaves database/sql's lock of the rows behind.
func TestAScannersPanicGoesOnAndTheConnectionIsFree(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		db.SetPool(1)
		posts := orm.For[titled[explosive]](db)
		var into explosive
		for name, f := range map[string]func(context.Context) error{
			"List":      func(ctx context.Context) error { _, err := posts.List(ctx); return err },
			"Raw":       func(ctx context.Context) error { _, err := posts.Raw(ctx, "SELECT title FROM posts"); return err },
			"Aggregate": func(ctx context.Context) error { return posts.Aggregate(ctx, orm.Max("title", &into)) },
			"All": func(ctx context.Context) error {
				for _, err := range posts.All(ctx) {
					return err
				}
				return nil
			},
			"in a transaction": func(ctx context.Context) error {
				return orm.AtomicAsync(ctx, db, func(ctx context.Context, _ *orm.Tx) error { _, err := posts.List(ctx); return err })
			},
		} {
			t.Run(name, func(t *testing.T) {
				defer func() {
					p, ok := recover().(*bridge.PanicError)
					if !ok || p.Value != "boom" || !strings.Contains(string(p.Stack), "(*explosive).Scan") {
						t.Errorf("recovered %v, want the scanner's panic with its stack", p)
					}
					if s := db.Stats(); s.InUse != 0 || s.Queued != 0 {
						t.Errorf("after it %+v", s)
					}
					if n, err := orm.For[Post](db).Count(t.Context()); n != 5 || err != nil {
						t.Errorf("after it %d, %v", n, err)
					}
				}()
				t.Errorf("no panic: %v", f(t.Context()))
			})
		}
	})
}

func TestANumberThatAFieldDoesNotHoldIsAnError(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		if err := orm.Exec(t.Context(), db, "UPDATE posts SET views = 300, rating = -1e300, title = '70000'"); err != nil {
			t.Fatal(err)
		}
		var (
			small int8
			large int16
		)
		for name, c := range map[string]struct {
			err  error
			fits bool
		}{
			"300 into int8":          {err: first[viewed[int8]](t, db)},
			"300 into a *uint8":      {err: first[viewed[*uint8]](t, db)},
			"300 into int16":         {err: first[viewed[int16]](t, db), fits: true},
			"300 into *uint64":       {err: first[viewed[*uint64]](t, db), fits: true},
			"-1e300 into float32":    {err: first[scored[float32]](t, db)},
			"-1e300 into float64":    {err: first[scored[float64]](t, db), fits: true},
			"text 70000 into uint16": {err: first[titled[uint16]](t, db)},
			"text 70000 into int16":  {err: first[titled[int16]](t, db)},
			"text 70000 into int32":  {err: first[titled[int32]](t, db), fits: true},
			"the greatest into int8": {err: orm.For[Post](db).Aggregate(t.Context(), orm.Max("views", &small))},
			"their sum into int16":   {err: orm.For[Post](db).Aggregate(t.Context(), orm.Sum("views", &large)), fits: true},
		} {
			if c.fits && c.err != nil || !c.fits && !errors.Is(c.err, orm.ErrType) {
				t.Errorf("%s: %v", name, c.err)
			}
		}
		if small != 0 || large != 1500 {
			t.Errorf("the greatest is %d, the sum %d", small, large)
		}
		if _, err := orm.For[viewed[uint64]](db).Raw(t.Context(), "SELECT id, -1 AS views FROM posts"); !errors.Is(err, orm.ErrType) {
			t.Errorf("-1 into uint64: %v", err)
		}
	})
}

// Under the race detector: what is changed of a column is of one model.
func TestAModelIsMadeByManyAtOnce(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "test.db"))
	if err := atOnce(8, func(int) error { return first[viewed[int32]](t, db) }); err != nil {
		t.Error(err)
	}
}

func first[T any](t *testing.T, db *orm.DB) error {
	_, err := orm.For[T](db).First(t.Context())
	return err
}

func TestErrorsOfReadingHoldNoValues(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		if err := orm.Exec(t.Context(), db, "UPDATE posts SET title = 'secret'"); err != nil {
			t.Fatal(err)
		}
		err := first[titled[int]](t, db)
		if !errors.Is(err, orm.ErrType) || strings.Contains(err.Error(), "secret") ||
			!strings.HasSuffix(err.Error(), "titled[int].Title, of type int, and the database's string is none") {
			t.Errorf("an integer: %v", err)
		}
		if !errors.Is(err, strconv.ErrSyntax) {
			t.Errorf("%v does not match its cause", err)
		}
		err = first[titled[map[string]int]](t, db)
		if !errors.Is(err, orm.ErrType) || strings.Contains(err.Error(), "secret") {
			t.Errorf("JSON: %v", err)
		}
		var n int
		err = orm.For[Post](db).Aggregate(t.Context(), orm.Max("title", &n))
		if !errors.Is(err, orm.ErrType) || strings.Contains(err.Error(), "secret") {
			t.Errorf("an aggregate: %v", err)
		}
		if err := first[titled[picky]](t, db); !errors.Is(err, errPicky) || !strings.HasSuffix(err.Error(), ": not to my taste") {
			t.Errorf("a scanner of one's own: %v", err)
		}
	})
}

func TestErrorsOfArgumentsHoldNoValues(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "test.db"))
	for value, err := range map[string]error{
		"31337":                orm.For[viewed[int8]](db).Filter("views = ?", 31337).Err(),
		"18446744073709551615": orm.For[Post](db).Filter("views = ?", uint64(math.MaxUint64)).Err(),
	} {
		if !errors.Is(err, orm.ErrType) || strings.Contains(err.Error(), value) {
			t.Errorf("%s: %v", value, err)
		}
	}
}
