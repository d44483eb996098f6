package orm_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tandem-go/tandem/bridge"
	"github.com/tandem-go/tandem/internal/tally"
	"github.com/tandem-go/tandem/orm"
	"github.com/tandem-go/tandem/view"
)

// watched has what is seen of a database's statements written down.
type watched struct {
	t   *testing.T
	db  *orm.DB
	log bytes.Buffer
}

func watching(t *testing.T, db *orm.DB, options ...orm.Option) *watched {
	w := &watched{t: t, db: db}
	plain := func(_ []string, a slog.Attr) slog.Attr {
		switch a.Key {
		case slog.TimeKey:
			return slog.Attr{}
		case "took":
			if a.Value.Duration() <= 0 {
				t.Errorf("it took %v", a.Value)
			}
			return slog.String("took", "TIME")
		}
		return a
	}
	logger := orm.Logger(slog.New(slog.NewTextHandler(&w.log, &slog.HandlerOptions{ReplaceAttr: plain})))
	options = append([]orm.Option{orm.SlowQuery(0), logger}, options...)
	for _, o := range options {
		o(db)
	}
	return w
}

var texts = regexp.MustCompile(`query="([A-Z]+) (?:[^"\\]|\\.)*"`)

// lines are what was logged since the last call, the texts of statements cut to
// their verbs.
func (w *watched) lines() []string {
	defer w.log.Reset()
	if w.log.Len() == 0 {
		return nil
	}
	return strings.Split(strings.TrimSpace(texts.ReplaceAllString(w.log.String(), "query=$1")), "\n")
}

func (w *watched) expect(want ...string) {
	w.t.Helper()
	if got := w.lines(); !slices.Equal(got, want) {
		w.t.Errorf("logged\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// site serves routes and says how many queries the last request made.
type site struct {
	*view.App
	queries int
}

func serving(routes ...view.Route) *site {
	s := new(site)
	s.App = view.New(view.Logger(slog.New(slog.DiscardHandler)), view.Observe(func(_ *view.Request, o view.Outcome) { s.queries = o.Queries }))
	s.Routes(routes...)
	return s
}

func (s *site) get(t *testing.T, target string, want int) {
	t.Helper()
	r, w := httptest.NewRequest("GET", target, nil), httptest.NewRecorder()
	r.Header.Set("X-Request-Id", "abc")
	s.ServeHTTP(w, r)
	if w.Code != want {
		t.Errorf("%s: %d %s", target, w.Code, w.Body)
	}
}

func TestAnOutcomeHasTheQueriesOfTheORM(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		posts := orm.For[Post](db)
		ask := func(ctx context.Context) (struct{}, error) {
			_, err := posts.List(ctx)
			return struct{}{}, err
		}
		s := serving(
			view.Path("/async", func(ctx context.Context, _ *view.Request) (view.Response, error) {
				_, a := posts.Get(ctx, 1)
				_, b := posts.Count(ctx)
				return view.NoContent(), errors.Join(a, b)
			}),
			view.Path("/sync", func(r *view.Request) (view.Response, error) {
				_, a := posts.Sync(r).Get(1)
				_, b := bridge.Await(r, ask)
				return view.NoContent(), errors.Join(a, b)
			}),
			view.Path("/gathered", func(ctx context.Context, _ *view.Request) (view.Response, error) {
				inner := bridge.SyncToAsyncScoped(func(s *bridge.Scope, id int) (*Post, error) { return posts.Sync(s).Get(id) })
				_, err := bridge.GatherAll(ctx, 0, []int{1, 2, 3, 4, 5}, inner)
				return view.NoContent(), err
			}),
			view.Path("/missing", func(ctx context.Context, _ *view.Request) (view.Response, error) {
				_, err := posts.Get(ctx, 99)
				return view.NoContent(), err
			}),
			view.Path("/unasked", func(ctx context.Context, _ *view.Request) (view.Response, error) {
				_, err := posts.Limit(0).List(ctx)
				return view.NoContent(), err
			}),
		)
		for target, want := range map[string]int{"/async": 2, "/sync": 2, "/gathered": 5, "/missing": 1, "/unasked": 0} {
			s.queries = -1
			status := 204
			if target == "/missing" {
				status = 404
			}
			s.get(t, target, status)
			if s.queries != want {
				t.Errorf("%s: %d queries, want %d", target, s.queries, want)
			}
		}
	})
}

func TestSlowStatementsAreLoggedWithTheirRoute(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		posts := orm.For[Post](db).Filter("title <> ?", "secret")
		w := watching(t, db, orm.SlowQuery(time.Nanosecond))
		s := serving(
			view.Path("GET /async/{id}", func(ctx context.Context, _ *view.Request) (view.Response, error) {
				_, err := posts.List(ctx)
				return view.NoContent(), err
			}),
			view.Path("GET /sync/{id}", func(r *view.Request) (view.Response, error) {
				_, err := posts.Limit(2).Sync(r).List()
				return view.NoContent(), err
			}),
		)
		s.get(t, "/async/7", 204)
		w.expect(`level=WARN msg="slow query" route="GET /async/{id}" request_id=abc query=SELECT took=TIME rows=5`)
		s.get(t, "/sync/7", 204)
		w.expect(`level=WARN msg="slow query" route="GET /sync/{id}" request_id=abc query=SELECT took=TIME rows=2`)

		if _, err := posts.List(t.Context()); err != nil {
			t.Error(err)
		}
		if text := w.log.String(); !strings.Contains(text, "posts") || strings.Contains(text, "secret") {
			t.Errorf("no text, or one with values in it: %s", text)
		}
		w.expect(`level=WARN msg="slow query" query=SELECT took=TIME rows=5`)

		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := posts.List(ctx); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		w.expect(`level=WARN msg="slow query" query=SELECT took=TIME failed=true`)

		for _, fast := range []time.Duration{time.Hour, 0} {
			orm.SlowQuery(fast)(db)
			if _, err := posts.List(t.Context()); err != nil {
				t.Error(err)
			}
			w.expect()
		}
	})
}

func TestWhatBoundsATransactionIsTimedAndNoQuery(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		w := watching(t, db, orm.SlowQuery(time.Nanosecond), orm.ReportRepeated(2))
		s := serving(view.Path("/", func(ctx context.Context, _ *view.Request) (view.Response, error) {
			err := orm.AtomicAsync(ctx, db, func(ctx context.Context, _ *orm.Tx) error {
				for range 2 {
					if err := orm.AtomicAsync(ctx, db, func(context.Context, *orm.Tx) error { return nil }); err != nil {
						return err
					}
				}
				_, err := orm.For[Post](db).Count(ctx)
				return err
			})
			return view.NoContent(), err
		}))
		s.get(t, "/", 204)
		if s.queries != 1 {
			t.Errorf("%d queries, want 1", s.queries)
		}
		var want []string
		for _, text := range []string{"BEGIN", "SAVEPOINT", "RELEASE", "SAVEPOINT", "RELEASE", "SELECT", "COMMIT"} {
			line := `level=WARN msg="slow query" route=/ request_id=abc query=` + text + " took=TIME"
			if text == "SELECT" {
				line += " rows=1"
			}
			want = append(want, line)
		}
		w.expect(want...)
	})
}

func TestALongTextIsCutInTheLog(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		w := watching(t, db, orm.SlowQuery(time.Nanosecond))
		if _, err := orm.For[Post](db).Filter("id IN (?)", make([]int, 1500)).List(t.Context()); err != nil {
			t.Error(err)
		}
		if n := w.log.Len(); n < 2000 || n > 2200 || !strings.Contains(w.log.String(), `..."`) {
			t.Errorf("%d bytes: %s", n, w.log.String())
		}
	})
}

func TestARepeatedQueryIsReportedOnceForItsRoute(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		posts := orm.For[Post](db)
		w := watching(t, db, orm.ReportRepeated(3))
		loop := func(n int) view.AsyncView {
			return func(ctx context.Context, _ *view.Request) (view.Response, error) {
				for id := range n {
					if _, err := posts.Get(ctx, id+1); err != nil {
						return nil, err
					}
				}
				return view.NoContent(), nil
			}
		}
		s := serving(view.Path("/two", loop(2)), view.Path("/three", loop(3)), view.Path("/five", loop(5)))
		line := `level=WARN msg="query repeated in one request" route=%s request_id=abc query=SELECT times=%d took=TIME remedy="ask once for all, with IN (?)"`
		s.get(t, "/two", 204)
		w.expect()
		s.get(t, "/three", 204)
		w.expect(fmt.Sprintf(line, "/three", 3))
		s.get(t, "/three", 204)
		w.expect()
		s.get(t, "/five", 204)
		w.expect(fmt.Sprintf(line, "/five", 5))
		s = serving(view.Path("/written", func(ctx context.Context, _ *view.Request) (view.Response, error) {
			for id := range 3 {
				if _, err := posts.Filter("id = ?", id+1).Update(ctx, orm.Set("views", 0)); err != nil {
					return nil, err
				}
			}
			return view.NoContent(), nil
		}), view.Path("/three", loop(3)))
		s.get(t, "/written", 204)
		w.expect(`level=WARN msg="query repeated in one request" route=/written request_id=abc query=UPDATE times=3 took=TIME remedy="write all at once, by BulkCreate, BulkUpdate, or Update and Delete of a query"`)
		orm.ReportRepeated(0)(db)
		s.get(t, "/three", 204)
		w.expect()
	})
}

func TestARelationThatIsLoadedRowByRowIsReportedByName(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		posts := orm.For[Post](db).Filter("Author IS NOT NULL")
		w := watching(t, db, orm.ReportRepeated(3))
		// lazy has each row load its author, by its own colour's means, and the
		// author's profile.
		lazy := func(rows []*Post, err error, load func(*Post) (*Author, error), profile func(*Author) (*Profile, error)) (view.Response, error) {
			for _, p := range rows {
				author, failed := load(p)
				if failed == nil {
					_, failed = profile(author)
				}
				err = errors.Join(err, failed)
			}
			return view.NoContent(), err
		}
		sync := func(q orm.Query[Post]) view.SyncView {
			return func(r *view.Request) (view.Response, error) {
				rows, err := q.Sync(r).List()
				return lazy(rows, err, func(p *Post) (*Author, error) { return p.Author.Get() }, func(a *Author) (*Profile, error) { return a.Profile.Get() })
			}
		}
		async := func(ctx context.Context, _ *view.Request) (view.Response, error) {
			rows, err := posts.List(ctx)
			return lazy(rows, err, func(p *Post) (*Author, error) { return p.Author.Load(ctx) }, func(a *Author) (*Profile, error) { return a.Profile.Load(ctx) })
		}
		s := serving(
			view.Path("/sync", sync(posts)),
			view.Path("/async", async),
			view.Path("/related", sync(posts.Related("Author.Profile"))),
			view.Path("/half", sync(posts.Related("Author"))),
			view.Path("/peers", sync(posts.Fetch(orm.FetchPeers))),
		)
		line := `level=WARN msg="query repeated in one request" route=%s request_id=abc query=SELECT times=4 took=TIME relation=%s remedy="add Related(\"%s\") to the query of Post, or Fetch(orm.FetchPeers)"`
		tests := []struct {
			route   string
			queries int
			report  []string
		}{
			{"/sync", 9, []string{fmt.Sprintf(line, "/sync", "Post.Author", "Author"), fmt.Sprintf(line, "/sync", "Author.Profile", "Author.Profile")}},
			{"/async", 9, []string{fmt.Sprintf(line, "/async", "Post.Author", "Author"), fmt.Sprintf(line, "/async", "Author.Profile", "Author.Profile")}},
			{"/related", 1, nil},
			{"/half", 5, []string{fmt.Sprintf(line, "/half", "Author.Profile", "Author.Profile")}},
			{"/peers", 3, nil},
		}
		for _, test := range tests {
			s.get(t, test.route, 204)
			if s.queries != test.queries {
				t.Errorf("%s: %d queries, want %d", test.route, s.queries, test.queries)
			}
			w.expect(test.report...)
		}
	})
}

func TestThePartsOfOneCallAreNoRepetition(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		w := watching(t, db, orm.ReportRepeated(2))
		tags := orm.For[Tag](db)
		s := serving(
			view.Path("/iterated", func(ctx context.Context, _ *view.Request) (view.Response, error) {
				for _, err := range orm.For[Post](db).Chunk(1).Related("Tags").All(ctx) {
					if err != nil {
						return nil, err
					}
				}
				return view.NoContent(), nil
			}),
			view.Path("/created", func(ctx context.Context, _ *view.Request) (view.Response, error) {
				return view.NoContent(), tags.BulkCreate(ctx, []*Tag{{Name: "x"}, {Name: "y"}, {Name: "z"}}, orm.BatchSize(1))
			}),
			view.Path("/updated", func(ctx context.Context, _ *view.Request) (view.Response, error) {
				all := make([]*Tag, 2500) // of which one is there
				for i := range all {
					all[i] = &Tag{ID: int64(i + 1000), Name: fmt.Sprint("tag ", i)}
				}
				all[0].ID = 1
				_, err := tags.BulkUpdate(ctx, all, "Name")
				return view.NoContent(), err
			}),
			view.Path("/in-bulk", func(ctx context.Context, _ *view.Request) (view.Response, error) {
				keys := make([]int64, 60_001)
				for i := range keys {
					keys[i] = int64(i)
				}
				_, err := orm.InBulk(ctx, tags, keys)
				return view.NoContent(), err
			}),
		)
		// five posts with their tags, and that there is no sixth
		for target, want := range map[string]int{"/iterated": 11, "/created": 3, "/updated": 3, "/in-bulk": 3} {
			s.get(t, target, 204)
			if s.queries != want {
				t.Errorf("%s: %d queries, want %d", target, s.queries, want)
			}
			w.expect()
		}
	})
}

func TestQueriesBeyondWhatIsToldApartAreReported(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		posts := orm.For[Post](db)
		w := watching(t, db, orm.ReportRepeated(5))
		s := serving(view.Path("/", func(ctx context.Context, _ *view.Request) (view.Response, error) {
			for n := range tally.MaxTexts + 7 {
				if _, err := posts.Filter("id IN (?)", make([]int, n+1)).Count(ctx); err != nil {
					return nil, err
				}
			}
			return view.NoContent(), nil
		}))
		s.get(t, "/", 204)
		w.expect(`level=WARN msg="more queries in one request than are told apart" route=/ request_id=abc told_apart=100 others=7`)
	})
}
