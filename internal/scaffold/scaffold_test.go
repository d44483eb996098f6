package scaffold

import (
	"context"
	"errors"
	"go/format"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestNames(t *testing.T) {
	for _, c := range []struct{ dir, module, name, want, fails string }{
		{"/srv/shop", "", "shop", "example.org/shop", ""},
		{"/srv/my-shop2", "", "my-shop2", "example.org/my-shop2", ""},
		{"/srv/Any Thing", "github.com/me/shop", "shop", "github.com/me/shop", ""},
		{"/srv/x", "example.com/shop/v2", "shop", "example.com/shop/v2", ""},
		{"/srv/My Shop", "", "", "", `"My Shop" is no name`},
		{"/", "", "", "", "is no name"},
		{"/srv/-x", "", "", "", "is no name"},
		{"/srv/a--b", "", "", "", "is no name"},
		{"/srv/root", "", "", "", "a user or group that systems have"},
		{"/srv/supervisor", "", "", "", "the application runs under"},
		{"/srv/" + strings.Repeat("a", 32), "", "", "", "longer than 31"},
		{"/srv/x", "shop", "", "", `--module: module path "shop": missing dot in first path element`},
		{"/srv/x", "example.org/shop/", "", "", "trailing slash"},
		{"/srv/x", "example.org/sh\nop", "", "", "invalid char"},
		{"/srv/x", "example.org/Shop", "", "", `"Shop" is no name`},
		{"/srv/x", "example.org/supervisor", "", "", "the application runs under"},
		{"/srv/x", Tandem, "", "", "is Tandem itself"},
	} {
		app, err := New(c.dir, c.module, Origin{Version: "v1.0.0"})
		switch {
		case c.fails != "":
			if err == nil || !strings.Contains(err.Error(), c.fails) {
				t.Errorf("New(%q, %q): %v, want %q", c.dir, c.module, err, c.fails)
			}
		case err != nil || app.Name != c.name || app.Module != c.want || app.Dir != c.dir:
			t.Errorf("New(%q, %q) = %+v, %v", c.dir, c.module, app, err)
		}
	}
}

func made(t *testing.T, origin Origin) map[string][]byte {
	t.Helper()
	app, err := New("/srv/hello", "", origin)
	if err != nil {
		t.Fatal(err)
	}
	files, err := app.files()
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestFiles(t *testing.T) {
	hosted, near := made(t, Origin{Version: "v1.2.3"}), made(t, Origin{Source: "/src/tan dem"})
	for name, want := range map[string]string{
		"main.go": "package main", "views.go": "func hello(ctx context.Context", "views_test.go": "func TestViews",
		"Makefile": "\trun: build"[1:], "Dockerfile": "ENTRYPOINT", ".gitignore": "/bin/", ".dockerignore": "bin",
		"hello.service": "ExecStart=/opt/hello/bin/supervisor", "README.md": "# hello", "go.mod": "module example.org/hello\n",
	} {
		for _, files := range []map[string][]byte{hosted, near} {
			text := string(files[name])
			if !strings.Contains(text, want) || !strings.HasSuffix(text, "\n") || strings.HasSuffix(text, "\n\n") || strings.Contains(text, "{{") {
				t.Errorf("%s is %q", name, text)
			}
			if filepath.Ext(name) != ".go" {
				continue
			}
			if formatted, err := format.Source(files[name]); err != nil || string(formatted) != text {
				t.Errorf("%s is not formatted: %v", name, err)
			}
		}
	}
	if len(hosted) != 10 {
		t.Errorf("%d files", len(hosted))
	}
	if text := string(hosted["go.mod"]); !strings.Contains(text, "\nrequire github.com/tandem-go/tandem v1.2.3\n") || strings.Contains(text, "replace") {
		t.Errorf("go.mod of a version: %s", text)
	}
	if text := string(near["go.mod"]); !strings.Contains(text, "\nreplace github.com/tandem-go/tandem => \"/src/tan dem\"\n") {
		t.Errorf("go.mod of a source: %s", text)
	}
	if lines := strings.Count(string(hosted["README.md"]), "\n"); lines > 12 {
		t.Errorf("README.md has %d lines", lines)
	}
}

// What the templates say a second time is said as Tandem's own files say it.
func TestInStep(t *testing.T) {
	read := func(path string) string {
		text, err := os.ReadFile(filepath.Join("../..", path))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	if !strings.Contains(read("go.mod"), "\ngo "+Go+"\n") {
		t.Errorf("go.mod does not say go %s", Go)
	}
	image := regexp.MustCompile(`(?m)^FROM golang:\S+`)
	files := made(t, Origin{Version: "v1.2.3"})
	if a, b := image.FindString(read("Dockerfile")), image.FindString(string(files["Dockerfile"])); a != b || a == "" {
		t.Errorf("Dockerfile: %q and %q", a, b)
	}
	// The unit: but for what it starts and what it is called, that of the package.
	var ours []string
	for line := range strings.Lines(regexp.MustCompile(`\btandem\b`).ReplaceAllString(read("deploy/systemd/tandem.service"), "hello")) {
		if !regexp.MustCompile(`^(#|\n|Description=|After=|Requires=|Also=|ExecStartPre=|ExecStart=|ExecReload=)`).MatchString(line) {
			ours = append(ours, line)
		}
	}
	theirs := strings.SplitAfter(string(files["hello.service"]), "\n")
	for _, line := range ours {
		if !slices.Contains(theirs, line) {
			t.Errorf("hello.service lacks %q", line)
		}
	}
	if len(ours) < 40 {
		t.Errorf("only %d lines of tandem.service were compared", len(ours))
	}
}

func listing(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return strings.Join(names, " ")
}

const all = ".dockerignore .gitignore Dockerfile Makefile README.md go.mod go.sum hello.service main.go views.go views_test.go"

func TestWrite(t *testing.T) {
	for _, there := range []bool{false, true} {
		parent := t.TempDir()
		dir := filepath.Join(parent, "hello")
		if there {
			if err := os.Mkdir(dir, 0o750); err != nil {
				t.Fatal(err)
			}
		}
		app, err := New(dir, "", Origin{Version: "v1.2.3"})
		if err != nil {
			t.Fatal(err)
		}
		write := func(ctx context.Context, fails error) error {
			return app.Write(ctx, func(_ context.Context, at string) error {
				if err := os.WriteFile(filepath.Join(at, "go.sum"), nil, 0o600); err != nil {
					t.Error(err)
				}
				return fails
			})
		}
		untouched := func(when string) {
			t.Helper()
			if there {
				if got := listing(t, dir); got != "" {
					t.Errorf("%s it has %q", when, got)
				}
			} else if got := listing(t, parent); got != "" {
				t.Errorf("%s there is %q", when, got)
			}
		}
		broken := errors.New("broken")
		if err := write(t.Context(), broken); !errors.Is(err, broken) {
			t.Errorf("%v", err)
		}
		untouched("after a failure")
		ended, cancel := context.WithCancelCause(t.Context())
		cancel(broken)
		if err := write(ended, nil); !errors.Is(err, broken) {
			t.Errorf("%v", err)
		}
		untouched("after the end")

		if err := write(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		if got := listing(t, dir); got != all {
			t.Errorf("there: %t: it has %q", there, got)
		}
		if got := listing(t, parent); got != "hello" {
			t.Errorf("beside it there is %q", got)
		}
		mode := 0o777 &^ umask()
		if there {
			mode = 0o750
		}
		if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != mode {
			t.Errorf("there: %t: its mode is %v, %v; want %v", there, info.Mode(), err, mode)
		}
		if err := write(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "is not empty, it has .dockerignore") {
			t.Errorf("a second time: %v", err)
		}
		if got := listing(t, dir); got != all {
			t.Errorf("after a second time it has %q", got)
		}
	}
}

// What somebody else puts there meanwhile is not replaced, and what was moved before is taken away.
func TestWriteBesideAnother(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "hello")
	app, err := New(dir, "", Origin{Version: "v1.2.3"})
	if err != nil {
		t.Fatal(err)
	}
	meanwhile := func(context.Context, string) error {
		return errors.Join(os.MkdirAll(dir, 0o700), os.WriteFile(filepath.Join(dir, "main.go"), []byte("mine"), 0o600))
	}
	for range 2 { // a directory that was not there, and one that was empty
		if err := app.Write(t.Context(), meanwhile); err == nil {
			t.Error("it was replaced")
		}
		if text, err := os.ReadFile(filepath.Join(dir, "main.go")); string(text) != "mine" || listing(t, dir) != "main.go" {
			t.Errorf("main.go is %q, %v, in %s", text, err, listing(t, dir))
		}
		if err := os.Remove(filepath.Join(dir, "main.go")); err != nil {
			t.Fatal(err)
		}
	}
}

func TestCompleteWithoutGo(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if err := Complete(t.Context(), t.TempDir()); err == nil || !strings.Contains(err.Error(), "the go command is not on the PATH") {
		t.Errorf("%v", err)
	}
}

func TestSaid(t *testing.T) {
	failed := errors.New("exit status 1")
	if got := said("go: finding module for package x\ngo: downloading y v1\ngo: example.org/hello imports\n\tx: no matching versions\n", failed); got != "example.org/hello imports … x: no matching versions" {
		t.Errorf("%q", got)
	}
	if got := said("go: downloading y v1\n", failed); got != "exit status 1" {
		t.Errorf("%q", got)
	}
}
