package orm_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/tandem-go/tandem/orm"
)

// Link has bun's alias "link".
type Link struct {
	ID   int64            `bun:",pk,autoincrement"`
	From orm.Refs[Author] `bun:"-" orm:"m2m:author_links"`
}

type Linked struct {
	ID    int64          `bun:",pk,autoincrement"`
	Links orm.Refs[Link] `bun:"-" orm:"m2m:author_links,from:author_id"`
}

func TestAnAliasIsOfOneTableAlone(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		for _, text := range []string{
			"CREATE TABLE links (id bigint PRIMARY KEY)", "INSERT INTO links (id) VALUES (7)",
			"CREATE TABLE linkeds (id bigint PRIMARY KEY)", "INSERT INTO linkeds (id) VALUES (1)",
			"CREATE TABLE author_links (author_id bigint, link_id bigint)", "INSERT INTO author_links VALUES (1, 7)",
		} {
			if err := orm.Exec(t.Context(), db, text); err != nil {
				t.Fatal(err)
			}
		}
		one, err := orm.For[Linked](db).Related("Links.From").Get(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		links, err := one.Links.All()
		if err != nil || len(links) != 1 || links[0].ID != 7 {
			t.Errorf("%v, %v", links, err)
		}

		// names of which PostgreSQL keeps the same 63 bytes
		up := strings.TrimSuffix(strings.Repeat("Parent.", 9), ".")
		comments := orm.For[Comment](db).Related(up).Order(up+".body", "id").Where(orm.Is(up+".body", nil))
		if all, err := comments.List(t.Context()); err != nil || len(all) != 3 {
			t.Errorf("%d comments, %v", len(all), err)
		}
	})
}

func TestAPathHasABound(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		long := strings.Repeat("Parent.", 1000) + "body"
		const want = `leads over 1000 relations; 10 are the most`
		comments := orm.For[Comment](db)
		for name, err := range map[string]error{
			"order": comments.Order(long).Err(), "is": comments.Where(orm.Is(long, "x")).Err(), "related": comments.Related(strings.TrimSuffix(long, ".body")).Err(),
			"aggregate": comments.Aggregate(t.Context(), orm.CountOf(long, new(int))),
		} {
			if !errors.Is(err, orm.ErrField) || !strings.Contains(err.Error(), want) || len(err.Error()) > 300 {
				t.Errorf("%s: %v", name, err)
			}
		}
		unknown := strings.Repeat("x", 1<<20)
		if err := comments.Order(unknown).Err(); !errors.Is(err, orm.ErrField) || len(err.Error()) > 300 {
			t.Errorf("an error of %d bytes", len(err.Error()))
		}
	})
}
