package top

import (
	"bytes"
	"sync"
)

// feed is what has come of something that has no end of its own, until it is
// shown. Who writes to it is never held up: when there is no more room, the oldest
// is forgotten and counted.
type feed[T any] struct {
	room int
	news chan struct{} // one waiting: there is something

	mu     sync.Mutex
	items  []T
	missed int
	over   bool
	err    error
}

// batch is what a feed had when it was asked.
type batch[T any] struct {
	feed   *feed[T]
	items  []T
	missed int   // that came before items, and are forgotten
	over   bool  // nothing comes any more
	err    error // why
}

func newFeed[T any](room int) *feed[T] {
	return &feed[T]{room: room, news: make(chan struct{}, 1)}
}

func (f *feed[T]) put(items ...T) {
	f.mu.Lock()
	f.items = append(f.items, items...)
	if n := len(f.items) - f.room; n > 0 {
		f.items = append([]T(nil), f.items[n:]...)
		f.missed += n
	}
	f.mu.Unlock()
	f.tell()
}

// end says that nothing comes any more, and why.
func (f *feed[T]) end(err error) {
	f.mu.Lock()
	f.over, f.err = true, err
	f.mu.Unlock()
	f.tell()
}

func (f *feed[T]) tell() {
	select {
	case f.news <- struct{}{}:
	default:
	}
}

// next waits until there is something, and takes it.
func (f *feed[T]) next() batch[T] {
	<-f.news
	f.mu.Lock()
	defer f.mu.Unlock()
	b := batch[T]{feed: f, items: f.items, missed: f.missed, over: f.over, err: f.err}
	f.items, f.missed = nil, 0
	return b
}

// longestLine is how much of a line of a log is shown.
const longestLine = 4 << 10

// lines is a writer that puts each line that is whole into a feed.
type lines struct {
	*feed[string]
	part []byte
	long bool // part is cut
}

func (l *lines) Write(text []byte) (int, error) {
	n := len(text)
	var whole []string
	for {
		head, rest, found := bytes.Cut(text, []byte("\n"))
		if room := longestLine - len(l.part); len(head) > room {
			head, l.long = head[:room], true
		}
		l.part = append(l.part, head...)
		if !found {
			break
		}
		line := string(l.part)
		if l.long {
			line += "…"
		}
		whole = append(whole, line)
		l.part, l.long, text = l.part[:0], false, rest
	}
	if len(whole) > 0 {
		l.put(whole...)
	}
	return n, nil
}
