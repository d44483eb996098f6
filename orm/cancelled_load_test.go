package orm_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/tandem-go/tandem/orm"
)

// Many goroutines share a query and cancel what they do at any moment: each gets its
// rows or an error of its ctx, and nothing stays taken.
func TestNothingStaysTakenWhateverIsCancelled(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		db.SetPool(3)
		base := orm.For[Post](db).Filter("id > ?", 0).Order("id").Related("Author")
		var all sync.WaitGroup
		for g := range uint64(50) {
			all.Go(func() {
				r := rand.New(rand.NewPCG(g, 1))
				for range 10 {
					ctx, cancel := context.WithTimeout(t.Context(), time.Duration(r.IntN(3000))*time.Microsecond)
					id := int64(r.IntN(5) + 1)
					var err error
					switch r.IntN(4) {
					case 0:
						var rows []*Post
						if rows, err = base.Filter("id = ?", id).Related("Tags", "Comments").List(ctx); err == nil && (len(rows) != 1 || rows[0].ID != id) {
							t.Errorf("%d rows for %d", len(rows), id)
						}
					case 1:
						n := int64(0)
						for p, failed := range base.Where(orm.Is("id", id)).Chunk(1).All(ctx) {
							if err = failed; err == nil {
								n += p.ID
							}
						}
						if err == nil && n != id {
							t.Errorf("iterated over %d, want %d", n, id)
						}
					case 2:
						_, err = base.Filter("id <= ?", id).Update(ctx, orm.SetExpr("views", "views + ?", 1))
					case 3:
						err = orm.AtomicAsync(ctx, db, func(ctx context.Context, _ *orm.Tx) error {
							if _, err := base.Filter("id = ?", id).Update(ctx, orm.SetExpr("views", "views + ?", 1)); err != nil {
								return err
							}
							return orm.AtomicAsync(ctx, db, func(ctx context.Context, _ *orm.Tx) error {
								_, err := base.Count(ctx)
								return err
							})
						})
					}
					cancel()
					if err != nil && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, orm.ErrSerialization) {
						t.Errorf("%v", err)
					}
				}
			})
		}
		all.Wait()
		if s := db.Stats(); s.InUse != 0 || s.Queued != 0 || s.WriteQueued != 0 {
			t.Errorf("%+v", s)
		}
		for range 4 { // more than there are places
			if err := orm.AtomicAsync(t.Context(), db, func(ctx context.Context, tx *orm.Tx) error { return rename(ctx, tx, 1, "A") }); err != nil {
				t.Error(err)
			}
			if n, err := base.Count(t.Context()); n != 5 || err != nil {
				t.Errorf("%d, %v", n, err)
			}
		}
	})
}
