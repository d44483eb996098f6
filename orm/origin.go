package orm

import (
	"reflect"
	"slices"

	"github.com/tandem-go/tandem/bridge"
)

// FetchMode says what happens when a relation is asked for that was not loaded.
// Rows that are loaded then have the mode of the row that was asked.
//
// With FetchPeers the rows of one statement keep each other in memory, and belong to
// one goroutine at a time together, since asking one changes the others.
type FetchMode uint8

// The modes, Django's.
const (
	fetchDefault FetchMode = iota
	FetchOne               // it is loaded, for this row
	FetchPeers             // it is loaded, for all rows that were loaded with this one, by one statement
	FetchRaise             // the answer is an error
)

// origin is where rows came from: what their relations need to know to load
// themselves, or to say why they do not. Rows of one statement share it.
type origin struct {
	db    *DB
	tx    *Tx           // that they were loaded in
	scope bridge.Scoped // of the sync code that loaded them; nil: async code did
	mode  FetchMode
	root  *model // of the query
	path  string // from the root's rows to these: "" or "Author."
	peers []any  // the rows; kept for FetchPeers alone

	columns []*column // that the rows were loaded with; nil: all
}

func (s *spec) fetchMode() FetchMode {
	if s.mode != fetchDefault {
		return s.mode
	}
	if s.scope != nil {
		return FetchOne
	}
	return FetchRaise
}

// origin is that of the query's rows, loaded in a session.
func (s *spec) origin(on session) *origin {
	from := &origin{db: s.db, scope: s.scope, mode: s.fetchMode(), root: s.m, columns: s.columns}
	from.tx, _ = on.(*Tx)
	return from
}

// ofSources are the origins of the rows of each source.
func (o *origin) ofSources(pl *plan) []*origin {
	all := []*origin{o}
	for _, from := range pl.sources[1:] {
		all = append(all, o.over(from.path))
	}
	return all
}

// over is the origin of rows that were loaded with these, over a path.
func (o *origin) over(path string) *origin {
	one := *o
	one.path, one.peers, one.columns = o.path+path+".", nil, nil
	return &one
}

// has says whether rows were loaded with a column.
func (o *origin) has(c *column) bool { return o.columns == nil || slices.Contains(o.columns, c) }

// adopt tells a row's relations.
func (o *origin) adopt(m *model, row reflect.Value) {
	if len(m.related) == 0 {
		return
	}
	ptr := row.Addr().Interface()
	if o.mode == FetchPeers {
		o.peers = append(o.peers, ptr)
	}
	for _, rel := range m.related {
		rel.field(row).attach(o, rel, ptr)
	}
}

// move says that a row is in other memory now.
func (o *origin) move(from, to any) {
	for i, row := range o.peers {
		if row == from {
			o.peers[i] = to
		}
	}
}
