package e2e

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/tandem-go/tandem/test/harness"
)

// adminOf gives a client of the admin listener at a unix socket.
func adminOf(t *testing.T, path string) *http.Client {
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// probe asks the admin listener for a path.
func probe(ctx context.Context, client *http.Client, path string) (int, string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost"+path, nil)
	if err != nil {
		return 0, "", err
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), err
}

// TestReadyzOfALameDuck: from the moment on that a stop is asked for the balancer is told
// to send nobody here, and whoever comes meanwhile is served.
func TestReadyzOfALameDuck(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	dir := t.TempDir()
	client := adminOf(t, filepath.Join(dir, "admin.sock"))
	s, _ := serve(ctx, t, 2, harness.Config{Dir: dir, Args: []string{"--lame-duck", "1m", "--admin", "unix:" + filepath.Join(dir, "admin.sock")}})
	for path, want := range map[string]string{
		"/livez": "alive\n", "/readyz": "ready: running, 2 of 2 workers ready\n", "/": `<span id="state" class="state running">running</span>`,
	} {
		if code, body, err := probe(ctx, client, path); err != nil || code != 200 || !strings.Contains(body, want) {
			t.Errorf("%s: %d %q, %v", path, code, body, err)
		}
	}
	signal(t, s, syscall.SIGTERM)
	err := harness.Poll(ctx, "/readyz to fail", func() bool {
		code, body, err := probe(ctx, client, "/readyz")
		return err == nil && code == 503 && body == "not ready: stopping, 2 of 2 workers ready\n"
	})
	if err != nil {
		t.Fatal(err)
	}
	ask(ctx, t, s, "/modern/") // a new connection
	if code, _, err := probe(ctx, client, "/livez"); err != nil || code != 200 {
		t.Errorf("/livez of a lame duck: %d, %v", code, err)
	}
	signal(t, s, syscall.SIGTERM)
	exits(ctx, t, s, 0)
}

// TestAdminOverTCP: probes are answered while every worker is stopped by a
// signal, and a reload does not touch the listener.
func TestAdminOverTCP(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	port, err := harness.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	address := fmt.Sprintf("127.0.0.1:%d", port)
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", address)
	}}
	t.Cleanup(transport.CloseIdleConnections)
	client := &http.Client{Transport: transport}
	dir := t.TempDir()
	env := writeFile(t, filepath.Join(dir, "env"), "SUPERVISOR_ADMIN="+address+"\n", 0o600)
	s, _ := serve(ctx, t, 2, harness.Config{Dir: dir, Args: []string{"--env-file", env}})
	must(ctx, t, s, "reload", "--wait")
	st := ready(ctx, t, s, 2)
	for _, w := range st.Workers {
		kill(t, w.PID, syscall.SIGSTOP)
	}
	for range 20 {
		if code, body, err := probe(ctx, client, "/livez"); err != nil || code != 200 {
			t.Fatalf("/livez beside stopped workers: %d %q, %v", code, body, err)
		}
	}
	for _, w := range st.Workers {
		kill(t, w.PID, syscall.SIGCONT)
	}
	writeFile(t, env, "SUPERVISOR_ADMIN=:1\n", 0o600)
	if res := command(ctx, t, s, "reload", "--wait"); res.Code != 1 || !strings.Contains(res.Stdout+res.Stderr, "--admin") {
		t.Errorf("a reload with another address: %d %s%s", res.Code, res.Stdout, res.Stderr)
	}
	signal(t, s, syscall.SIGTERM)
	exits(ctx, t, s, 0)
}
