package orm_test

import (
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"reflect"
	"slices"
	"testing"

	"github.com/uptrace/bun"

	"github.com/tandem-go/tandem/orm"
)

// Money gives its value by its pointer.
type Money struct{ cents int64 }

func (m *Money) Value() (driver.Value, error) { return m.cents, nil }

func (m *Money) Scan(src any) error {
	cents, ok := src.(int64)
	if !ok {
		return fmt.Errorf("no money: %T", src)
	}
	m.cents = cents
	return nil
}

type Address struct{ City, Street string }

// Place has names that are words of SQL's or hold its quotes, structs in it, and
// values that know how they are stored.
type Place struct {
	bun.BaseModel `bun:"table:order"`
	ID            int64   `bun:"ID,pk,autoincrement"`
	Key           string  `bun:"user"`
	Group         string  `bun:"gr'o?up"`
	Home          Address `bun:"embed:home_"`
	Work          Address `bun:"embed:work_"`
	*Note
	Price   Money
	Paid    *Money
	IP      net.IP       `bun:"type:inet"`
	Host    netip.Addr   `bun:"type:inet"`
	Net     netip.Prefix `bun:"type:cidr"`
	Data    []byte
	Any     any    `bun:"type:jsonb"`
	Text    string `bun:"type:jsonb"` // which is JSON already
	Skipped string `bun:"-"`
}

type Note struct {
	Note string
	Size *int
}

func withPlaces(t *testing.T, db *orm.DB) orm.Query[Place] {
	t.Helper()
	id, ip, cidr, data, doc := "INTEGER PRIMARY KEY AUTOINCREMENT", "text", "text", "blob", "text"
	if db.Dialect() == orm.PostgreSQL {
		id, ip, cidr, data, doc = "bigserial PRIMARY KEY", "inet", "cidr", "bytea", "jsonb"
	}
	err := orm.Exec(t.Context(), db, fmt.Sprintf(`CREATE TABLE "order" ("ID" %s, "user" text, "gr'o?up" text, home_city text, home_street text,
		work_city text, work_street text, note text, size integer, price bigint, paid bigint, ip %[2]s, host %[2]s, net %s, data %s, "any" %[5]s, text %[5]s)`, id, ip, cidr, data, doc))
	if err != nil {
		t.Fatal(err)
	}
	return orm.For[Place](db)
}

func TestValuesComeBackAsTheyWere(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		places := withPlaces(t, db)
		size := 3
		all := map[string]*Place{
			"all": {
				Key: "k", Group: `"g'?`, Home: Address{"H", "S"}, Work: Address{City: "W"}, Note: &Note{"n", &size}, Price: Money{5}, Paid: &Money{6},
				IP: net.ParseIP("10.0.0.1"), Host: netip.MustParseAddr("::1"), Net: netip.MustParsePrefix("10.0.0.0/8"), Data: []byte{0, 1, 255},
				Any: `a "word"`, Text: `{"a": 1}`,
			},
			"none": {Note: new(Note), Text: "null"},
		}
		for name, p := range all {
			if err := places.Create(t.Context(), p); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			got, err := places.Get(t.Context(), p.ID)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if got.IP != nil && got.IP.Equal(p.IP) {
				got.IP = p.IP
			}
			if !reflect.DeepEqual(got, p) {
				t.Errorf("%s:\n%+v, want\n%+v", name, got, p)
			}
		}
		for name, q := range map[string]orm.Query[Place]{
			"money": places.Filter("price = ?", Money{5}), "by its pointer": places.Filter("Paid = ?", &Money{6}), "by its number": places.Filter("Paid IN (?)", []int{6}),
			"address": places.Filter("ip = ?", net.IPv4(10, 0, 0, 1)), "its text": places.Filter("host = ?", "::1"), "net": places.Filter("net = ?", netip.MustParsePrefix("10.0.0.0/8")),
			"bytes": places.Filter("data = ?", []byte{0, 1, 255}), "text as bytes": places.Filter("data = ?", "\x00\x01\xff"), "raw bytes": places.Filter("data = ?", json.RawMessage{0, 1, 255}),
			"embedded": places.Filter("home_city = ? AND work_city = ?", "H", "W"), "quoted": places.Where(orm.Is("gr'o?up", `"g'?`)).Order("-gr'o?up", "user"),
			"the key by its column": places.Filter("ID = ?", all["all"].ID).Filter("Key = ?", "k"), "JSON": places.Filter("Any = ?", `a "word"`),
		} {
			if n, err := q.Filter("Key = ?", "k").Count(t.Context()); n != 1 || err != nil {
				t.Errorf("%s: %d, %v", name, n, err)
			}
		}
		read := 0
		for _, err := range places.Order("gr'o?up").Chunk(1).All(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			read++
		}
		if read != 2 {
			t.Errorf("%d rows are iterated over", read)
		}
		if err := places.Create(t.Context(), &Place{Any: func() {}, Text: "null"}); !errors.Is(err, orm.ErrType) {
			t.Errorf("no JSON: %v", err)
		}
		err := places.Filter("City = ?", "H").Err()
		const want = `orm: query of Place: condition "City = ?": no such field: Place has more than one field City: name the column, home_city or work_city`
		if err == nil || err.Error() != want {
			t.Errorf("%v", err)
		}
	})
}

func TestAQueryKeepsTheArgumentsThatItWasGiven(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		in, author, views, code := []int64{1, 2}, &Author{ID: 1}, 15, []byte("abc")
		q := orm.For[Post](db).Filter("id IN (?) AND Author = ?", in, author).Where(orm.Is("author_id", author), orm.Q("views > ?", &views).Not())
		bytes := withPlaces(t, db).Filter("data = ?", code)
		in[0], author.ID, views, code[0] = 4, 2, 0, 'x'
		if got := ids(t, q); !slices.Equal(got, []int64{1}) {
			t.Errorf("%v", got)
		}
		if _, args, err := orm.Text(bytes); err != nil || !reflect.DeepEqual(args, []any{[]byte("abc")}) {
			t.Errorf("%q, %v", args, err)
		}
	})
}

func TestANilPointerIsNULL(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		posts := orm.For[Post](db).Order("id")
		for field, value := range map[string]any{"author_id": (*Author)(nil), "Author": orm.Ref[Author]{}, "rating": (*float64)(nil)} {
			want := ids(t, posts.Where(orm.Is(field, nil)))
			if got := ids(t, posts.Where(orm.Is(field, value))); len(want) == 0 || !slices.Equal(got, want) {
				t.Errorf("%s: %v, want %v", field, got, want)
			}
			if n, err := posts.Filter("id = ?", 1).Update(t.Context(), orm.Set(field, value)); n != 1 || err != nil {
				t.Errorf("%s: %d, %v", field, n, err)
			}
		}
		if err := posts.Where(orm.Is("author_id", (*Tag)(nil))).Err(); !errors.Is(err, orm.ErrType) {
			t.Errorf("another row: %v", err)
		}
	})
}

// Save does not overwrite what a raw query has not read.
func TestARawRowIsSavedAsFarAsItWasRead(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		posts := orm.For[Post](db)
		rows, err := posts.Raw(t.Context(), "SELECT id, title FROM posts WHERE id = ?", 1)
		if err != nil || len(rows) != 1 {
			t.Fatalf("%d rows, %v", len(rows), err)
		}
		rows[0].Title = "New"
		if err := posts.Save(t.Context(), rows[0]); err != nil {
			t.Fatal(err)
		}
		if p, err := posts.Get(t.Context(), 1); err != nil || p.Title != "New" || p.Body != "first" || p.Views != 10 {
			t.Errorf("%+v, %v", p, err)
		}
		_, err = posts.Raw(t.Context(), "SELECT p.id, p.title, a.id FROM posts p JOIN authors a ON a.id = p.author_id")
		if !errors.Is(err, orm.ErrField) {
			t.Errorf("a column that is there twice: %v", err)
		}
	})
}
