package postmortem

import (
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	suffix    = ".json"
	maxFile   = 4 << 20
	maxLoaded = 4 * maxRecords // files that are looked at
)

// Directory is where the records of the supervisor with that control socket are,
// below the state directory: two supervisors never share one. It is "" when the
// state directory is off.
func Directory(state, control string) string {
	if state == "off" {
		return ""
	}
	name := strings.Map(func(r rune) rune {
		switch {
		case r == '/':
			return '-'
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', strings.ContainsRune("._-", r):
			return r
		}
		return '_'
	}, strings.Trim(control, "/"))
	sum := sha256.Sum256([]byte(control))
	name = name[max(0, len(name)-80):] // the end of a path says more
	return filepath.Join(state, "postmortem", fmt.Sprintf("%s-%x", strings.Trim(name, "-."), sum[:4]))
}

// folder is a directory with one file for each record.
type folder struct {
	root *os.Root
	lock *os.File
}

// openFolder makes the directory if it is missing, checks whose it is, and
// takes its lock.
func openFolder(dir string) (*folder, error) {
	for _, d := range []string{filepath.Dir(filepath.Dir(dir)), filepath.Dir(dir), dir} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return nil, fmt.Errorf("make the directory: %w; choose another with --state-dir", err)
		}
		if err := trusted(d); err != nil { // before anything is made below it
			return nil, fmt.Errorf("%w: choose another with --state-dir", err)
		}
	}
	f, err := inspect(dir, os.Getuid())
	if err != nil {
		return nil, err
	}
	if f.lock, err = f.root.Open("."); err == nil {
		err = unix.Flock(int(f.lock.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	}
	if errors.Is(err, unix.EWOULDBLOCK) {
		err = errors.New("another supervisor writes there (it has no control socket of its own, or the same path in another namespace); choose another with --state-dir")
	}
	if err != nil {
		f.close()
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	names, _ := fs.Glob(f.root.FS(), "*.tmp")
	for _, name := range names {
		f.remove(name)
	}
	return f, nil
}

func uidOf(info fs.FileInfo) int { return int(info.Sys().(*syscall.Stat_t).Uid) }

// trusted says that nobody but us and root decides what is at dir. A link that
// they made is followed: systemd makes one.
func trusted(dir string) error {
	ours := func(info fs.FileInfo) bool { return uidOf(info) == os.Getuid() || uidOf(info) == 0 }
	link, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	switch {
	case !ours(link) || !ours(info):
		return fmt.Errorf("%s belongs to uid %d, neither to us (%d) nor to root", dir, uidOf(info), os.Getuid())
	case info.Mode().Perm()&0o022 != 0 && info.Mode()&fs.ModeSticky == 0:
		return fmt.Errorf("%s has mode %04o and others can write to it", dir, info.Mode().Perm())
	}
	return nil
}

// inspect opens a directory that is there, and belongs to owner unless that is
// negative. Nobody else may be able to write to it: what is in it is shown to
// operators, and removed.
func inspect(dir string, owner int) (*folder, error) {
	info, err := os.Lstat(dir)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("%s is not a directory: remove it, or choose another with --state-dir", dir)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	opened, err := root.Stat(".")
	switch {
	case err != nil:
	case !os.SameFile(info, opened):
		err = fmt.Errorf("%s was replaced while it was opened", dir)
	default:
		switch uid := uidOf(opened); {
		case uid != owner && owner >= 0:
			err = fmt.Errorf("%s belongs to uid %d, not to us (%d): choose another with --state-dir", dir, uid, owner)
		case opened.Mode().Perm()&0o022 != 0:
			err = fmt.Errorf("%s has mode %04o and others can write to it: chmod 0700 it, or choose another with --state-dir", dir, opened.Mode().Perm())
		}
	}
	if err != nil {
		_ = root.Close()
		return nil, err
	}
	return &folder{root: root}, nil
}

func (f *folder) close() {
	if f.lock != nil {
		_ = f.lock.Close()
	}
	_ = f.root.Close()
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
			_ = f.root.Remove(temporary)
		}
	}()
	file, err := f.root.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("write record %s: %w", r.ID, err)
	}
	_, err = file.Write(text)
	err = errors.Join(err, file.Sync(), file.Close())
	if err == nil {
		err = f.root.Rename(temporary, r.ID+suffix)
	}
	if err != nil {
		return fmt.Errorf("write record %s: %w", r.ID, err)
	}
	return nil
}

// remove takes a file away; one that cannot be removed is met again.
func (f *folder) remove(name string) { _ = f.root.Remove(name) }

func (f *folder) read(name string) (r Record, err error) {
	file, err := f.root.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0)
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
	names, err := fs.Glob(f.root.FS(), "*"+suffix)
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
	names, _ := fs.Glob(f.root.FS(), "*"+suffix)
	slices.Sort(names)
	for _, name := range slices.Backward(names) {
		info, err := f.root.Lstat(name)
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
	owner := os.Getuid()
	if owner == 0 {
		owner = -1 // root may read everybody's
	}
	f, err := inspect(dir, owner)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read the records in %s: %w", dir, err)
	}
	defer f.close()
	records, skipped := f.load()
	slices.Reverse(records)
	return records, skipped, nil
}
