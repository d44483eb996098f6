package orm_test

import (
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"testing"
	"time"

	"github.com/tandem-go/tandem/orm"
)

// same says in what two rows differ, besides what their relations have loaded.
func same(t *testing.T, got, want *Kind) {
	t.Helper()
	a, b := *got, *want
	for _, k := range []*Kind{&a, &b} {
		k.At, k.Made = k.At.UTC(), k.Made.UTC()
		if k.Never != nil {
			never := k.Never.UTC()
			k.Never = &never
		}
		k.Parent, k.Kids = orm.RefKey[Kind](k.Parent.PK()), orm.Refs[Kind]{}
	}
	if !reflect.DeepEqual(a, b) {
		t.Errorf("%+v\nwant %+v", a, b)
	}
}

func TestARowThatATriggerKeepsOutIsNotCreated(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		trigger := "CREATE TRIGGER out BEFORE INSERT ON tags BEGIN SELECT RAISE(IGNORE); END"
		if db.Dialect() == orm.PostgreSQL {
			trigger = "CREATE RULE out AS ON INSERT TO tags WHERE new.name LIKE 'x%' DO INSTEAD NOTHING"
		}
		if err := orm.Exec(t.Context(), db, trigger); err != nil {
			t.Fatal(err)
		}
		tags, ctx := orm.For[Tag](db), t.Context()
		_, _, either := tags.GetOrCreate(ctx, &Tag{ID: 7, Name: "x"}, "name")
		for name, err := range map[string]error{
			"Create":      tags.Create(ctx, &Tag{ID: 7, Name: "x"}),
			"Save":        tags.Save(ctx, &Tag{ID: 7, Name: "x"}),
			"GetOrCreate": either,
			"BulkCreate":  tags.BulkCreate(ctx, []*Tag{{ID: 7, Name: "x"}, {ID: 8, Name: "xy"}}),
		} {
			if !errors.Is(err, orm.ErrCheck) {
				t.Errorf("%s: %v, want ErrCheck", name, err)
			}
		}
	})
}

func TestWhatIsCreatedIsReadBack(t *testing.T) {
	text := "héllo"
	first := time.Date(2026, 3, 1, 12, 30, 0, 123456000, time.FixedZone("", 7200))
	onEach(t, func(t *testing.T, db *orm.DB) {
		withKinds(t, db)
		kinds, ctx := orm.For[Kind](db), t.Context()
		parent := &Kind{At: first}
		if err := kinds.Create(ctx, parent); err != nil {
			t.Fatal(err)
		}
		if parent.ID == 0 || parent.Level != 7 || parent.Note == nil || *parent.Note != "none" || time.Since(parent.Made).Abs() > time.Hour {
			t.Errorf("the database's own values are not in it: %+v", parent)
		}
		for name, want := range map[string]*Kind{
			"zero":     {},
			"null":     {Bytes: nil, Maybe: nil, Doc: nil, List: nil},
			"empty":    {Bytes: []byte{}, Doc: map[string]any{}, List: []mood{}, Raw: json.RawMessage(`{}`)},
			"greatest": {Big: math.MaxInt64, Small: math.MaxInt8, Count: math.MaxUint32, Float: math.MaxFloat64, At: first},
			"least":    {Big: math.MinInt64, Small: math.MinInt8, Float: -math.SmallestNonzeroFloat64, At: time.Date(1, 1, 1, 0, 0, 0, 1000, time.UTC)},
			"infinite": {Float: math.Inf(-1), At: time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)},
			"full": {
				Text: "a\nb'\"?$1", Yes: true, Bytes: []byte{0, 255, 0}, At: first, Maybe: &text, Never: &first, Doc: map[string]any{"a": []any{1.5, nil}},
				List: []mood{"a,b", `"`, ""}, Raw: json.RawMessage(`[1]`), Mood: "good", Level: 1, Note: &text, Made: first, Parent: orm.RefTo(parent),
			},
		} {
			t.Run(name, func(t *testing.T) {
				if err := kinds.Create(ctx, want); err != nil {
					t.Fatal(err)
				}
				got, err := kinds.Get(ctx, want.ID)
				if err != nil {
					t.Fatal(err)
				}
				same(t, got, want)
			})
		}
	})
}

func TestCreateRefusesWhatWouldNotBeReadBack(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		withKinds(t, db)
		kinds, ctx := orm.For[Kind](db), t.Context()
		sqlite := db.Dialect() == orm.SQLite
		for _, c := range []struct {
			row  *Kind
			is   error
			want string
		}{
			{nil, orm.ErrType, "orm: create Kind: wrong type: the row is nil"},
			{&Kind{Float: math.NaN()}, pick(sqlite, orm.ErrType), "orm: create Kind: Kind.Float: wrong type: SQLite stores no NaN"},
			{&Kind{Text: "a\x00b"}, pick(!sqlite, orm.ErrType), "orm: create Kind: Kind.Text: wrong type: PostgreSQL stores no text with a NUL byte or with what is not UTF-8; []byte holds it"},
			{&Kind{Text: "\xff"}, pick(!sqlite, orm.ErrType), ""},
			{&Kind{Parent: orm.RefKey[Kind]("one")}, orm.ErrType, "orm: create Kind: wrong type: Kind.Parent is int64, got string"},
			{&Kind{Parent: orm.RefTo(&Kind{})}, orm.ErrType, "orm: create Kind: Kind.Parent: wrong type: the Kind that is referred to has no key yet: create it first"},
		} {
			err := kinds.Create(ctx, c.row)
			if !errors.Is(err, c.is) || c.is != nil && c.want != "" && err.Error() != c.want {
				t.Errorf("%+v\n%v\nwant %s", c.row, err, c.want)
			}
			if c.is != nil && c.row != nil && c.row.ID != 0 {
				t.Error("it has a key though it was not created")
			}
		}
	})
}

// pick is err where it is due.
func pick(due bool, err error) error {
	if due {
		return err
	}
	return nil
}

func TestKeysOfEveryForm(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		withKinds(t, db)
		ctx := t.Context()
		lone := &Lone{}
		if err := orm.For[Lone](db).Create(ctx, lone); err != nil || lone.ID == 0 {
			t.Errorf("%+v, %v", lone, err)
		}
		if err := orm.For[Lone](db).Save(ctx, lone); err != nil {
			t.Error(err)
		}
		if err := orm.For[Lone](db).Save(ctx, &Lone{ID: 50}); err != nil {
			t.Error(err)
		}
		seats := orm.For[Seat](db)
		guest := "Ada"
		for _, s := range []*Seat{{1, "a", &guest}, {0, "a", nil}} {
			if err := seats.Create(ctx, s); err != nil {
				t.Fatal(err)
			}
		}
		if err := seats.Save(ctx, &Seat{Row: 0, Place: "b"}); err != nil {
			t.Fatal(err)
		}
		if err := seats.Save(ctx, &Seat{Row: 1, Place: "a"}); err != nil {
			t.Fatal(err)
		}
		if n, err := seats.Filter("guest IS NULL").Count(ctx); n != 3 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
		if n, err := seats.Order("row", "place").Limit(2).Update(ctx, orm.Set("guest", nil)); n != 2 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
		if err := seats.DeleteRow(ctx, &Seat{Row: 1, Place: "a"}); err != nil {
			t.Error(err)
		}
		if err := seats.Refresh(ctx, &Seat{Row: 1, Place: "a"}); !errors.Is(err, orm.ErrNotFound) {
			t.Errorf("%v, want ErrNotFound", err)
		}
	})
}
