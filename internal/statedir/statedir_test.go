package statedir

import (
	"bytes"
	"errors"
	"io/fs"
	"log/slog"
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

// What is wrong with the state directory itself is warned of once, whatever was to
// be kept there; what is wrong with a directory in it is not.
func TestOneWarningOfTheStateDirectory(t *testing.T) {
	wide := t.TempDir()
	if err := os.Chmod(wide, 0o777); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		state string
		whole bool
	}{
		"others can write to it": {wide, true},
		"a file":                 {file, true},
		"below a file":           {filepath.Join(file, "below"), true},
		"a file in it":           {filepath.Dir(file), false},
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			w := &Warner{Log: slog.New(slog.NewTextHandler(&log, nil))}
			for range 2 {
				_, err := Open(filepath.Join(tc.state, "file", "x"))
				if err == nil || !strings.Contains(err.Error(), "--state-dir") {
					t.Fatal(err)
				}
				if got := w.Warned(err); got != tc.whole {
					t.Errorf("%v: it is the state directory: %v", err, got)
				}
				if (*Warner)(nil).Warned(err) {
					t.Error("nobody has warned")
				}
			}
			want := 0
			if tc.whole {
				want = 1
			}
			if n := strings.Count(log.String(), "level=WARN"); n != want || !strings.Contains(log.String(), tc.state) && tc.whole {
				t.Errorf("%d warnings: %s", n, &log)
			}
		})
	}
}
