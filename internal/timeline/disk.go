package timeline

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"github.com/tandem-go/tandem/internal/statedir"
)

// Events are on disk as lines of JSON: in current, and what came before in
// older, which goes when current is full and takes its place.
const (
	current = "timeline.jsonl"
	older   = "timeline.1.jsonl"
	maxFile = 1 << 20
)

// Directory is where the timeline of the supervisor with that control socket is,
// below the state directory; see [statedir.Path].
func Directory(state, control string) string { return statedir.Path(state, "timeline", control) }

// disk writes events to a directory.
type disk struct {
	dir  *statedir.Dir
	open func() (file, error) // the current file
}

// file is what disk needs of an *os.File.
type file interface {
	io.WriteCloser
	io.ReaderAt
	Stat() (fs.FileInfo, error)
}

func openDisk(path string) (*disk, error) {
	dir, err := statedir.Open(path)
	if err != nil {
		return nil, err
	}
	d := &disk{dir: dir}
	d.open = func() (file, error) {
		return dir.Root.OpenFile(current, os.O_RDWR|os.O_APPEND|os.O_CREATE|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0o600)
	}
	return d, nil
}

// append writes events, each whole or, when it fails in the middle, so that the
// next one begins in a line of its own. It gives the number of the last that is
// on disk, 0 if none is. The file is opened each time: somebody may have removed
// it.
func (d *disk) append(events []Event) (last uint64, err error) {
	for len(events) > 0 {
		n, err := d.some(events)
		if err != nil {
			return last, err
		}
		last, events = events[n-1].Seq, events[n:]
	}
	return last, nil
}

// some writes as many events as the current file takes, at least one.
func (d *disk) some(events []Event) (n int, err error) {
	f, err := d.open()
	if err != nil {
		return 0, fmt.Errorf("open %s: %w", current, err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	switch {
	case err != nil:
		return 0, err
	case !info.Mode().IsRegular():
		return 0, fmt.Errorf("%s is not a file", current)
	}
	size := info.Size()
	var text []byte
	if end := make([]byte, 1); size > 0 {
		if _, err := f.ReadAt(end, size-1); err != nil {
			return 0, fmt.Errorf("read the end of %s: %w", current, err)
		}
		if end[0] != '\n' { // who wrote it came no further
			text = append(text, '\n')
		}
	}
	for _, e := range events {
		b, err := json.Marshal(e)
		if err != nil {
			return 0, fmt.Errorf("put event %d into JSON: %w", e.Seq, err)
		}
		if size+int64(len(text)+len(b)) >= maxFile {
			break
		}
		text, n = append(append(text, b...), '\n'), n+1
	}
	if n == 0 {
		if err := d.dir.Root.Rename(current, older); err != nil {
			return 0, fmt.Errorf("begin %s anew: %w", current, err)
		}
		return d.some(events)
	}
	if _, err := f.Write(text); err != nil {
		return 0, fmt.Errorf("write %s: %w", current, err)
	}
	return n, nil
}

func (d *disk) close() { d.dir.Close() }

// read gives what is on disk, the oldest first, and how many lines were no event:
// a line that a kill has cut short is one.
func read(root *os.Root) (events []Event, skipped int, err error) {
	// In this order: what is moved from one file to the other meanwhile is met twice,
	// not missed.
	var texts [2][]byte
	for i, name := range []string{current, older} {
		if texts[i], err = content(root, name); err != nil {
			return nil, 0, err
		}
	}
	last := uint64(0)
	for _, text := range [][]byte{texts[1], texts[0]} {
		for l := range bytes.Lines(text) {
			if len(bytes.TrimSpace(l)) == 0 {
				continue
			}
			var e Event
			switch {
			case json.Unmarshal(l, &e) != nil || e.Seq == 0 || e.Kind == "":
				skipped++
			case e.Seq > last:
				e.bound()
				events, last = append(events, e), e.Seq
			}
		}
	}
	return events, skipped, nil
}

func content(root *os.Root, name string) ([]byte, error) {
	f, err := root.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("it is not a file")
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	// One that somebody else has made longer is read from where it is in bounds.
	text, err := io.ReadAll(io.NewSectionReader(f, max(0, info.Size()-maxFile), maxFile))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return text, nil
}

// Read gives the events in a directory that [Directory] has named, the oldest
// first, while or after a supervisor writes there, and how many lines could not
// be read. A directory that is not there holds none.
func Read(path string) (events []Event, skipped int, err error) {
	dir, err := statedir.Inspect(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, nil
	}
	if err == nil {
		defer dir.Close()
		events, skipped, err = read(dir.Root)
	}
	if err != nil {
		return nil, 0, fmt.Errorf("read the timeline in %s: %w", path, err)
	}
	return events, skipped, nil
}
