package scaffold

import (
	"bufio"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// A kit is an application's Makefile in a directory, and programs that stand for go and docker.
type kit struct{ dir, path, temp string }

// newKit has an engine that runs a script in the directory that an image is to be built from.
func newKit(t *testing.T, origin Origin, engine string) kit {
	t.Helper()
	top := t.TempDir()
	k := kit{dir: filepath.Join(top, "app"), path: filepath.Join(top, "path"), temp: filepath.Join(top, "temp")}
	for name, text := range map[string]string{
		"app/Makefile":           string(made(t, origin)["Makefile"]),
		"app/.dockerignore":      "bin\n",
		"app/views.go":           "package main\n",
		"app/static/a file":      "text",
		"app/bin/hello":          "built",
		"app/.git/config":        "of git",
		"temp/somebody's/file":   "of another",
		"path/engine":            "#!/bin/sh\nset -eu\n[ \"$1 $2 $3\" = 'build -t hello' ]\ncd \"$4\"\n" + engine,
		"path/go":                "#!/bin/sh\nset -eu\n[ \"$1 $2 $3\" = 'mod vendor -o' ]\nmkdir \"$4\"\n[ \"$GOWORK\" = off ]\necho ours >\"$4/modules.txt\"\n",
		"path/go-that-is-broken": "#!/bin/sh\necho broken >&2\nexit 1\n",
	} {
		path := filepath.Join(top, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o755)); err != nil {
			t.Fatal(err)
		}
	}
	return k
}

// make calls make in a process group of its own, as a shell does.
func (k kit) make(t *testing.T, target string, env ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "make", target, "ENGINE=engine")
	cmd.Dir = k.dir
	cmd.Env = append([]string{"PATH=" + k.path + ":" + os.Getenv("PATH"), "TMPDIR=" + k.temp}, env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd
}

// tree is all that is below a directory: names, modes, times and contents.
func tree(t *testing.T, dir string) string {
	t.Helper()
	var all strings.Builder
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		var text []byte
		if info.Mode().IsRegular() {
			text, err = os.ReadFile(path)
		}
		all.WriteString(strings.Join([]string{path, info.Mode().String(), info.ModTime().String(), string(text)}, " ") + "\n")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.String()
}

// An image of an application with a source is built from a copy, and the tree is as it was: also one with a vendor
// directory, where the build fails, and where it is interrupted.
func TestImageOfASource(t *testing.T) {
	const list = "find . ! -name . | sort | tr '\\n' ' '; cat vendor/modules.txt\n"
	const copied = "./.dockerignore ./Makefile ./static ./static/a file ./vendor ./vendor/modules.txt ./views.go "
	for name, c := range map[string]struct {
		vendored  bool
		engine    string
		brokenGo  bool
		interrupt syscall.Signal
		want      string
		code      int
	}{
		"built":                {engine: list, want: copied + "ours\n"},
		"vendored":             {vendored: true, engine: list, want: copied + "mine\n"},
		"failed":               {engine: "echo no\nexit 7\n", want: "no\n", code: 2},
		"vendored and failed":  {vendored: true, engine: "echo no\nexit 7\n", want: "no\n", code: 2},
		"modules not there":    {engine: list, brokenGo: true, want: "", code: 2},
		"interrupted":          {engine: "echo begun\nexec tail -f /dev/null\n", interrupt: syscall.SIGINT, want: "begun\n"},
		"terminated, vendored": {vendored: true, engine: "echo begun\nexec tail -f /dev/null\n", interrupt: syscall.SIGTERM, want: "begun\n"},
		"the terminal is gone": {engine: "echo begun\nexec tail -f /dev/null\n", interrupt: syscall.SIGHUP, want: "begun\n"},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKit(t, Origin{Source: "/src/tandem"}, c.engine)
			if c.vendored {
				vendor := filepath.Join(k.dir, "vendor")
				if err := errors.Join(os.Mkdir(vendor, 0o700), os.WriteFile(filepath.Join(vendor, "modules.txt"), []byte("mine\n"), 0o600)); err != nil {
					t.Fatal(err)
				}
			}
			if c.brokenGo {
				if err := os.Rename(filepath.Join(k.path, "go-that-is-broken"), filepath.Join(k.path, "go")); err != nil {
					t.Fatal(err)
				}
			}
			before, around := tree(t, k.dir), tree(t, k.temp)
			cmd := k.make(t, "image")
			out, err := cmd.StdoutPipe()
			if err == nil {
				err = cmd.Start()
			}
			if err != nil {
				t.Fatal(err)
			}
			var said strings.Builder
			for lines := bufio.NewScanner(out); lines.Scan(); {
				said.WriteString(lines.Text() + "\n")
				if c.interrupt != 0 {
					if err := syscall.Kill(-cmd.Process.Pid, c.interrupt); err != nil {
						t.Error(err)
					}
				}
			}
			err = cmd.Wait()
			status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
			switch {
			case !ok || c.interrupt == 0 && status.ExitStatus() != c.code:
				t.Errorf("it ended with %v, want %d", err, c.code)
			case c.interrupt != 0 && err == nil:
				t.Error("it was interrupted, and ended well")
			}
			if said.String() != c.want {
				t.Errorf("it said %q, want %q", said.String(), c.want)
			}
			if after := tree(t, k.dir); after != before {
				t.Errorf("the application was\n%s\nand is\n%s", before, after)
			}
			// Of the directory itself the time has changed.
			if after := tree(t, k.temp); strings.Join(slices.Delete(strings.Split(after, "\n"), 0, 1), "\n") != strings.Join(slices.Delete(strings.Split(around, "\n"), 0, 1), "\n") {
				t.Errorf("for temporary files there was\n%s\nand is\n%s", around, after)
			}
		})
	}
}

// A workspace above the application is not what it is built with, but one that is asked for is. Images never have one: the
// go command does not vendor in a workspace.
func TestWorkspaces(t *testing.T) {
	for _, origin := range []Origin{{Version: "v1.2.3"}, {Source: "/src/tandem"}} {
		k := newKit(t, origin, "cat vendor/modules.txt\n")
		says := filepath.Join(k.path, "go")
		vendors, err := os.ReadFile(says)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(says, []byte("#!/bin/sh\necho \"workspace: $GOWORK\"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		for env, want := range map[string]string{"A=b": "off", "GOWORK=auto": "auto", "GOWORK=/src/go.work": "/src/go.work", "GOWORK=off": "off"} {
			for target, times := range map[string]int{"build": 1, "test": 1, "check": 3} {
				out, err := k.make(t, target, env).Output()
				if got := strings.Count(string(out), "workspace: "+want+"\n"); err != nil || got != times {
					t.Errorf("%+v: %s make %s: %v\n%s", origin, env, target, err, out)
				}
			}
		}
		if origin.Source == "" {
			continue
		}
		if err := os.WriteFile(says, vendors, 0o755); err != nil {
			t.Fatal(err)
		}
		if out, err := k.make(t, "image", "GOWORK=/src/go.work").Output(); err != nil || string(out) != "ours\n" {
			t.Errorf("make image: %v\n%s", err, out)
		}
	}
}
