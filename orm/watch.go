package orm

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/tandem-go/tandem/internal/tally"
)

// DefaultSlowQuery is from when on a statement is slow where nothing else is said.
const DefaultSlowQuery = 200 * time.Millisecond

// SlowQuery has each statement that takes d or longer logged, at Warn: its text,
// how long it took and how many rows it read or changed, with the route and the id
// of the request that made it. Values are in no text. The default is
// [DefaultSlowQuery]; 0 logs none.
//
// The time is that of the caller: it has the wait for a connection in it and, for
// statements with rows, the reading of them to the end.
func SlowQuery(d time.Duration) Option { return func(db *DB) { db.watch.slow = d } }

// ReportRepeated is for development: a statement that runs n times or more in one
// request is logged, at Warn, when the request is over, with the route, how often
// it ran, and, where a relation was loaded row by row, which, and what loads it for
// all rows at once. Each statement is reported once for each route. 5 is a good n;
// 0, the default, reports none. Jobs and commands have no request to report of.
func ReportRepeated(n int) Option { return func(db *DB) { db.watch.repeated = n } }

// Logger sets where statements are logged, and the wait for a database that cannot
// be reached; the default is slog.Default.
func Logger(l *slog.Logger) Option { return func(db *DB) { db.watch.log = l } }

// watch sees each statement that has run.
type watch struct {
	slow     time.Duration // 0 or less: none is
	repeated int           // 0 or less: not reported
	log      *slog.Logger  // nil: slog.Default

	observers []func(context.Context, Statement)

	mu       sync.Mutex
	reported map[report]struct{}
}

// report is what was repeated where.
type report struct{ route, text string }

// maxReported bounds what is remembered; beyond it reporting begins anew.
const maxReported = 1000

// purpose is what the statements of a context are for.
type purpose struct {
	tally.Purpose
	goesOn bool // with what an earlier statement of the same call has begun
}

type purposeKey struct{}

// goingOn is the context of the statements of one call after its first, such as
// those of its next chunk: with the same text as before they are no repetition.
func goingOn(ctx context.Context) context.Context {
	if was, _ := ctx.Value(purposeKey{}).(purpose); was.goesOn {
		return ctx
	}
	return context.WithValue(ctx, purposeKey{}, purpose{goesOn: true})
}

// rowByRow is the context of the statements that load a relation of a row that is
// there.
func (o *origin) rowByRow(ctx context.Context, rel *relation) context.Context {
	remedy := o.related(rel)
	if o.mode != FetchPeers {
		remedy += ", or Fetch(orm.FetchPeers)"
	}
	return context.WithValue(ctx, purposeKey{}, purpose{Purpose: tally.Purpose{Name: rel.String(), Remedy: remedy}})
}

// related is the remedy for a relation that is not loaded with its rows.
func (o *origin) related(rel *relation) string {
	return "add Related(\"" + o.path + rel.name + "\") to the query of " + o.root.typ.Name()
}

// running is a statement that runs. The zero one has ended.
type running struct {
	db  *DB
	ctx context.Context
	statement
	began time.Time
}

func (db *DB) begun(ctx context.Context, st statement) running {
	return running{db, ctx, st, time.Now()}
}

// end counts the statement for its request, tells of it, and logs it if it was slow. What only
// bounds transactions is no query. rows says how many there were; nil: nobody knows.
func (r *running) end(rows func() (int64, error), err error) {
	if r.db == nil {
		return
	}
	w, took := &r.db.watch, time.Since(r.began)
	record := tally.Of(r.ctx)
	if !r.bounds {
		r.count(record, took)
	}
	slow := w.slow > 0 && took >= w.slow
	if !slow && w.observers == nil {
		*r = running{}
		return
	}
	n := int64(-1)
	if err == nil && rows != nil && !r.bounds {
		if count, unknown := rows(); unknown == nil {
			n = count
		}
	}
	r.tell(took, n, err)
	if slow {
		attrs := append(aboutQuery(r.text, record), slog.Duration("took", took))
		if err != nil {
			attrs = append(attrs, slog.Bool("failed", true)) // how may have values in it
		} else if n >= 0 {
			attrs = append(attrs, slog.Int64("rows", n))
		}
		w.warn(r.ctx, "slow query", attrs)
	}
	*r = running{}
}

func (r *running) count(record *tally.Record, took time.Duration) {
	why, _ := r.ctx.Value(purposeKey{}).(purpose)
	if why.goesOn {
		record.AddPart(r.text, took)
		return
	}
	switch {
	case why.Remedy != "":
	case r.writes:
		why.Remedy = "write all at once, by BulkCreate, BulkUpdate, or Update and Delete of a query"
	default:
		why.Remedy = "ask once for all, with IN (?)"
	}
	record.AddNamed(why.Purpose, r.text, took)
	if r.db.watch.repeated > 0 {
		record.AtEnd(r.db.watch.report)
	}
}

// aboutQuery is what is logged of any query.
func aboutQuery(text string, record *tally.Record) []slog.Attr {
	return append(aboutRequest(record), slog.String("query", shortened(text)))
}

// maxShown bounds a text in the log, in bytes.
const maxShown = 2000

func shortened(text string) string {
	if len(text) <= maxShown {
		return text
	}
	return strings.ToValidUTF8(text[:maxShown], "") + "..."
}

// report logs what a request has repeated, once for each route.
func (w *watch) report(record *tally.Record) {
	texts, beyond := record.Texts()
	for _, t := range texts {
		if t.Runs-t.Parts < w.repeated || !w.first(report{record.Route(), t.Text}) {
			continue
		}
		attrs := append(aboutQuery(t.Text, record), slog.Int("times", t.Runs), slog.Duration("took", t.Time))
		if t.Name != "" {
			attrs = append(attrs, slog.String("relation", t.Name))
		}
		w.warn(context.Background(), "query repeated in one request", append(attrs, slog.String("remedy", t.Remedy)))
	}
	if beyond >= w.repeated && w.first(report{route: record.Route()}) {
		w.warn(context.Background(), "more queries in one request than are told apart", append(aboutRequest(record),
			slog.Int("told_apart", len(texts)), slog.Int("others", beyond)))
	}
}

// first says whether it is the first time that something is reported.
func (w *watch) first(r report) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, was := w.reported[r]; was {
		return false
	}
	if w.reported == nil || len(w.reported) == maxReported {
		w.reported = make(map[report]struct{})
	}
	w.reported[r] = struct{}{}
	return true
}

func (w *watch) warn(ctx context.Context, msg string, attrs []slog.Attr) {
	w.logger().LogAttrs(ctx, slog.LevelWarn, msg, attrs...)
}

func (w *watch) logger() *slog.Logger {
	if w.log == nil {
		return slog.Default()
	}
	return w.log
}

// aboutRequest is what is logged of the request; nothing where there is none.
func aboutRequest(record *tally.Record) (attrs []slog.Attr) {
	if route := record.Route(); route != "" {
		attrs = append(attrs, slog.String("route", route))
	}
	if id := record.RequestID(); id != "" {
		attrs = append(attrs, slog.String("request_id", id))
	}
	return attrs
}
