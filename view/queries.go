package view

import (
	"context"
	"net/http"
	"sync/atomic"

	"github.com/tandem-go/tandem/internal/tally"
)

// queries is where the record of a request's database queries is. It is made when
// the first query looks for it, by the key of package tally, in its context.
type queries struct{ record atomic.Pointer[tally.Record] }

// or returns the record, and makes it if there is none.
func (q *queries) or(make func() *tally.Record) *tally.Record {
	if made := q.record.Load(); made != nil {
		return made
	}
	q.record.CompareAndSwap(nil, make())
	return q.record.Load()
}

// tally is the request's own record: what net/http middleware, or an app around
// this one, has counts it too.
func (r *Request) tally() *tally.Record {
	return r.queries.or(func() *tally.Record {
		served := r.served()
		return tally.New(tally.Of(served.Context()), served.Pattern, r.ID)
	})
}

// sighted is the context of what is in net/http middleware whose requests are
// observed.
type sighted struct {
	context.Context
	seen   *sighting
	server *http.Request
	writer http.ResponseWriter
}

// Value finds the sighting, and the record of queries that it keeps.
func (c *sighted) Value(key any) any {
	switch key.(type) {
	case sightingKey:
		return c.seen
	case tally.Key:
		return c.tally()
	}
	return c.Context.Value(key)
}

// tally is the record of a request that is in net/http middleware, where it has no
// id but one that it came with.
func (c *sighted) tally() *tally.Record {
	return c.seen.queries.or(func() *tally.Record {
		return tally.New(tally.Of(c.Context), c.server.Pattern, func() string { return givenID(c.server, c.writer) })
	})
}

// counted is what has counted the request's queries, r being the request; nil if
// there were none.
func (s *sighting) counted(r *Request) *tally.Record {
	if all := s.queries.record.Load(); all != nil {
		return all
	}
	return r.queries.record.Load()
}
