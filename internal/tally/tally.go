// Package tally counts the database queries of one request.
//
// The invariant: a record's memory is bounded, whatever its request does. The
// number of queries and their time are exact; up to [MaxTexts] texts are told
// apart, and runs of others are counted together.
//
// Smallest use, by whoever runs queries:
//
//	began := time.Now()
//	rows, err := db.QueryContext(ctx, text, args...) // and read them
//	tally.Of(ctx).Add(text, time.Since(began))
//
// Whoever serves requests puts the record where their contexts find it, at the
// first query and not before: a request that makes none pays nothing.
package tally

import (
	"context"
	"slices"
	"sync"
	"time"
)

// What a record tells apart: this many texts, of at most this many bytes each.
const (
	MaxTexts   = 100
	MaxTextLen = 8 << 10
)

// Key is what the contexts of requests know their *Record by. A context that makes
// it on demand answers to Key by itself; for others there is [Record.Context].
type Key struct{}

// Of returns the record of the request that ctx belongs to; nil where there is
// none, as in jobs and commands. A nil Record takes whatever it is given and knows
// nothing.
func Of(ctx context.Context) *Record {
	r, _ := ctx.Value(Key{}).(*Record)
	return r
}

// Purpose is what a query was for, where that is known.
type Purpose struct {
	Name   string // such as the relation "Post.Author"
	Remedy string // what spares a program that runs it over and over
}

// Text is one text of a query in one request. Texts hold no values, so what
// differs in its values alone has one text.
type Text struct {
	Text string
	Purpose
	Runs  int
	Parts int           // of the runs, those of [Record.AddPart]
	Time  time.Duration // of all runs
}

// Record is the queries of one request. It is safe for concurrent use, and may be
// added to when its request is over.
type Record struct {
	outer *Record
	route string
	id    func() string

	mu     sync.Mutex
	runs   int
	time   time.Duration
	texts  []Text
	beyond int
	atEnd  func(*Record)
	ended  bool
}

// New makes a record. What is added to it is counted by outer too, unless that is
// nil: the record of a wider part of the same request. route is the pattern of the
// request's route and id gives its id; nil where there is none.
func New(outer *Record, route string, id func() string) *Record {
	return &Record{outer: outer, route: route, id: id}
}

// Context returns a context under ctx whose queries r counts.
func (r *Record) Context(ctx context.Context) context.Context {
	return context.WithValue(ctx, Key{}, r)
}

// Route is the pattern of the request's route; "" if it has none.
func (r *Record) Route() string {
	if r == nil {
		return ""
	}
	return r.route
}

// RequestID is the request's id; "" if it has none.
func (r *Record) RequestID() string {
	if r == nil || r.id == nil {
		return ""
	}
	return r.id()
}

// Add counts one run of a query that took d.
func (r *Record) Add(text string, d time.Duration) { r.AddNamed(Purpose{}, text, d) }

// AddNamed is [Record.Add] for a query whose purpose is known. The first purpose
// that a text was given is kept.
func (r *Record) AddNamed(p Purpose, text string, d time.Duration) { r.add(p, text, d, 0) }

// AddPart is [Record.Add] for a query that is no repetition of another, though its
// text may be: it goes on with what an earlier one of the same call has begun.
func (r *Record) AddPart(text string, d time.Duration) { r.add(Purpose{}, text, d, 1) }

func (r *Record) add(p Purpose, text string, d time.Duration, parts int) {
	if r == nil {
		return
	}
	r.mu.Lock()
	r.note(Text{text, p, 1, parts, d})
	r.mu.Unlock()
	for ; r != nil; r = r.outer {
		r.mu.Lock()
		r.runs++
		r.time += d
		r.mu.Unlock()
	}
}

// note counts a run by its text, with the lock held. Few requests have more than a
// handful of texts, and a text is mostly the very same string each time, so that
// looking through them costs less than a map.
func (r *Record) note(one Text) {
	for i := range r.texts {
		if t := &r.texts[i]; t.Text == one.Text {
			t.Runs++
			t.Parts += one.Parts
			t.Time += one.Time
			if t.Purpose == (Purpose{}) {
				t.Purpose = one.Purpose
			}
			return
		}
	}
	if len(r.texts) == MaxTexts || len(one.Text) > MaxTextLen {
		r.beyond += one.Runs - one.Parts
		return
	}
	r.texts = append(r.texts, one)
}

// Total is how many queries there were so far, and the sum of their times: those
// that ran beside each other each count.
func (r *Record) Total() (queries int, spent time.Duration) {
	if r == nil {
		return 0, 0
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.runs, r.time
}

// Texts returns the texts in the order of their first run, and how many runs there
// were of texts that are not told apart, but for parts. What records within this one were added is not
// among them.
func (r *Record) Texts() (texts []Text, beyond int) {
	if r == nil {
		return nil, 0
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.texts), r.beyond
}

// AtEnd has f called with the record when its request is over, on the goroutine
// that ends it. The first f stands: later calls, and those after the end, do nothing.
func (r *Record) AtEnd(f func(*Record)) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.atEnd == nil && !r.ended {
		r.atEnd = f
	}
}

// End says that the request is over. Only the first call does anything.
func (r *Record) End() {
	if r == nil {
		return
	}
	r.mu.Lock()
	f, was := r.atEnd, r.ended
	r.atEnd, r.ended = nil, true
	r.mu.Unlock()
	if f != nil && !was {
		f(r)
	}
}
