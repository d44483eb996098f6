package static

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// DefaultPrefix is where files are served if nothing else is said.
const DefaultPrefix = "/static/"

// DefaultMaxAge is for how long clients keep a file without asking again, where its
// name does not change with it and nothing else is said.
const DefaultMaxAge = time.Minute

// Options are how files are served. The zero value is right for most.
type Options struct {
	// Prefix is the path that the files are served under. It begins and ends with
	// a slash; "" is [DefaultPrefix].
	Prefix string

	// MaxAge is for how long clients may keep a file that has no hash in its name
	// without asking whether it has changed, in whole seconds. 0 is
	// [DefaultMaxAge]; with less they ask each time.
	MaxAge time.Duration

	// Index is the name of the file that is served for a path that ends with a
	// slash, such as index.html; "" serves none. There are no listings of directories.
	Index string

	// Fallback is the file that is served for paths that are no file's and whose last
	// part has no dot: the page of an application that routes in the browser. "" is
	// none: they are a 404. Clients ask for it anew each time.
	Fallback string

	// Dotfiles serves files and directories too whose name begins with a dot; without
	// it they are a 404, like what is not there.
	Dotfiles bool

	// Types are content types by extension, such as ".glb": "model/gltf-binary". They
	// come before those that are known here. The machine's own tables are not asked:
	// an answer would depend on where it is made.
	Types map[string]string

	// Header is sent with every file besides, by canonical names. It must not be changed
	// any more.
	Header http.Header
}

// Files serves the files of a tree. It may be used by several goroutines at once.
type Files struct {
	o     Options
	cache []string // the Cache-Control of files that may change
	tree  source
	known *manifest // nil: the tree may change
}

// Immutable is the Cache-Control of names with a hash in them.
const Immutable = "public, max-age=31536000, immutable"

var (
	cacheForEver = []string{Immutable}
	cacheChecked = []string{"no-cache"} // kept, but asked for each time
	noSniff      = []string{"nosniff"}
)

// Dir serves the files of a directory, which may change. None outside of it is
// served, whatever links it has in it. The directory is held open: when it is moved it
// is served from its new place. The caller closes what Dir returns.
//
// A file is best replaced by renaming another one to its name. One that is cut while
// it is being sent is an answer that breaks off.
func Dir(name string, o Options) (*Files, error) {
	root, err := os.OpenRoot(name)
	if err != nil {
		return nil, fmt.Errorf("static: open the directory of files: %w", err)
	}
	f, err := newFiles(directory{root}, o)
	if err == nil {
		err = f.checkFallback()
	}
	if err != nil {
		_ = root.Close()
		return nil, err
	}
	return f, nil
}

// FS serves the files of a tree that does not change. It reads all of them once, for
// their hashes; a variant that is not the same file, coded, is an error, if it is of a
// coding that can be read here (gzip and zstd). Files must be io.Seekers, as those of
// embed.FS and of os.Root's FS are. Take that one, not os.DirFS, for a directory: os.DirFS follows
// links that lead out of it.
//
// Eight hexadecimal digits before a name's extension are taken for the hash of another version
// of the file without them, which is then sent: report.20240131.csv is report.csv, if there is that
// one and not the other.
//
// Of a tree on disk a file that has changed all the same is sent as it is now, with the
// headers of a file that may change.
func FS(tree fs.FS, o Options) (*Files, error) {
	f, err := newFiles(fixed{tree}, o)
	if err != nil {
		return nil, err
	}
	if f.known, err = f.hash(tree); err != nil {
		return nil, fmt.Errorf("static: %w", err)
	}
	if err := f.checkFallback(); err != nil {
		return nil, err
	}
	return f, nil
}

func newFiles(tree source, o Options) (*Files, error) {
	if o.Prefix == "" {
		o.Prefix = DefaultPrefix
	}
	if err := o.check(); err != nil {
		return nil, fmt.Errorf("static: %w", err)
	}
	f := &Files{o: o, tree: tree}
	switch {
	case o.MaxAge < 0:
		f.cache = cacheChecked
	default:
		age := o.MaxAge
		if age == 0 {
			age = DefaultMaxAge
		}
		f.cache = []string{"public, max-age=" + strconv.FormatInt(int64(age/time.Second), 10)}
	}
	return f, nil
}

func (o Options) check() error {
	if o.Prefix[0] != '/' || !strings.HasSuffix(o.Prefix, "/") || strings.ContainsAny(o.Prefix, "{} \t?#") || path.Clean(o.Prefix)+"/" != o.Prefix && o.Prefix != "/" {
		return fmt.Errorf("a prefix of %q: give a path such as /static/, with a slash at both ends", o.Prefix)
	}
	if o.MaxAge > 0 && o.MaxAge%time.Second != 0 {
		return fmt.Errorf("a MaxAge of %v: give whole seconds", o.MaxAge)
	}
	if o.Index != "" && (!fs.ValidPath(o.Index) || strings.Contains(o.Index, "/")) {
		return fmt.Errorf("an index of %q: give the name of a file, such as index.html", o.Index)
	}
	if o.Fallback != "" && (!fs.ValidPath(o.Fallback) || o.Fallback == ".") {
		return fmt.Errorf("a fallback of %q: give the path of a file in the tree, such as index.html", o.Fallback)
	}
	for ext, kind := range o.Types {
		if len(ext) < 2 || ext[0] != '.' || strings.ContainsAny(ext[1:], "./") || ext != strings.ToLower(ext) {
			return fmt.Errorf("a type for %q: give an extension in small letters, such as .glb", ext)
		}
		if !isType(kind) {
			return fmt.Errorf("the type %q for %s is no content type", kind, ext)
		}
	}
	for key := range o.Header {
		if http.CanonicalHeaderKey(key) != key {
			return fmt.Errorf("the header %q: write %s", key, http.CanonicalHeaderKey(key))
		}
		if slices.Contains(ours, key) {
			return fmt.Errorf("the header %s is made for each file", key)
		}
	}
	return nil
}

// ours are the headers that an answer makes itself.
var ours = []string{
	"Accept-Ranges", "Cache-Control", "Content-Encoding", "Content-Length", "Content-Range", "Content-Type", "Etag", "Last-Modified",
	"X-Content-Type-Options",
}

// checkFallback finds a fallback that is not there before a client does.
func (f *Files) checkFallback() error {
	if f.o.Fallback == "" {
		return nil
	}
	found, err := f.find(f.o.Fallback, nil)
	if err != nil {
		return fmt.Errorf("static: the fallback %s cannot be served: %w", f.o.Fallback, err)
	}
	return found.file.Close()
}

// Close closes what [Dir] has opened. Requests that are being answered go on.
func (f *Files) Close() error {
	if d, ok := f.tree.(directory); ok {
		return d.root.Close()
	}
	return nil
}

// URL is the path under which a file is served, the one with its hash if the tree
// does not change. The name is a path in the tree, with slashes; one that [FS] has not
// found is an error, so that a page does not link to nothing. It may be a function of a
// template.
func (f *Files) URL(name string) (string, error) {
	if !f.mayServe(name) {
		return "", fmt.Errorf("static: %q is no name of a file that is served", name)
	}
	if f.known != nil {
		e, ok := f.known.byName[name]
		if !ok {
			return "", fmt.Errorf("static: there is no file %q in the tree", name)
		}
		name = e.hashed
	}
	u := url.URL{Path: f.o.Prefix + name}
	return u.EscapedPath(), nil
}

// Manifest is every file of a tree that does not change, by its name, with the name
// that has its hash in it; nil where the tree may change. It is the caller's.
func (f *Files) Manifest() map[string]string {
	if f.known == nil {
		return nil
	}
	names := make(map[string]string, len(f.known.byName))
	for name, e := range f.known.byName {
		names[name] = e.hashed
	}
	return names
}

// mayServe says whether a file of that name would be served if it were there.
func (f *Files) mayServe(name string) bool {
	if !fs.ValidPath(name) || name == "." || strings.ContainsAny(name, "\x00\\") {
		return false
	}
	return f.o.Dotfiles || name[0] != '.' && !strings.Contains(name, "/.")
}

// source is where files are.
type source interface {
	open(name string) (fs.File, error)
}

var errNoSeeker = errors.New("its files cannot seek: read the tree into one whose files can, such as fstest.MapFS")
