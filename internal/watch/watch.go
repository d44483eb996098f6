// Package watch tells when one of a few files, or what leads to it, has changed:
// the file itself, a symbolic link or a directory on the way to it.
//
// Invariant: what is told is a look at the files that began after the last
// event, and an event is never followed by silence for ever: each leads to a look
// as soon as the files have been left alone for the quiet time. It follows that
// lost, repeated and foreign events do no harm, and that a caller who compares
// what it is told with what it has acted on misses nothing, also when it begins
// to watch later.
//
// The smallest use:
//
//	w, err := watch.New(watch.Options{
//		Paths:   func() []string { return []string{"/srv/app"} },
//		Quiet:   200 * time.Millisecond,
//		Changed: func(print string) { reloadIf(print != last) },
//	})
//	if err != nil {
//		return err
//	}
//	go w.Run(done)
package watch

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Options says what is watched. All functions are called by Run, one at a time.
type Options struct {
	// Paths gives absolute paths, asked for again at each look. They need not exist.
	Paths func() []string

	// Quiet is for how long nothing must have happened before Changed is called.
	Quiet time.Duration

	// Changed is told the print of the files (see [Print]): once at the beginning,
	// then after each change, also when it is the print of before. It may block;
	// changes meanwhile are told by one call after it.
	Changed func(print string)

	// Failed is told, once for each error, that something cannot be watched: its
	// changes are then told with the next change that is seen, or never. May be nil.
	Failed func(error)

	after func(time.Duration) <-chan time.Time // of tests
}

// Watcher is owned by who made it: Run must be called, once.
type Watcher struct {
	opt    Options
	file   *os.File
	fd     int
	places map[int32]place // by watch descriptor
	failed map[string]bool
}

// place is a watched directory, and the names in it that matter.
type place struct {
	dir   string
	names map[string]bool
}

// interest is what may change where a path leads, or what is there: entries that
// come and go, the writing of a file and its mode, and the end of the directory.
const interest = unix.IN_CREATE | unix.IN_DELETE | unix.IN_MOVED_FROM | unix.IN_MOVED_TO |
	unix.IN_MODIFY | unix.IN_CLOSE_WRITE | unix.IN_ATTRIB |
	unix.IN_DELETE_SELF | unix.IN_MOVE_SELF | unix.IN_ONLYDIR

// New makes a Watcher. It fails when the system has no more watches to give.
func New(o Options) (*Watcher, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("watch files: inotify_init1: %w (fs.inotify.max_user_instances is the limit)", err)
	}
	if o.after == nil {
		o.after = time.After
	}
	return &Watcher{
		opt: o, file: os.NewFile(uintptr(fd), "inotify"), fd: fd,
		places: map[int32]place{}, failed: map[string]bool{},
	}, nil
}

// Run watches until done is closed, and frees everything.
func (w *Watcher) Run(done <-chan struct{}) {
	events := make(chan []event)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		w.read(events, done)
	}()
	defer func() {
		_ = w.file.Close() // ends read
		<-ended
	}()
	w.walk()
	w.opt.Changed(Print(w.opt.Paths()))
	var quiet <-chan time.Time
	for {
		select {
		case <-done:
			return
		case list, ok := <-events:
			if !ok {
				<-done
				return
			}
			if w.matter(list) {
				// Anew: a directory that was made must be watched before the file in it comes.
				w.walk()
				quiet = w.opt.after(w.opt.Quiet)
			}
		case <-quiet:
			quiet = nil
			w.walk()
			w.opt.Changed(Print(w.opt.Paths()))
		}
	}
}

// event is what matters of one inotify event.
type event struct {
	wd   int32
	mask uint32
	name string
}

// read gives the events to the loop. Several that come together are one message.
func (w *Watcher) read(events chan<- []event, done <-chan struct{}) {
	defer close(events)
	buf := make([]byte, 64<<10)
	for {
		n, err := w.file.Read(buf)
		if err != nil {
			if !errors.Is(err, os.ErrClosed) && w.opt.Failed != nil {
				w.opt.Failed(fmt.Errorf("watch files: read inotify: %w; changes are not seen any more", err))
			}
			return
		}
		select {
		case events <- parse(buf[:n]):
		case <-done:
			return
		}
	}
}

// matter says whether one of the events is about what is watched.
func (w *Watcher) matter(list []event) bool {
	yes := false
	for _, e := range list {
		p, known := w.places[e.wd]
		switch {
		case e.mask&unix.IN_Q_OVERFLOW != 0:
			yes = true // some were lost
		case !known: // not watched any more
		case e.mask&unix.IN_IGNORED != 0:
			delete(w.places, e.wd) // the directory is gone; the kernel forgets the watch
			yes = true
		case e.mask&(unix.IN_DELETE_SELF|unix.IN_MOVE_SELF|unix.IN_UNMOUNT) != 0:
			yes = true
		case p.names[e.name]:
			yes = true
		}
	}
	return yes
}

// walk follows the paths and watches each directory on the way, before it looks
// at what it is to find there. Watches that are not needed any more are given up.
func (w *Watcher) walk() {
	now := map[int32]place{}
	for _, path := range w.opt.Paths() {
		follow(path, func(dir, name string) {
			wd, err := unix.InotifyAddWatch(w.fd, dir, interest)
			if err != nil {
				w.fail(dir, err)
				return
			}
			p, ok := now[int32(wd)]
			if !ok {
				p = place{dir, map[string]bool{}}
				now[int32(wd)] = p
			}
			p.names[name] = true
		})
	}
	for wd := range w.places {
		if _, still := now[wd]; !still {
			_, _ = unix.InotifyRmWatch(w.fd, uint32(wd)) // gone with its directory, else
		}
	}
	w.places = now
}

// fail tells of a directory that cannot be watched. One that has just gone is
// noticed by the directory above it.
func (w *Watcher) fail(dir string, err error) {
	if errors.Is(err, syscall.ENOENT) || errors.Is(err, syscall.ENOTDIR) || w.opt.Failed == nil {
		return
	}
	if errors.Is(err, syscall.ENOSPC) {
		err = errors.New("the limit fs.inotify.max_user_watches is reached")
	}
	text := fmt.Errorf("watch directory %s: %w", dir, err)
	if !w.failed[text.Error()] {
		w.failed[text.Error()] = true
		w.opt.Failed(text)
	}
}

// parse reads what the kernel writes: struct inotify_event, with the name after it.
func parse(b []byte) []event {
	var list []event
	for len(b) >= unix.SizeofInotifyEvent {
		e := event{wd: int32(native.Uint32(b)), mask: native.Uint32(b[4:])}
		end := unix.SizeofInotifyEvent + int(native.Uint32(b[12:]))
		if end > len(b) {
			break
		}
		e.name = unix.ByteSliceToString(b[unix.SizeofInotifyEvent:end])
		list, b = append(list, e), b[end:]
	}
	return list
}
