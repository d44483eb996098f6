package orm_test

import (
	"database/sql/driver"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"testing"

	"github.com/uptrace/bun"

	"github.com/tandem-go/tandem/orm"
)

// token is a key as a UUID is one: bytes in Go, text in the database and in JSON.
type token [4]byte

func (k token) Value() (driver.Value, error) { return hex.EncodeToString(k[:]), nil }
func (k token) MarshalText() ([]byte, error) { return []byte(hex.EncodeToString(k[:])), nil }

func (k *token) Scan(src any) error {
	text, ok := src.(string)
	if !ok {
		return fmt.Errorf("a token is text, not %T", src)
	}
	return k.UnmarshalText([]byte(text))
}

func (k *token) UnmarshalText(text []byte) error {
	b, err := hex.DecodeString(string(text))
	if err != nil || len(b) != len(k) {
		return fmt.Errorf("%q is no token", text)
	}
	copy(k[:], b)
	return nil
}

// blob is such a key that is bytes in the database too.
type blob [4]byte

func (k blob) Value() (driver.Value, error) { return k[:], nil }

func (k *blob) Scan(src any) error {
	b, ok := src.([]byte)
	if !ok || len(b) != len(k) {
		return fmt.Errorf("%v is no blob", src)
	}
	copy(k[:], b)
	return nil
}

// Of is a row of a tree, with a key of any type.
type Of[K any] struct {
	bun.BaseModel `bun:"table:nodes,alias:node" json:"-"`

	ID   K               `bun:",pk"`
	Up   orm.Ref[Of[K]]  `bun:"up" orm:"null"`
	Down orm.Refs[Of[K]] `bun:"-" json:"-"`
	Near orm.Refs[Of[K]] `bun:"-" json:"-" orm:"m2m:near,from:a,to:b"`
}

func TestKeysOfEveryType(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		db.SQL().SetMaxIdleConns(0) // what a connection has prepared is of the tables before
		bytes := map[string]string{orm.SQLite: "blob", orm.PostgreSQL: "bytea"}[db.Dialect()]
		keys(t, db, "bigint", int64(1), int64(2), `2`)
		keys(t, db, "integer", int32(1), int32(2), `2`)
		keys(t, db, "smallint", uint8(1), uint8(2), `2`)
		keys(t, db, "text", "a", "b", `"b"`)
		keys(t, db, "text", mood("a"), mood("b"), `"b"`)
		keys(t, db, "text", token{1}, token{2}, `"02000000"`)
		keys(t, db, bytes, blob{1}, blob{2}, `[2,0,0,0]`)
		keys(t, db, bytes, []byte{1}, []byte{2}, `"Ag=="`)
	})
}

// keys has a row of key a below one of key b, and near it.
func keys[K any](t *testing.T, db *orm.DB, column string, a, b K, inJSON string) {
	t.Run(fmt.Sprintf("%T", a), func(t *testing.T) {
		ctx := t.Context()
		for _, text := range []string{
			"DROP TABLE IF EXISTS near", "DROP TABLE IF EXISTS nodes",
			fmt.Sprintf("CREATE TABLE nodes (id %s PRIMARY KEY, up %s)", column, column),
			fmt.Sprintf("CREATE TABLE near (a %s, b %s, PRIMARY KEY (a, b))", column, column),
		} {
			if _, err := db.SQL().ExecContext(ctx, text); err != nil {
				t.Fatal(err)
			}
		}
		all := orm.For[Of[K]](db)
		up := &Of[K]{ID: b}
		if err := all.Create(ctx, up); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(up.Down.Create(ctx, &Of[K]{ID: a}), up.Near.Add(ctx, up, &Of[K]{ID: a})); err != nil {
			t.Fatal(err)
		}
		row := must(all.Get(ctx, a))
		if !reflect.DeepEqual(row.Up.PK(), any(b)) {
			t.Errorf("PK is %T %v", row.Up.PK(), row.Up.PK())
		}
		text := must(json.Marshal(row.Up))
		var read orm.Ref[Of[K]]
		if err := json.Unmarshal(text, &read); err != nil || string(text) != inJSON || !reflect.DeepEqual(read.PK(), any(b)) {
			t.Errorf("JSON is %s, and read %v: %v", text, read.PK(), err)
		}
		if got := must(row.Up.Load(ctx)); !reflect.DeepEqual(got.ID, b) || got.Up.PK() != nil {
			t.Errorf("%+v", got)
		}
		for _, row := range must(all.Related("Up", "Down.Up", "Near.Down").Order("id").List(ctx)) {
			down, near := must(row.Down.All()), must(row.Near.All())
			if isUp := reflect.DeepEqual(row.ID, b); isUp && (len(down) != 1 || len(near) != 2) || !isUp && len(down)+len(near) != 0 {
				t.Errorf("%v: %d down, %d near", row.ID, len(down), len(near))
			}
		}
		up = must(all.Get(ctx, b))
		if err := up.Near.Set(ctx, &Of[K]{ID: a}); err != nil || must(up.Near.Query().Count(ctx)) != 1 {
			t.Errorf("set: %v", err)
		}
		if err := up.Down.Remove(ctx, &Of[K]{ID: a}); err != nil || must(up.Down.Query().Exists(ctx)) {
			t.Errorf("removed: %v", err)
		}
	})
}

func TestInBulkOfKeysThatAreBytes(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		bytes := map[string]string{orm.SQLite: "blob", orm.PostgreSQL: "bytea"}[db.Dialect()]
		if err := orm.Exec(t.Context(), db, fmt.Sprintf("CREATE TABLE nodes (id %s PRIMARY KEY, up %[1]s)", bytes)); err != nil {
			t.Fatal(err)
		}
		all := orm.For[Of[blob]](db)
		if err := all.BulkCreate(t.Context(), []*Of[blob]{{ID: blob{1}}, {ID: blob{2}}}); err != nil {
			t.Fatal(err)
		}
		rows := must(orm.InBulk(t.Context(), all, []blob{{2}, {3}}))
		if len(rows) != 1 || rows[blob{2}] == nil || rows[blob{2}].ID != (blob{2}) {
			t.Errorf("%v", rows)
		}
	})
}

func TestAKeyIsOfItsFieldsType(t *testing.T) {
	type number = Of[int8]
	for _, c := range []struct{ given, want any }{
		{1, int8(1)},
		{int64(1), int8(1)},
		{uint16(1), int8(1)},
		{int8(1), int8(1)},
		{nil, nil},
		{128, 128},
		{"x", "x"}, // no row has these
	} {
		if got := orm.RefKey[number](c.given); got.PK() != c.want {
			t.Errorf("%T %v became %T %v", c.given, c.given, got.PK(), got.PK())
		}
	}
}
