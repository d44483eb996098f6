package orm_test

import (
	"testing"
	"time"

	"github.com/tandem-go/tandem/orm"
)

// Text of one zone sorts as the times do, whatever their fractions.
func TestTimesAreInUTCAndSort(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		posts := orm.For[Post](db)
		if _, err := posts.Delete(t.Context()); err != nil {
			t.Fatal(err)
		}
		base := time.Date(2026, 7, 1, 1, 59, 59, 0, time.FixedZone("", 2*60*60)) // the day before, in UTC
		var want []time.Time
		for _, d := range []time.Duration{0, time.Microsecond, 10 * time.Microsecond, 100 * time.Millisecond, time.Second, time.Second + time.Microsecond, time.Hour} {
			want = append(want, base.Add(d))
		}
		zones := []*time.Location{time.UTC, base.Location(), time.FixedZone("", -9*60*60)}
		for i := range want {
			at := want[len(want)-1-i].In(zones[i%len(zones)])
			if err := posts.Create(t.Context(), &Post{Title: "x", CreatedAt: at}); err != nil {
				t.Fatal(err)
			}
		}
		got, err := posts.Order("created_at").List(t.Context())
		if err != nil || len(got) != len(want) {
			t.Fatal(got, err)
		}
		for i, post := range got {
			if !post.CreatedAt.Equal(want[i]) || post.CreatedAt.Location() != time.UTC {
				t.Errorf("%d: %s, want %s", i, post.CreatedAt, want[i].UTC())
			}
			if n, err := posts.Filter("created_at < ?", want[i]).Count(t.Context()); err != nil || int(n) != i {
				t.Errorf("%d before %s, %v; want %d", n, want[i], err, i)
			}
			if n, err := posts.Filter("created_at = ?", want[i].In(zones[i%len(zones)])).Count(t.Context()); err != nil || n != 1 {
				t.Errorf("%d at %s, %v; want 1", n, want[i], err)
			}
		}
	})
}
