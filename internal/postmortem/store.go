package postmortem

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/tandem-go/tandem/internal/statedir"
)

const (
	maxRecords  = 50
	maxOnDisk   = 32 << 20
	maxInMemory = 8 << 20 // of records that are not on disk
	maxRepeats  = 20      // that are listed; they are all counted
	queueLength = 64
	// repeatWindow: what is like a death of that long ago is news all the same.
	repeatWindow = time.Hour
	// A storm of deaths that differ writes no more than burst records, and then
	// one each refill.
	burst  = 20
	refill = 3 * time.Second
	// pause between two writings, and retry after one that failed.
	pause = time.Second
	retry = 30 * time.Second
)

// ErrNotFound says that there is no such record.
var ErrNotFound = errors.New("there is no such record")

// Report is what there is, without the lines and dumps.
type Report struct {
	Directory string      `json:"directory"`         // that has the records; "": they are kept in memory only
	Problem   string      `json:"problem,omitempty"` // why the directory cannot be used
	Dropped   uint64      `json:"dropped,omitempty"` // deaths of which nothing is kept
	Suspects  []Suspicion `json:"suspects"`          // requests that may kill workers
	Records   []Record    `json:"records"`           // the newest first
}

// Options are the parts of a store that may be left away.
type Options struct {
	Log    *slog.Logger     // nil: slog.Default
	Warner *statedir.Warner // of the state directory; nil: this store warns of it by itself
	Now    func() time.Time
	Was    State // of the store whose place this one takes
}

// Store keeps records in a directory, and those that it cannot write there in
// memory. One goroutine of its own does the writing: its methods never wait for
// a disk, but for Get and Close.
type Store struct {
	log   *slog.Logger
	warn  *statedir.Warner
	now   func() time.Time
	dir   string
	queue chan Record
	ended chan struct{}
	stop  sync.Once
	was   []Record

	mu      sync.Mutex
	folder  *folder  // nil: there is none
	entries []*entry // the oldest first, by when they were last seen
	dropped uint64
	problem string
	tokens  float64
	filled  time.Time
}

// entry is one record: a summary, and in memory all of it as long as it is not
// on disk.
type entry struct {
	Record        // without lines and dump
	key    string // what identical ends have in common
	full   *Record
	size   int // of full, in JSON
	dirty  bool
}

// New gives the store of a directory that [Directory] has named; with "" all is
// kept in memory. It touches nothing before Start.
func New(dir string, o Options) *Store {
	s := &Store{
		log: o.Log, warn: o.Warner, now: o.Now, dir: dir,
		queue: make(chan Record, queueLength), ended: make(chan struct{}), tokens: burst,
		dropped: o.Was.Dropped, was: o.Was.Records,
	}
	if s.log == nil {
		s.log = slog.Default()
	}
	if s.now == nil {
		s.now = time.Now
	}
	s.filled = s.now()
	return s
}

// Start begins to read what is on disk already and to write what is added, in
// the background. It does not fail: what is wrong with the directory is logged
// once, told by List, and it is tried again. Close must follow.
func (s *Store) Start() { go s.run() }

// State is what an upgrade carries over: the rest is on disk.
type State struct {
	Records []Record `json:"records"` // not on disk, or not yet
	Dropped uint64   `json:"dropped"`
}

// State gives what must be given to the store that takes this one's place. It
// does not wait for the disk.
func (s *Store) State() State {
	for {
		select {
		case r, more := <-s.queue:
			if more {
				s.take(r)
				continue
			}
		default:
		}
		break
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	state := State{Dropped: s.dropped}
	for _, e := range s.entries {
		if e.full != nil {
			state.Records = append(state.Records, *e.full)
		}
	}
	return state
}

// Add takes a record. It never waits; when too many come at once the record is
// counted as dropped. r must not be changed afterwards.
func (s *Store) Add(r Record) {
	select {
	case s.queue <- r:
	default:
		s.mu.Lock()
		s.dropped++
		s.mu.Unlock()
	}
}

// Close writes what is not on disk yet, as long as ctx lasts, and lets go of
// the directory. Nothing may be added any more.
func (s *Store) Close(ctx context.Context) error {
	s.stop.Do(func() { close(s.queue) })
	select {
	case <-s.ended:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("keep the last records of dead workers in %s: %w", s.dir, context.Cause(ctx))
	}
}

// List gives what there is, of each record a summary.
func (s *Store) List() Report {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := Report{Problem: s.problem, Dropped: s.dropped, Suspects: []Suspicion{}, Records: []Record{}}
	if s.folder != nil {
		r.Directory = s.dir
	}
	for _, e := range slices.Backward(s.entries) {
		r.Records = append(r.Records, e.Record)
	}
	return r
}

// Get gives the whole record that which names: see [Find]. It may wait for the
// disk.
func (s *Store) Get(which string) (Record, error) {
	list := s.List().Records
	i := Find(list, which)
	if i < 0 {
		return Record{}, ErrNotFound
	}
	s.mu.Lock()
	folder := s.folder
	for _, e := range s.entries {
		if e.ID == list[i].ID && e.full != nil {
			defer s.mu.Unlock()
			return *e.full, nil
		}
	}
	s.mu.Unlock()
	if folder == nil {
		return Record{}, ErrNotFound
	}
	r, err := folder.read(list[i].ID + suffix)
	if err != nil {
		return Record{}, err
	}
	r.Count, r.Repeats = list[i].Count, list[i].Repeats // newer than what is written
	return r, nil
}

func (s *Store) run() {
	defer close(s.ended)
	s.load()
	s.resume()
	timer := time.NewTimer(0) // for what resume has brought
	defer timer.Stop()
	due := true
	var last time.Time
	for {
		select {
		case r, more := <-s.queue:
			if !more {
				s.flush()
				s.mu.Lock()
				folder := s.folder
				s.mu.Unlock()
				if folder != nil {
					folder.Close()
				}
				return
			}
			s.take(r)
			if !due {
				due = true
				timer.Reset(max(0, pause-time.Since(last)))
			}
		case <-timer.C:
			last, due = time.Now(), false
			if !s.flush() {
				due = true
				timer.Reset(retry)
			}
		}
	}
}

// load opens the directory, if there is to be one, and reads what is there. What is
// in memory already has been written at the last moment before an upgrade.
func (s *Store) load() {
	if s.dir == "" {
		return
	}
	folder, err := openFolder(s.dir)
	if err != nil {
		if s.failed(fmt.Errorf("post-mortem records are kept in memory only: %w", err)) && !s.warn.Warned(err) {
			s.log.Warn("post-mortem records are kept in memory only", "directory", s.dir, "error", err)
		}
		return
	}
	records, skipped := folder.load()
	for _, why := range skipped {
		s.log.Warn("a post-mortem record was skipped", "directory", s.dir, "error", why)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.folder = folder
	for _, r := range records {
		if !s.has(r.ID) {
			s.entries = append(s.entries, &entry{Record: r.Summary(), key: r.key()})
		}
	}
	s.sort()
}

func (s *Store) has(id string) bool {
	return slices.ContainsFunc(s.entries, func(e *entry) bool { return e.ID == id })
}

// resume takes in what came over with an upgrade.
func (s *Store) resume() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.was {
		if !s.has(r.ID) {
			s.entries = append(s.entries, &entry{Record: r.Summary(), key: r.key(), full: &r, size: r.size(), dirty: true})
		}
	}
	s.was = nil
	s.sort()
	s.spare()
}

// take puts a record into memory: a new one, or one more of a kind.
func (s *Store) take(r Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r.Version, r.Count = Version, max(r.Count, 1)
	key := r.key()
	for _, e := range slices.Backward(s.entries) {
		if e.key == key && r.Time.Sub(e.Last()) < repeatWindow {
			e.repeat(r)
			s.sort()
			return
		}
	}
	now := s.now()
	s.tokens = min(burst, s.tokens+float64(now.Sub(s.filled))/float64(refill))
	s.filled = now
	if s.tokens < 1 {
		s.dropped++
		return
	}
	s.tokens--
	r.bound()
	r.ID = s.id(r)
	s.entries = append(s.entries, &entry{Record: r.Summary(), key: key, full: &r, size: r.size(), dirty: true})
	s.sort()
	s.spare()
}

// id makes the id of a record: when, and which worker.
func (s *Store) id(r Record) string {
	base := r.Time.UTC().Format("20060102-150405") + fmt.Sprintf("-w%d", r.Worker)
	id := base
	for n := 2; s.has(id); n++ {
		id = fmt.Sprintf("%s-%d", base, n) // a supervisor that was restarted within the second
	}
	return id
}

// repeat counts one more end like this one.
func (e *entry) repeat(r Record) {
	e.Count += r.Count
	e.Repeats = append(slices.Clone(e.Repeats), Repeat{Time: r.Time, Worker: r.Worker, PID: r.PID})
	if n := len(e.Repeats); n > maxRepeats {
		e.Repeats = slices.Delete(e.Repeats, 0, n-maxRepeats)
	}
	if e.full != nil {
		full := *e.full
		full.Count, full.Repeats = e.Count, e.Repeats
		e.full = &full
	}
	e.dirty = true
}

func (s *Store) sort() {
	slices.SortStableFunc(s.entries, func(a, b *entry) int {
		return cmp.Or(a.Last().Compare(b.Last()), cmp.Compare(a.Worker, b.Worker))
	})
}
