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

// startApp runs the real thing in a process of its own and returns its address and its command.
func startApp(t *testing.T, env ...string) (string, *exec.Cmd) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, self)
	cmd.Env = append(os.Environ(), append(env, runAsApp+"=1", "APP_ADDR=127.0.0.1:0")...)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stderr)
	var said []string
	for lines.Scan() {
		said = append(said, lines.Text())
		if addr := regexp.MustCompile(`msg=serving addr=tcp://(\S+)`).FindStringSubmatch(lines.Text()); addr != nil {
			go func() {
				for lines.Scan() { // so that the app never waits for its reader
				}
			}()
			return addr[1], cmd
		}
	}
	t.Fatalf("the app ended (%v) and said:\n%s", cmd.Wait(), strings.Join(said, "\n"))
	return "", nil
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
