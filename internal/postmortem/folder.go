package postmortem

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/tandem-go/tandem/internal/statedir"
)

const (
	suffix    = ".json"
	maxFile   = 4 << 20
	maxLoaded = 4 * maxRecords // files that are looked at
)

// Directory is where the records of the supervisor with that control socket are,
// below the state directory; see [statedir.Path].
func Directory(state, control string) string { return statedir.Path(state, "postmortem", control) }

// folder is a directory with one file for each record.
type folder struct{ *statedir.Dir }

// openFolder opens the directory to write there, and clears away what a write
// that was cut short has left.
func openFolder(path string) (*folder, error) {
	dir, err := statedir.Open(path)
	if err != nil {
		return nil, err
	}
	f := &folder{dir}
	names, _ := fs.Glob(f.Root.FS(), "*.tmp")
	for _, name := range names {
		f.remove(name)
	}
	return f, nil
}

// write puts a record on disk, whole or not at all.
func (f *folder) write(r Record) (err error) {
	text, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("put record %s into JSON: %w", r.ID, err)
	}
	temporary := r.ID + ".tmp"
	defer func() {
		if err != nil {
			_ = f.Root.Remove(temporary)
		}
	}()
	file, err := f.Root.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("write record %s: %w", r.ID, err)
	}
	_, err = file.Write(text)
	err = errors.Join(err, file.Sync(), file.Close())
	if err == nil {
		err = f.Root.Rename(temporary, r.ID+suffix)
	}
	if err != nil {
		return fmt.Errorf("write record %s: %w", r.ID, err)
	}
	return nil
}

// remove takes a file away; one that cannot be removed is met again.
func (f *folder) remove(name string) { _ = f.Root.Remove(name) }

func (f *folder) read(name string) (r Record, err error) {
	file, err := f.Root.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return r, ErrNotFound
	}
	if err != nil {
		return r, fmt.Errorf("read record: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return r, fmt.Errorf("read record: %w", err)
	}
	if !info.Mode().IsRegular() || info.Size() > maxFile {
		return r, fmt.Errorf("read record %s: it is not a file of at most %d bytes", name, maxFile)
	}
	text, err := io.ReadAll(io.LimitReader(file, maxFile))
	if err != nil {
		return r, fmt.Errorf("read record %s: %w", name, err)
	}
	if err := json.Unmarshal(text, &r); err != nil {
		return r, fmt.Errorf("read record %s: it is damaged: %w", name, err)
	}
	if r.Version != Version {
		return r, fmt.Errorf("read record %s: it has version %d, this program reads version %d", name, r.Version, Version)
	}
	if r.ID+suffix != name {
		return r, fmt.Errorf("read record %s: it is damaged: it says that it is %q", name, r.ID)
	}
	return r, nil
}

// load reads the newest records, and says which files it skipped and why.
func (f *folder) load() (records []Record, skipped []error) {
	names, err := fs.Glob(f.Root.FS(), "*"+suffix)
	if err != nil {
		return nil, []error{err}
	}
	slices.Sort(names)
	if n := len(names) - maxLoaded; n > 0 {
		skipped = append(skipped, fmt.Errorf("%d files beyond the newest %d", n, maxLoaded))
		names = names[n:]
	}
	for _, name := range names {
		r, err := f.read(name)
		if err != nil {
			skipped = append(skipped, err)
			continue
		}
		records = append(records, r)
	}
	slices.SortStableFunc(records, func(a, b Record) int { return cmp.Or(a.Last().Compare(b.Last()), cmp.Compare(a.ID, b.ID)) })
	return records, skipped
}

// tooMuch gives the ids of the oldest files that go beyond a number of bytes.
func (f *folder) tooMuch(bytes int64) (ids []string) {
	names, _ := fs.Glob(f.Root.FS(), "*"+suffix)
	slices.Sort(names)
	for _, name := range slices.Backward(names) {
		info, err := f.Root.Lstat(name)
		if err != nil {
			continue
		}
		if bytes -= info.Size(); bytes < 0 {
			ids = append(ids, strings.TrimSuffix(name, suffix))
		}
	}
	return ids
}

// Read gives the records in a directory that [Directory] has named, while or
// after a supervisor writes there. Files that cannot be read are skipped; they
// are the second result. A directory that is not there holds no records.
func Read(dir string) ([]Record, []error, error) {
	open, err := statedir.Inspect(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read the records in %s: %w", dir, err)
	}
	defer open.Close()
	records, skipped := (&folder{open}).load()
	slices.Reverse(records)
	return records, skipped, nil
}
