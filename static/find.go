package static

import (
	"errors"
	"io/fs"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/tandem-go/tandem/internal/coding"
	"github.com/tandem-go/tandem/view"
)

// found is a file that is to be sent, open.
type found struct {
	file   fs.File
	size   int64
	ctype  []string
	cache  []string
	coding string // of the variant; "" for the file itself
	vary   bool   // it might be another variant for another client
	stamp
}

var errNotFound = &view.Error{Status: http.StatusNotFound, Message: "not found"}

// at finds what is served at a path below the prefix, for a client that accepts such
// codings. Its error is an answer.
func (f *Files) at(p string, accept []string) (*found, error) {
	name := p
	if f.o.Index != "" && (p == "" || strings.HasSuffix(p, "/")) {
		name += f.o.Index
	}
	there, err := f.find(name, accept)
	if err == nil || f.o.Fallback == "" || !isMissing(err) || p != "" && strings.Contains(path.Base(p), ".") {
		return there, err
	}
	if there, err = f.find(f.o.Fallback, accept); err != nil {
		return nil, err
	}
	there.cache = cacheChecked
	return there, nil
}

func isMissing(err error) bool {
	e, ok := errors.AsType[*view.Error](err)
	return ok && e.Status == http.StatusNotFound
}

// find opens a file, or the variant of it that the client prefers. Its error is an
// answer.
func (f *Files) find(name string, accept []string) (*found, error) {
	if !f.mayServe(name) {
		return nil, errNotFound
	}
	if f.known != nil {
		return f.findKnown(name, accept)
	}
	return f.findNow(name, accept)
}

// findNow looks a file up in a tree that may change.
func (f *Files) findNow(name string, accept []string) (*found, error) {
	file, info, err := f.open(name)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	there := &found{file: file, size: info.Size(), ctype: f.typeOf(name), cache: f.cache, stamp: stampOf(info, now)}
	there.vary = coding.Compressible(there.ctype[0])
	if !there.vary {
		return there, nil
	}
	offers := slices.Clone(preferred)
	for {
		choice := coding.Choose(accept, offers...)
		if choice == coding.Identity {
			return there, nil
		}
		variant, vi, err := f.open(name + suffixes[choice])
		if err == nil {
			// One that is older than the file is what the file was before.
			if vi.ModTime().Before(info.ModTime()) || vi.Size() >= info.Size() {
				_ = variant.Close()
			} else {
				_ = file.Close()
				there.file, there.size, there.coding = variant, vi.Size(), choice
				there.stamp = stampOf(vi, now)
				return there, nil
			}
		}
		offers = slices.DeleteFunc(offers, func(o string) bool { return o == choice })
	}
}

// suffixes are those of variants' names.
var suffixes = map[string]string{coding.Brotli: ".br", coding.Zstd: ".zst", coding.Gzip: ".gz"}

// preferred are the codings of variants, the smallest first, as they mostly are.
var preferred = []string{coding.Brotli, coding.Zstd, coding.Gzip}

// findKnown looks a file up in a tree that does not change.
func (f *Files) findKnown(name string, accept []string) (*found, error) {
	e, cache := f.known.lookUp(name)
	if e == nil {
		return nil, errNotFound
	}
	if cache == nil {
		cache = f.cache
	}
	v := &e.variant
	if len(e.offers) > 0 {
		if choice := coding.Choose(accept, e.offers...); choice != coding.Identity {
			v = &e.variants[slices.Index(e.offers, choice)]
		}
	}
	file, info, err := f.open(v.name)
	if err != nil {
		return nil, err
	}
	if info.Size() != v.size || !info.ModTime().Equal(v.changed) {
		_ = file.Close()
		return f.findNow(e.name, nil) // it was not to, but it has
	}
	return &found{
		file: file, size: v.size, ctype: e.ctype, cache: cache, coding: v.coding, vary: len(e.offers) > 0,
		stamp: stamp{etag: v.etag, modified: v.modified},
	}, nil
}
