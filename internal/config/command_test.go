package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func program(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"), mode); err != nil {
		t.Fatal(err)
	}
}

func TestResolveCommand(t *testing.T) {
	dir := t.TempDir()
	program(t, dir+"/bin/good", 0o755)
	program(t, dir+"/bin/plain", 0o644)
	program(t, dir+"/late/plain", 0o755)
	program(t, dir+"/late/first", 0o755)
	program(t, dir+"/bin/first", 0o755)
	if err := os.Symlink(dir+"/bin/good", dir+"/link"); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	t.Setenv("PATH", ".:bin::"+dir+"/bin:"+dir+"/late")
	for _, tc := range []struct {
		command []string
		chdir   string
		path    string
		is      error
		says    string
	}{
		{[]string{"good", "x"}, "", dir + "/bin/good", nil, ""},
		{[]string{"first"}, "", dir + "/bin/first", nil, ""},
		{[]string{"plain"}, "", dir + "/late/plain", nil, ""},
		{[]string{dir + "/bin/good"}, "/nowhere", dir + "/bin/good", nil, ""},
		{[]string{"bin/good"}, "", dir + "/bin/good", nil, ""},
		{[]string{"./good"}, dir + "/bin", dir + "/bin/good", nil, ""},
		{[]string{dir + "/link"}, "", dir + "/link", nil, ""},
		{[]string{"missing"}, "", "", fs.ErrNotExist, `worker command "missing" was not found: put it on PATH, or give its path`},
		{[]string{"./missing"}, "", "", fs.ErrNotExist, `worker command "./missing" does not exist: no file ` + dir + "/missing"},
		{[]string{"bin/good/x"}, "", "", fs.ErrNotExist, `worker command "bin/good/x" does not exist: no file ` + dir + "/bin/good/x"},
		{[]string{"bin/plain"}, "", "", fs.ErrPermission, `worker command "bin/plain" cannot be executed: ` + dir + "/bin/plain: mode -rw-r--r--; chmod +x it"},
		{[]string{"./bin"}, "", "", fs.ErrPermission, `worker command "./bin" cannot be executed: ` + dir + "/bin: it is a directory"},
		{[]string{"/dev/null"}, "", "", fs.ErrPermission, `worker command "/dev/null" cannot be executed: /dev/null: it is not a regular file`},
	} {
		path, argv, err := ResolveCommand(tc.command, tc.chdir)
		if tc.is == nil {
			if err != nil || path != tc.path || !slices.Equal(argv, tc.command) {
				t.Errorf("%q: %s %q %v, want %s", tc.command, path, argv, err, tc.path)
			}
			continue
		}
		var command *CommandError
		if !errors.As(err, &command) || !errors.Is(err, tc.is) || err.Error() != tc.says {
			t.Errorf("%q:\n got %v\nwant %s", tc.command, err, tc.says)
		}
	}
	t.Setenv("PATH", dir+"/bin")
	if _, _, err := ResolveCommand([]string{"plain"}, ""); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("a file on PATH that is not executable: %v", err)
	}
}

// Without a command the worker is app: beside the supervisor, through the path by
// which it was started, else on PATH.
func TestResolveApp(t *testing.T) {
	dir := t.TempDir()
	defer func(was string) { asInvoked = was }(asInvoked)
	asInvoked = dir + "/current/supervisor"
	t.Setenv("PATH", dir+"/path")

	_, _, err := ResolveCommand(nil, "")
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "neither beside the supervisor nor on PATH") {
		t.Errorf("no app anywhere: %v", err)
	}
	expect := func(want string) {
		t.Helper()
		path, argv, err := ResolveCommand(nil, "/nowhere")
		if err != nil || path != want || !slices.Equal(argv, []string{want}) {
			t.Errorf("app is %s %q (%v), want %s", path, argv, err, want)
		}
	}
	program(t, dir+"/path/app", 0o755)
	expect(dir + "/path/app")

	program(t, dir+"/release-1/app", 0o755)
	program(t, dir+"/release-2/app", 0o755)
	for _, release := range []string{"release-1", "release-2"} {
		_ = os.Remove(dir + "/current")
		if err := os.Symlink(dir+"/"+release, dir+"/current"); err != nil {
			t.Fatal(err)
		}
		expect(dir + "/current/app")
	}
	if err := os.Chmod(dir+"/release-2/app", 0o644); err != nil {
		t.Fatal(err)
	}
	if _, _, err := ResolveCommand(nil, ""); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("an app beside the supervisor that is not executable is passed over: %v", err)
	}
}

// Where the command is looked for, down to where it is found: what --watch watches.
func TestCommandPlaces(t *testing.T) {
	first, second, third := t.TempDir(), t.TempDir(), t.TempDir()
	t.Setenv("PATH", first+":relative::"+second+":"+third)
	for _, dir := range []string{second, third} {
		if err := os.WriteFile(filepath.Join(dir, "tool"), []byte("#!/bin/sh\n"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		command []string
		chdir   string
		want    []string
	}{
		{[]string{"tool"}, "", []string{first + "/tool", second + "/tool"}},
		{[]string{"none"}, "", []string{first + "/none", second + "/none", third + "/none"}},
		{[]string{"/no/such"}, "/srv", []string{"/no/such"}},
		{[]string{"bin/x", "arg"}, "/srv", []string{"/srv/bin/x"}},
	} {
		if got := CommandPlaces(c.command, c.chdir); !slices.Equal(got, c.want) {
			t.Errorf("%q in %q: %q, want %q", c.command, c.chdir, got, c.want)
		}
	}
	// app: beside us first.
	if got := CommandPlaces(nil, ""); len(got) < 4 || filepath.Base(got[0]) != "app" || got[len(got)-1] != third+"/app" {
		t.Errorf("without a command: %q", got)
	}
}
