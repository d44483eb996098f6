package timeline

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/tandem-go/tandem/internal/statedir"
)

const (
	// inMemory is how many events are kept in memory, the newest.
	inMemory = 2000
	// retry is how long a disk that has failed is left alone.
	retry = 30 * time.Second
)

// Options are the parts of a store that may be left away.
type Options struct {
	Log    *slog.Logger     // nil: slog.Default
	Warner *statedir.Warner // of the state directory; nil: this store warns of it by itself
	Was    Carried          // of the store whose place this one takes
}

// Carried is what an upgrade in place carries over: the rest is on disk.
type Carried struct {
	Seq    uint64  `json:"seq"` // of the last event
	Events []Event `json:"events,omitempty"`
	Lost   uint64  `json:"lost,omitempty"`
	// Apart says that what is on disk has not been read yet: it may have events with
	// the same numbers.
	Apart bool `json:"apart,omitempty"`
}

// Store keeps events. One goroutine of its own does the writing: no method waits
// for a disk, but for List and Close. All may be called from any goroutine.
type Store struct {
	log    *slog.Logger
	warner *statedir.Warner
	path   string
	wake   chan struct{} // one waiting: there is something to write
	stop   chan struct{}
	ended  chan struct{}
	begin  sync.Once
	end    sync.Once
	loaded chan struct{} // closed when the disk has been read, or could not be

	mu      sync.Mutex
	events  []Event // by Seq; the last inMemory count
	seq     uint64
	apart   bool   // what is on disk has not been read: events may get other numbers
	disk    *disk  // nil: there is none, or not yet
	written uint64 // what has a higher number is not on disk
	lost    uint64 // events before the first of those that disk will never see
	problem string
	readers map[*Subscription]struct{}
}

// New gives the store of a directory that [Directory] has named; with "" all is
// kept in memory. It touches nothing before Start.
func New(path string, o Options) *Store {
	s := &Store{
		log: o.Log, warner: o.Warner, path: path, wake: make(chan struct{}, 1), stop: make(chan struct{}), ended: make(chan struct{}),
		loaded: make(chan struct{}), readers: map[*Subscription]struct{}{},
		events: o.Was.Events, seq: o.Was.Seq, apart: o.Was.Apart || o.Was.Seq == 0, lost: o.Was.Lost,
	}
	if s.log == nil {
		s.log = slog.Default()
	}
	if s.written = s.seq; len(s.events) > 0 {
		s.written = s.events[0].Seq - 1
	}
	if path == "" {
		close(s.loaded)
	}
	return s
}

// Start begins to read what is on disk already and to write what is added, in
// the background. It does not fail: what is wrong with the directory is logged
// once, and it is tried again. Close must follow.
func (s *Store) Start() {
	s.begin.Do(func() { go s.run() })
}

// Close writes what is not on disk yet, as long as ctx lasts, and lets go of the
// directory. What is added afterwards is not written any more.
func (s *Store) Close(ctx context.Context) error {
	s.begin.Do(func() { close(s.ended) }) // never started
	s.end.Do(func() { close(s.stop) })
	select {
	case <-s.ended:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("keep the last events in %s: %w", s.path, context.Cause(ctx))
	}
}

// Add takes an event, gives it its number and, if it has none, the time. It
// never waits.
func (s *Store) Add(e Event) {
	e.bound()
	e.stamp()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seq++
	e.Seq = s.seq
	if len(s.events) >= 2*inMemory { // seldom, so that it costs little
		s.events = slices.Clone(s.events[len(s.events)-inMemory:])
	}
	s.events = append(s.events, e)
	poke(s.wake)
	for r := range s.readers {
		poke(r.wake)
	}
}

// poke leaves word, unless some is waiting.
func poke(wake chan struct{}) {
	select {
	case wake <- struct{}{}:
	default:
	}
}

// kept gives the events in memory. The caller holds the lock, and may read what it
// got without it: events are only ever appended.
func (s *Store) kept() []Event {
	return slices.Clip(s.events[max(0, len(s.events)-inMemory):])
}

// since gives the events in memory with higher numbers than seq.
func (s *Store) since(seq uint64) []Event {
	kept := s.kept()
	i, _ := slices.BinarySearchFunc(kept, seq+1, func(e Event, seq uint64) int { return cmp.Compare(e.Seq, seq) })
	return kept[i:]
}

// unwritten gives the events that are not on disk, and how many before them never
// will be. The caller holds the lock.
func (s *Store) unwritten() (events []Event, lost uint64) {
	events = s.since(s.written)
	if len(events) == 0 {
		return nil, 0
	}
	return events, s.lost + events[0].Seq - s.written - 1 // the first is the oldest that memory still has
}

// State gives what must be given to the store that takes this one's place. It
// does not wait for the disk.
func (s *Store) State() Carried {
	s.mu.Lock()
	defer s.mu.Unlock()
	events, lost := s.unwritten()
	return Carried{Seq: s.seq, Events: events, Lost: lost, Apart: s.apart}
}

// List gives the events that q wants, from memory and, where that does not reach
// back far enough, from disk. It waits, as long as ctx lasts, until the disk has
// been read at the start.
func (s *Store) List(ctx context.Context, q Query) ([]Event, error) {
	if err := s.await(ctx); err != nil {
		return nil, err
	}
	s.mu.Lock()
	all, disk := s.kept(), s.disk
	s.mu.Unlock()
	enough := q.Limit > 0 && len(q.Pick(all)) >= q.Limit ||
		len(all) > 0 && (all[0].Seq <= q.After+1 || all[0].Time.Before(q.Since))
	if disk == nil || enough {
		return q.Pick(all), nil
	}
	before, _, err := read(disk.dir.Root)
	if err != nil { // it was said when it began; memory is what there is
		return q.Pick(all), nil
	}
	if len(all) > 0 {
		before = slices.DeleteFunc(before, func(e Event) bool { return e.Seq >= all[0].Seq })
	}
	return q.Pick(append(before, all...)), nil
}

// await waits until the disk has been read at the start.
func (s *Store) await(ctx context.Context) error {
	select {
	case <-s.loaded:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for the timeline to be read from %s: %w", s.path, context.Cause(ctx))
	}
}
