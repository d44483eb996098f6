package orm_test

import (
	"testing"

	"github.com/tandem-go/tandem/orm"
)

func TestATextIsFoundAsItIs(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		tags := orm.For[Tag](db)
		names := []string{"100%", "100 %", "a_b", "axb", `a\b`, `a\\b`}
		for _, name := range names {
			if err := tags.Create(t.Context(), &Tag{Name: name}); err != nil {
				t.Fatal(err)
			}
		}
		for _, name := range names {
			found, err := tags.Filter("name LIKE ?", orm.EscapeLike(name)).List(t.Context())
			if err != nil || len(found) != 1 || found[0].Name != name {
				t.Errorf("%q: found %v, %v", name, found, err)
			}
		}
	})
}
