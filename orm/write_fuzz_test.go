package orm_test

import (
	"errors"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/tandem-go/tandem/internal/pgtest"
	"github.com/tandem-go/tandem/orm"
)

// FuzzValues writes values and reads them back the same, or is refused with what
// the documentation says is not stored.
func FuzzValues(f *testing.F) {
	f.Add("text", []byte("bytes"), int64(1), int8(-1), uint32(7), 1.5, int64(1_700_000_000), uint32(123_456_789), true)
	f.Add("a\x00b", []byte{0}, int64(math.MinInt64), int8(-128), uint32(math.MaxUint32), math.Inf(1), int64(-62_135_596_800), uint32(0), false)
	f.Add("\xff", []byte{}, int64(math.MaxInt64), int8(127), uint32(0), math.NaN(), int64(253_402_300_799), uint32(999_999_999), false)
	f.Add("?$1'\"\\", []byte("\\x00"), int64(-1), int8(0), uint32(0), math.Copysign(0, -1), int64(0), uint32(1), true)
	dbs := []*orm.DB{open(f, filepath.Join(f.TempDir(), "test.db")), open(f, pgtest.URL(f))}
	for _, db := range dbs {
		withKinds(f, db)
	}
	f.Fuzz(func(t *testing.T, text string, bytes []byte, big int64, small int8, count uint32, float float64, seconds int64, nanos uint32, yes bool) {
		at := time.Unix(seconds, int64(nanos)%1e9).UTC()
		if at.Year() < 1 || at.Year() > 9999 {
			t.Skip("JSON has no such time either")
		}
		for _, db := range dbs {
			postgres := db.Dialect() == orm.PostgreSQL
			if postgres {
				at = at.Round(time.Microsecond)
			}
			want := &Kind{
				Text: text, Mood: mood(text), Bytes: bytes, Big: big, Small: small, Count: count, Float: float, At: at, Yes: yes, Maybe: &text, Never: &at, Note: &text,
				Doc: map[string]any{"yes": yes}, List: []mood{mood(text), "b"}, Level: 1,
			}
			kinds := orm.For[Kind](db)
			err := kinds.Create(t.Context(), want)
			badText := strings.Contains(text, "\x00") || !utf8.ValidString(text)
			if postgres && badText || !postgres && math.IsNaN(float) {
				if !errors.Is(err, orm.ErrType) {
					t.Fatalf("%v, want ErrType", err)
				}
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			got, err := kinds.Get(t.Context(), want.ID)
			if err != nil {
				t.Fatal(err)
			}
			if math.IsNaN(float) && math.IsNaN(got.Float) {
				got.Float, want.Float = 0, 0
			}
			if !postgres && badText { // the list is JSON there
				got.List, want.List = nil, nil
			}
			same(t, got, want)
			found, err := kinds.Filter("id = ? AND big = ? AND at = ? AND text = ? AND maybe = ? AND yes = ?", want.ID, big, at, text, text, yes).Exists(t.Context())
			if err != nil || !found {
				t.Errorf("it is not found by its values: %v", err)
			}
			if err := kinds.DeleteRow(t.Context(), got); err != nil {
				t.Error(err)
			}
		}
	})
}

// Whatever the parser takes as an expression both databases take.
func FuzzExpressions(f *testing.F) {
	for _, seed := range []string{
		"views + ?", "coalesce(rating, views, ?) * (views - id)", "lower(upper(title))", "? / ?", "((views))", "views;", "coalesce(", "NULL", "TRUE", "published",
		"coalesce(created_at, ?)", "editor_id", "lower(coalesce(body, ?))", "views-id*?", "views = ?", "'x'", "coalesce(NULL, NULL, views)",
	} {
		f.Add(seed)
	}
	dbs := []*orm.DB{open(f, filepath.Join(f.TempDir(), "test.db")), open(f, pgtest.URL(f))}
	values := map[string]any{"views": 1, "rating": 1.5, "title": "x", "published": true, "created_at": time.Unix(0, 0), "editor_id": "ed"}
	f.Fuzz(func(t *testing.T, text string) {
		for _, db := range dbs {
			for field, value := range values {
				args := slices.Repeat([]any{value}, min(strings.Count(text, "?"), 1000))
				set := orm.ExprOf(field, text, args...)
				q := orm.For[Post](db).Filter("id < ?", 0)
				if _, _, err := orm.UpdateText(q, set); err != nil {
					if strings.Contains(err.Error(), "\n") {
						t.Errorf("an error of several lines: %q", err)
					}
					continue
				}
				if _, err := q.Update(t.Context(), set); err != nil && !strings.Contains(err.Error(), "too many") {
					t.Errorf("%s = %q on %s: %v", field, text, db.Dialect(), err)
				}
			}
		}
	})
}
