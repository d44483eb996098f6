package newapp

import (
	"archive/zip"
	"bytes"
	"debug/elf"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/module"
	modzip "golang.org/x/mod/zip"
)

// version is the one that the module is hosted at here. It is also the one that an application with a source
// requires, so that the compiler's cache has the packages for both.
var version = module.Version{Path: "github.com/tandem-go/tandem", Version: "v0.0.0"}

// TestFromWhereItIsHosted: the module is taken from a proxy, as somebody without this repository takes it.
func TestFromWhereItIsHosted(t *testing.T) {
	t.Parallel()
	env := user(t)
	env = append(env, "GOMODCACHE="+moduleCache(t, value(env, "GOMODCACHE")), "GOPROXY=file://"+proxy(t), "GOFLAGS=-modcacherw "+flags)
	outside := t.TempDir()
	said := run(t, outside, env, supervisor, "new", "--tandem-version", version.Version, "hello")
	if !strings.Contains(said, "with Tandem from v0.0.0") {
		t.Errorf("it said %s", said)
	}
	dir := filepath.Join(outside, "hello")
	mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil || bytes.Contains(mod, []byte("replace")) {
		t.Errorf("go.mod: %v %s", err, mod)
	}
	serves(t, dir, env).stop(t)

	// What was built there knows that it was hosted, and makes the next one from there.
	said = run(t, outside, env, filepath.Join(dir, "bin", "supervisor"), "new", "next")
	if !strings.Contains(said, "with Tandem from v0.0.0") {
		t.Errorf("it said %s", said)
	}
}

// moduleCache is one that lacks Tandem. The modules of others are those of a cache that is there, by links: to unpack them
// once more takes longer than all else here.
func moduleCache(t *testing.T, there string) string {
	t.Helper()
	top := t.TempDir()
	// Where Tandem would be, its neighbours are linked; elsewhere whole directories.
	own := []string{"github.com", "cache", "cache/download", "cache/download/github.com"}
	for _, dir := range append([]string{""}, own...) {
		entries, err := os.ReadDir(filepath.Join(there, dir))
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		for _, e := range entries {
			switch path := filepath.Join(dir, e.Name()); {
			case slices.Contains(own, path):
				err = os.Mkdir(filepath.Join(top, path), 0o700)
			case e.Name() != "tandem-go" && e.IsDir():
				err = os.Symlink(filepath.Join(there, path), filepath.Join(top, path))
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	return top
}

// proxy is a directory in the layout of a module proxy that has this repository's files.
func proxy(t *testing.T) string {
	t.Helper()
	list := exec.CommandContext(t.Context(), "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	list.Dir = repository
	names, err := list.Output()
	if err != nil {
		t.Fatalf("git ls-files: %v", err)
	}
	var files []modzip.File
	for name := range strings.SplitSeq(strings.Trim(string(names), "\x00"), "\x00") {
		if info, err := os.Lstat(filepath.Join(repository, name)); err == nil && info.Mode().IsRegular() {
			files = append(files, file(name))
		}
	}
	top := t.TempDir()
	dir := filepath.Join(top, filepath.FromSlash(version.Path), "@v")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	var packed bytes.Buffer
	if err := modzip.Create(&packed, version, files); err != nil {
		t.Fatal(err)
	}
	mod, err := os.ReadFile(filepath.Join(repository, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	for ending, content := range map[string][]byte{
		".info": []byte(`{"Version":"` + version.Version + `","Time":"2026-11-29T00:00:00Z"}`), ".mod": mod, ".zip": packed.Bytes(),
	} {
		if err := os.WriteFile(filepath.Join(dir, version.Version+ending), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	reader, err := zip.NewReader(bytes.NewReader(packed.Bytes()), int64(packed.Len()))
	if err != nil || len(reader.File) < 100 {
		t.Fatalf("the module's zip: %v", err)
	}
	return top
}

// file is one of the repository's, by its name there.
type file string

func (f file) Path() string                 { return string(f) }
func (f file) Lstat() (os.FileInfo, error)  { return os.Lstat(filepath.Join(repository, string(f))) }
func (f file) Open() (io.ReadCloser, error) { return os.Open(filepath.Join(repository, string(f))) }

// dynamic: an executable needs a loader.
func dynamic(t *testing.T, path string) bool {
	t.Helper()
	executable, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer executable.Close()
	return slices.ContainsFunc(executable.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP })
}
