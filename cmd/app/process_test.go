package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// startApp runs the real thing in a process of its own, in a directory of its own, and returns its address and its command.
func startApp(t *testing.T, env ...string) (string, *exec.Cmd) {
	t.Helper()
	started := launchApp(t, t.TempDir(), nil, env...)
	return started.serving(t), started.cmd
}

// launched is an app in a process of its own.
type launched struct {
	cmd   *exec.Cmd
	lines *bufio.Scanner // of stderr
	said  []string       // those that were read
}

// launchApp starts an app in a directory.
func launchApp(t *testing.T, dir string, args []string, env ...string) *launched {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, self, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), append(env, runAsApp+"=1", "APP_ADDR=127.0.0.1:0", "GORACE=atexit_sleep_ms=0")...)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return &launched{cmd: cmd, lines: bufio.NewScanner(stderr)}
}

// until waits for a line and returns what the expression's group matches, or "" if the app ends without it.
func (l *launched) until(expression string) string {
	wanted := regexp.MustCompile(expression)
	for l.lines.Scan() {
		l.said = append(l.said, l.lines.Text())
		if found := wanted.FindStringSubmatch(l.lines.Text()); found != nil {
			return found[1]
		}
	}
	return ""
}

// serving waits until it serves, and returns its address.
func (l *launched) serving(t *testing.T) string {
	t.Helper()
	addr := l.until(`msg=serving addr=tcp://(\S+)`)
	if addr == "" {
		t.Fatalf("the app ended (%v) and said:\n%s", l.cmd.Wait(), strings.Join(l.said, "\n"))
	}
	go func() {
		for l.lines.Scan() { // so that the app never waits for its reader
		}
	}()
	return addr
}

// ends waits until the app has ended, and returns what it said and its exit code.
func (l *launched) ends() (string, int) {
	l.until(`^\b\B()$`) // nothing
	_ = l.cmd.Wait()
	return strings.Join(l.said, "\n"), l.cmd.ProcessState.ExitCode()
}

func TestSlowQueriesAreLoggedWithTheirRoute(t *testing.T) {
	setEnvironment(t, nil)
	app := launchApp(t, t.TempDir(), nil, "APP_SLOW_QUERY=1ns")
	addr := app.until(`msg=serving addr=tcp://(\S+)`)
	resp, err := http.Get("http://" + addr + "/posts/")
	if err != nil {
		t.Fatalf("%v; it said:\n%s", err, strings.Join(app.said, "\n"))
	}
	resp.Body.Close()
	if rows := app.until(`msg="slow query" route="GET /posts/\{\$\}" request_id=\S+ query="SELECT .* took=\S+ rows=(\d\d) trace_id=[0-9a-f]{32} span_id=[0-9a-f]{16}$`); rows != "20" {
		t.Errorf("%q rows; it said:\n%s", rows, strings.Join(app.said, "\n"))
	}
	if err := app.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	if said, code := app.ends(); code != 0 {
		t.Errorf("exit code %d; it said:\n%s", code, said)
	}
}

func TestAppAlone(t *testing.T) {
	setEnvironment(t, nil)
	addr, cmd := startApp(t)
	for _, path := range []string{"/hello/", "/dashboard/", "/healthz"} {
		resp, err := http.Get(fmt.Sprintf("http://%s%s", addr, path))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", path, resp.Status)
		}
	}
	// A request in flight at TERM is answered: a stream is one that is known to have begun.
	resp, err := http.Get(fmt.Sprintf("http://%s/stream/?n=5&ms=100", addr))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	chunks := bufio.NewScanner(resp.Body)
	chunks.Scan()
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	n := 1
	for chunks.Scan() {
		n++
	}
	if chunks.Err() != nil || n != 5 {
		t.Errorf("the stream ended after %d of 5 chunks: %v", n, chunks.Err())
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("after TERM: %v", err)
	}
}

func TestAddressInUse(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	t.Chdir(t.TempDir())
	setEnvironment(t, map[string]string{"APP_ADDR": listener.Addr().String()})
	var out, errs bytes.Buffer
	if code := run(nil, &out, &errs); code != 1 || !strings.HasPrefix(errs.String(), "app: APP_ADDR: ") {
		t.Errorf("exit code %d\n%s\n%s", code, &out, &errs)
	}
}

func TestAppInterrupted(t *testing.T) {
	setEnvironment(t, nil)
	_, cmd := startApp(t)
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("after INT: %v", err)
	}
}
