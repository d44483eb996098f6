package postmortem

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestADirectoryThatIsNotOurs(t *testing.T) {
	for name, tc := range map[string]struct {
		make func(dir string) error
		says string
	}{
		"a file":      {func(dir string) error { return os.WriteFile(dir, nil, 0o600) }, "make the directory"},
		"a link":      {func(dir string) error { return os.Symlink(t.TempDir(), dir) }, "is not a directory"},
		"open to all": {func(dir string) error { return errors.Join(os.Mkdir(dir, 0o700), os.Chmod(dir, 0o777)) }, "others can write to it"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "d")
			if err := tc.make(dir); errors.Is(err, os.ErrPermission) {
				t.Skip("only root can make this")
			} else if err != nil {
				t.Fatal(err)
			}
			s, log := open(t, dir, State{})
			s.Add(death(1, "x"))
			s.Add(death(2, "y"))
			finish(t, s)
			list := s.List()
			if len(list.Records) != 2 {
				t.Errorf("%d records in memory", len(list.Records))
			}
			if r, err := s.Get("1"); err != nil || len(r.Lines) != 1 {
				t.Errorf("%+v, %v", r, err)
			}
			if list.Directory != "" || !strings.Contains(list.Problem, tc.says) || strings.Count(log.String(), "WARN") != 1 || !strings.Contains(log.String(), "--state-dir") {
				t.Errorf("%q\n%s", list.Problem, log)
			}
		})
	}
}

func TestTwoStoresDoNotShareADirectory(t *testing.T) {
	dir := t.TempDir()
	_, _ = still(t, dir) // has the lock
	second, log := open(t, dir, State{})
	finish(t, second)
	if !strings.Contains(log.String(), "another supervisor writes there") || second.List().Directory != "" {
		t.Error(log)
	}
	if a, b := Directory("/s", "/run/a/supervisor.sock"), Directory("/s", "/run/b/supervisor.sock"); a == b || !strings.HasPrefix(a, "/s/postmortem/run-a-supervisor.sock-") {
		t.Errorf("%s, %s", a, b)
	}
	if got := Directory("/s", "/"+strings.Repeat("ö/", 500)); len(filepath.Base(got)) > 100 {
		t.Error(got)
	}
	if got := Directory("off", "/x"); got != "" {
		t.Error(got)
	}
}
