package static

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"path"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/tandem-go/tandem/internal/coding"
)

// variant is a file of a tree that does not change: one that pages link to, or the
// same in a coding.
type variant struct {
	name     string
	coding   string // "" for the file itself
	etag     string // of its content, as it is sent
	size     int64
	changed  time.Time // as the tree says
	modified time.Time // what clients are told; zero where it means nothing
}

// entry is a file and its variants.
type entry struct {
	variant
	hashed   string // its other name
	ctype    []string
	offers   []string // the codings of variants, as they are preferred
	variants []variant
}

// manifest is what there is in a tree that does not change.
type manifest struct {
	byName   map[string]*entry
	byHashed map[string]*entry
}

// lookUp finds a file by either name, and how long that name may be kept; nil: as the
// name of a file that may change. A hash of ours that is not the file's is that of
// another version: while a new version is rolled out its pages ask an old worker for
// files that it has in its own version only. Clients ask again for what it gave them.
func (m *manifest) lookUp(name string) (e *entry, cache []string) {
	if e = m.byName[name]; e != nil {
		return e, nil
	}
	if e = m.byHashed[name]; e != nil {
		return e, cacheForEver
	}
	if plain, ok := withoutHash(name); ok {
		return m.byName[plain], cacheChecked
	}
	return nil, nil
}

// hashLength is how many digits of a hash a name has. They tell the versions of one
// file apart.
const hashLength = 8

// withHash puts the hash before the last extension, as app.3f2a9c1b.css.
func withHash(name, sum string) string {
	ext := path.Ext(name)
	if ext == path.Base(name) { // the dot begins it
		ext = ""
	}
	return strings.TrimSuffix(name, ext) + "." + sum[:hashLength] + ext
}

// withoutHash takes a hash out of a name, if it has one.
func withoutHash(name string) (string, bool) {
	stem, ext := strings.TrimSuffix(name, path.Ext(name)), path.Ext(name)
	if isHash(strings.TrimPrefix(ext, ".")) && stem != "" && !strings.HasSuffix(stem, "/") {
		return stem, true // of a file without an extension
	}
	inner := path.Ext(stem)
	if !isHash(strings.TrimPrefix(inner, ".")) {
		return "", false
	}
	return strings.TrimSuffix(stem, inner) + ext, true
}

func isHash(s string) bool {
	return len(s) == hashLength && strings.Trim(s, "0123456789abcdef") == ""
}

// hash reads a tree.
func (f *Files) hash(tree fs.FS) (*manifest, error) {
	m := &manifest{byName: map[string]*entry{}, byHashed: map[string]*entry{}}
	err := fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case name == ".":
			return nil
		case !f.mayServe(name):
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		case d.IsDir():
			return nil
		}
		info, err := fs.Stat(tree, name) // behind links
		if err != nil || !info.Mode().IsRegular() {
			return err
		}
		v, sum, err := hashFile(tree, name)
		if err != nil {
			return err
		}
		m.byName[name] = &entry{variant: v, hashed: withHash(name, sum), ctype: f.typeOf(name)}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the tree of files: %w", err)
	}
	for name, e := range m.byName {
		if _, ok := m.byName[e.hashed]; ok {
			return nil, fmt.Errorf("the file %s has the name that %s gets by its hash; take one of them away", e.hashed, name)
		}
		m.byHashed[e.hashed] = e
		if err := m.collect(tree, e); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// collect gives a file its variants.
func (m *manifest) collect(tree fs.FS, e *entry) error {
	if !coding.Compressible(e.ctype[0]) {
		return nil
	}
	for _, name := range preferred {
		there, ok := m.byName[e.name+suffixes[name]]
		if !ok || there.size >= e.size {
			continue
		}
		v := there.variant
		v.coding = name
		if err := sameDecoded(tree, v, e.etag); err != nil {
			return fmt.Errorf("%s is not %s in %s: %w; make it anew", v.name, e.name, name, err)
		}
		e.offers, e.variants = append(e.offers, name), append(e.variants, v)
	}
	return nil
}

// hashFile reads a file. Its ETag is half of its SHA-256.
func hashFile(tree fs.FS, name string) (v variant, sum string, err error) {
	file, err := tree.Open(name)
	if err != nil {
		return v, "", err
	}
	defer file.Close()
	if _, ok := file.(io.Seeker); !ok {
		return v, "", fmt.Errorf("open %s: %w", name, errNoSeeker)
	}
	info, err := file.Stat()
	if err != nil {
		return v, "", err
	}
	h := sha256.New()
	n, err := io.Copy(h, file)
	if err != nil {
		return v, "", err
	}
	if n != info.Size() {
		return v, "", fmt.Errorf("read %s: it changes while it is read", name)
	}
	v = variant{name: name, etag: tagOf(h), size: n, changed: info.ModTime()}
	if v.changed.Unix() > 1 && !v.changed.After(time.Now()) {
		v.modified = v.changed
	}
	return v, hex.EncodeToString(h.Sum(nil)), nil
}

func tagOf(h hash.Hash) string {
	return `"` + hex.EncodeToString(h.Sum(nil)[:16]) + `"`
}

// maxWindow is what clients need be able to keep of a zstd frame, in bytes (RFC 9659).
const maxWindow = 8 << 20

var errOther = errors.New("its content is another")

// sameDecoded says whether a variant is the file with that ETag. What cannot be
// decoded here is believed.
func sameDecoded(tree fs.FS, v variant, etag string) error {
	file, err := tree.Open(v.name)
	if err != nil {
		return err
	}
	defer file.Close()
	var decoded io.Reader
	switch v.coding {
	case coding.Gzip:
		if decoded, err = gzip.NewReader(file); err != nil {
			return err
		}
	case coding.Zstd:
		z, err := zstd.NewReader(file, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return err
		}
		defer z.Close()
		decoded = z
	default:
		return nil
	}
	h := sha256.New()
	if _, err := io.Copy(h, decoded); err != nil {
		return err
	}
	if tagOf(h) != etag {
		return errOther
	}
	return nil
}
