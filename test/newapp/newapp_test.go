// Package newapp does with a built supervisor what somebody does who has just heard of it: makes an application by
// supervisor new, outside of this repository, tests it, runs it, changes it. Nothing is downloaded: the modules of others
// are taken from the module cache.
package newapp

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tandem-go/tandem/internal/control"
	"github.com/tandem-go/tandem/test/harness"
)

// TestMain builds the supervisor once, as make build does.
func TestMain(m *testing.M) {
	os.Exit(func() int {
		bin, err := os.MkdirTemp("", "newapp")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(bin)
		if repository, err = filepath.Abs("../.."); err != nil {
			panic(err)
		}
		build := exec.Command("go", "build", "-trimpath", "-ldflags=-w", "-buildvcs=false", "-o", bin, "./cmd/supervisor")
		build.Dir, build.Env = repository, append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "%v\n%s", err, out)
			return 1
		}
		supervisor = filepath.Join(bin, "supervisor")
		return m.Run()
	}())
}

// supervisor is the program, and repository where its source is.
var supervisor, repository string

// user is the environment of somebody with an empty home, and Go's caches. All steps compile and link in the way that
// make build does, or each package were compiled a second time for the checkers; nothing here reads what DWARF says.
func user(t *testing.T, more ...string) []string {
	t.Helper()
	home := t.TempDir()
	out, err := exec.CommandContext(t.Context(), "go", "env", "GOCACHE", "GOMODCACHE").Output()
	if err != nil {
		t.Fatal(err)
	}
	caches := strings.Fields(string(out))
	return append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + home, "TMPDIR=" + os.TempDir(), "XDG_RUNTIME_DIR=" + home,
		"GOCACHE=" + caches[0], "GOMODCACHE=" + caches[1], "GOPROXY=off", "GOFLAGS=" + flags, "GOSUMDB=off", "GOTOOLCHAIN=local", "GOENV=off", "CGO_ENABLED=0",
	}, more...)
}

const flags = "-trimpath -ldflags=-w"

// value is what a name has in an environment.
func value(env []string, name string) (found string) {
	for _, kv := range env {
		if v, ok := strings.CutPrefix(kv, name+"="); ok {
			found = v
		}
	}
	return found
}

// patience bounds each wait: for a compiler without a cache, on a busy machine.
const patience = 8 * time.Minute

// run runs a program to its end, which must be good.
func run(t *testing.T, dir string, env []string, program string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir, cmd.Env = dir, env
	cmd.WaitDelay = time.Second
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %s in %s: %v\n%s%s", program, strings.Join(args, " "), dir, err, out.String(), errs.String())
	}
	return out.String()
}

// service is an application that make run serves.
type service struct {
	url, dir string
	env      []string
	make     *exec.Cmd
	out      bytes.Buffer
	done     chan error
}

// start calls make run on a port of its own.
func start(t *testing.T, dir string, env []string) *service {
	t.Helper()
	port, err := harness.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	s := &service{url: fmt.Sprintf("http://127.0.0.1:%d", port), dir: dir, env: env, done: make(chan error, 1)}
	s.make = exec.CommandContext(context.WithoutCancel(t.Context()), "make", "run") // ended below
	s.make.Dir, s.make.Env = dir, append(env, fmt.Sprintf("SUPERVISOR_BIND=127.0.0.1:%d", port))
	s.make.Stdout, s.make.Stderr = &s.out, &s.out
	s.make.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := s.make.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { s.done <- s.make.Wait() }()
	t.Cleanup(func() {
		_ = syscall.Kill(-s.make.Process.Pid, syscall.SIGKILL) // where the test has ended early
		if t.Failed() {
			t.Log(s.out.String())
		}
	})
	return s
}

// get waits until an answer is 200 and has a text in it.
func (s *service) get(t *testing.T, path, want string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var last string
	err := harness.Poll(ctx, path, func() bool {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+path, nil)
		if err != nil {
			return false
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			last = err.Error()
			return false
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		last = fmt.Sprint(resp.StatusCode, string(body), err)
		return err == nil && resp.StatusCode == http.StatusOK && strings.Contains(string(body), want)
	})
	if err != nil {
		t.Fatalf("%v: %s", err, last)
	}
}

type status struct {
	PID, Generation int
	State           string
}

func (s *service) status(t *testing.T) (now status) {
	t.Helper()
	if err := json.Unmarshal([]byte(run(t, s.dir, s.env, "bin/supervisor", "status", "--json")), &now); err != nil {
		t.Fatal(err)
	}
	return now
}

// reach waits for a generation that serves.
func (s *service) reach(t *testing.T, generation int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	// Not by a program for each look: those would take longer than the reload.
	client := control.NewKeptClient(filepath.Join(value(s.env, "XDG_RUNTIME_DIR"), "tandem", "supervisor.sock"))
	defer client.Close()
	err := harness.Poll(ctx, fmt.Sprint("generation ", generation), func() bool {
		now, err := client.Status(ctx)
		return err == nil && now.Generation == generation && now.State == "running"
	})
	if err != nil {
		t.Fatal(err)
	}
}

// stop sends TERM, after which make must say that all was well.
func (s *service) stop(t *testing.T) {
	t.Helper()
	if err := syscall.Kill(s.status(t).PID, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-s.done:
		if err != nil {
			t.Errorf("make run: %v\n%s", err, s.out.String())
		}
	case <-time.After(patience):
		t.Fatal("make run has not ended")
	}
}

// serves runs an application, asks and reloads it.
func serves(t *testing.T, dir string, env []string) *service {
	t.Helper()
	s := start(t, dir, env)
	s.get(t, "/", `"hello":"async"`)
	s.get(t, "/primes/?below=1000", `{"primes":168,"largest":997}`)
	if err := syscall.Kill(s.status(t).PID, syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	s.reach(t, 2)
	return s
}

// change changes a view: what runs reloads by itself when that is built.
func (s *service) change(t *testing.T) {
	t.Helper()
	views := filepath.Join(s.dir, "views.go")
	text, err := os.ReadFile(views)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(views, bytes.Replace(text, []byte(`"hello": "async"`), []byte(`"hello": "changed"`), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, s.dir, s.env, "make", "build")
	s.get(t, "/", `"hello":"changed"`)
	s.reach(t, 3)
}

// besideAnother runs a copy of the application of the same user meanwhile, as README.md says: commands in its directory
// are about it, and the first one does not notice.
func (s *service) besideAnother(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(s.dir)); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, export, ok := strings.Cut(string(text), "`export ")
	export, _, ends := strings.Cut(export, "`")
	if !ok || !ends {
		t.Fatal("README.md does not say what a second application needs")
	}
	first := s.status(t)
	second := start(t, dir, slices.Concat(s.env, strings.Fields(export))) // with another port, of which nothing is known
	second.get(t, "/", `"hello":"changed"`)
	if now := second.status(t); now.PID == first.PID || now.Generation != 1 {
		t.Errorf("in the directory of the second one: %+v; the first one is %+v", now, first)
	}
	second.stop(t)
	if now := s.status(t); now != first {
		t.Errorf("the first one was %+v, and is %+v", first, now)
	}
}

// TestFromSource: the supervisor is a development build, and so its application is built with the source beside it.
func TestFromSource(t *testing.T) {
	t.Parallel()
	env := user(t)
	outside := t.TempDir()
	// A workspace that is about something else.
	if err := os.WriteFile(filepath.Join(outside, "go.work"), []byte("go 1.26.0\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	said := run(t, outside, env, supervisor, "new", "hello", "--source", repository)
	if !strings.Contains(said, "\n  cd hello\n  make run ") || !strings.Contains(said, "module example.org/hello, with Tandem from the source in "+repository) {
		t.Errorf("it said %s", said)
	}
	dir := filepath.Join(outside, "hello")
	if out := run(t, dir, env, "gofmt", "-l", "."); out != "" {
		t.Errorf("not formatted: %s", out)
	}
	run(t, dir, append(env, "GOWORK=off"), "go", "vet", "./...")
	run(t, dir, append(env, "GOWORK=off"), "go", "tool", "tandemvet", "./...")
	if out := run(t, dir, env, "make", "test"); !strings.Contains(out, "ok  \texample.org/hello") {
		t.Errorf("make test: %s", out)
	}
	s := serves(t, dir, env)
	s.change(t)
	s.besideAnother(t)
	s.stop(t)

	root := t.TempDir()
	run(t, dir, append(env, "ROOT="+root), "make", "image", "ENGINE="+engine(t))
	image(t, root, "hello")
}

// engine is a program that stands for docker: in what it is to build from, which is a copy, it runs the commands of the
// Dockerfile's first stage by a shell, with $ROOT in the place of /image.
func engine(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "engine")
	script := `#!/bin/sh
set -eu
[ "$1 $2 $3" = "build -t hello" ]
cd "$4"
xargs rm -rf <.dockerignore
awk '/^RUN / { on = 1; sub(/^RUN /, "") } on { print } !/\\$/ { on = 0 }' Dockerfile | sed "s,/image/,$ROOT/,g" >steps
sh -eux ./steps
`
	if err := os.WriteFile(path, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

// image holds what a Dockerfile lays out against what it takes to run.
func image(t *testing.T, root, name string) {
	t.Helper()
	for path, mode := range map[string]os.FileMode{
		"usr/bin/supervisor": 0o755, "usr/bin/" + name: 0o755, "etc/ssl/certs/ca-certificates.crt": 0o644,
		"tmp": os.ModeDir | os.ModeSticky | 0o777, "var/lib/" + name: os.ModeDir | 0o755,
	} {
		info, err := os.Stat(filepath.Join(root, path))
		if err != nil {
			t.Error(err)
		} else if info.Mode() != mode {
			t.Errorf("%s is %v, want %v", path, info.Mode(), mode)
		}
	}
	for _, program := range []string{"supervisor", name} {
		if dynamic(t, filepath.Join(root, "usr/bin", program)) {
			t.Errorf("%s needs a loader, which an empty image does not have", program)
		}
	}
}
