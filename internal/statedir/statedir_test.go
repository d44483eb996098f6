package statedir

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestPath(t *testing.T) {
	a, b, c := Path("/s", "timeline", "/run/a/supervisor.sock"), Path("/s", "timeline", "/run/b/supervisor.sock"), Path("/s", "postmortem", "/run/a/supervisor.sock")
	if a == b || a == c || !strings.HasPrefix(a, "/s/timeline/run-a-supervisor.sock-") {
		t.Errorf("%s, %s, %s", a, b, c)
	}
	if got := Path("off", "timeline", "/x"); got != "" {
		t.Error(got)
	}
}

func TestOneWriterAndManyReaders(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state", "timeline", "x")
	if _, err := Inspect(path); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	first, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", info, err)
	}
	if _, err := Open(path); err == nil || !strings.Contains(err.Error(), "another supervisor writes there") {
		t.Error(err)
	}
	reader, err := Inspect(path)
	if err != nil {
		t.Fatal(err)
	}
	reader.Close()
	first.Close()
	next, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	next.Close()
	if err := os.Chmod(path, 0o777); err != nil {
		t.Fatal(err)
	}
	for name, open := range map[string]func(string) (*Dir, error){"open": Open, "inspect": Inspect} {
		if _, err := open(path); err == nil || !strings.Contains(err.Error(), "others can write to it") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
