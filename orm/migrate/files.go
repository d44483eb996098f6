package migrate

import (
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/pressly/goose/v3"
)

// files are the migrations of one dialect. As a file system, which is what goose reads, it is flat.
type files struct {
	from  fs.FS
	paths map[string]string // where a file lies in from, by its base name
	names map[int64]string  // base names, by version
}

func collect(from fs.FS, dialect string) (*files, error) {
	f := &files{from: from, paths: map[string]string{}, names: map[int64]string{}}
	root, err := fs.ReadDir(from, ".")
	if err != nil {
		return nil, fmt.Errorf("read the migrations: %w", err)
	}
	// What the dialect's own directory has goes first: it is what replaces.
	slices.SortStableFunc(root, func(a, b fs.DirEntry) int {
		if a.IsDir() == b.IsDir() {
			return strings.Compare(a.Name(), b.Name())
		}
		if a.IsDir() {
			return -1
		}
		return 1
	})
	for _, entry := range root {
		if !entry.IsDir() {
			if err := f.add(entry.Name()); err != nil {
				return nil, err
			}
			continue
		}
		inside, err := fs.Glob(from, entry.Name()+"/*.sql")
		if err != nil {
			return nil, fmt.Errorf("read the migrations: %w", err)
		}
		if _, known := dialects[entry.Name()]; !known && len(inside) > 0 {
			return nil, fmt.Errorf("%s: no database is called %s: a directory of migrations is sqlite or postgres; "+
				"where they lie in a directory of their own, give fs.Sub(files, %[2]q)", inside[0], entry.Name())
		}
		if entry.Name() != dialect {
			continue
		}
		for _, name := range inside {
			if err := f.add(name); err != nil {
				return nil, err
			}
		}
	}
	if len(f.names) == 0 {
		return nil, fmt.Errorf("no migrations: neither *.sql nor %s/*.sql is there", dialect)
	}
	return f, nil
}

// add takes a file in, unless it is not SQL or the dialect has one of its own in its place.
func (f *files) add(name string) error {
	base := path.Base(name)
	if path.Ext(base) != ".sql" {
		return nil
	}
	version, err := goose.NumericComponent(base)
	if err != nil {
		return fmt.Errorf("%s: a migration's name is its version, an underscore and words, such as 00002_tags.sql", name)
	}
	if other, taken := f.names[version]; taken {
		if other == base {
			return nil
		}
		return fmt.Errorf("%s and %s have the same version", f.paths[other], name)
	}
	f.names[version], f.paths[base] = base, name
	return nil
}

// path is where the file of a version lies; "" if there is none.
func (f *files) path(version int64) string { return f.paths[f.names[version]] }

// Open implements fs.FS.
func (f *files) Open(name string) (fs.File, error) {
	where, found := f.paths[name]
	if !found {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return f.from.Open(where)
}

// Glob implements fs.GlobFS. It is how goose lists what is there.
func (f *files) Glob(pattern string) ([]string, error) {
	var found []string
	for name := range f.paths {
		ok, err := path.Match(pattern, name)
		if err != nil {
			return nil, err
		}
		if ok {
			found = append(found, name)
		}
	}
	slices.Sort(found)
	return found, nil
}

// text is what the file of a version says, with lines as goose has them.
func (f *files) text(version int64) (string, error) {
	text, err := fs.ReadFile(f.from, f.path(version))
	return strings.ReplaceAll(string(text), "\r\n", "\n"), err
}

// The annotations that goose has and does not tell of.
var (
	downAnnotation  = regexp.MustCompile(`(?im)^--\s*\+goose\s+down\s*$`)
	withoutTransact = regexp.MustCompile(`(?im)^--\s*\+goose\s+no\s+transaction\s*$`)
)
