package foreign

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/tandem-go/tandem/internal/strict"
	"github.com/tandem-go/tandem/test/harness"
)

// write puts a configuration into a directory of the test.
func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// page is a directory with one file.
func page(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	// Other users read it: nginx gives up root for its children.
	for d := dir; d != "/" && d != os.TempDir(); d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "page.txt"), []byte("a page\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

// nginx takes over listening sockets that are named in the variable NGINX, which
// is meant for its own upgrade: those whose address it is configured for.
func TestNginx(t *testing.T) {
	harness.Needs(t, "nginx-light", "nginx", "-v")
	ctx := harness.Within(t)
	conf := func(addr string) string {
		return write(t, "nginx.conf", fmt.Sprintf(`
daemon off;
worker_processes 1;
error_log stderr notice;
events { worker_connections 256; }
http {
	access_log /dev/stdout;
	client_body_temp_path %[2]s; proxy_temp_path %[2]s; fastcgi_temp_path %[2]s; uwsgi_temp_path %[2]s; scgi_temp_path %[2]s;
	server {
		listen %[1]s;
		root %[3]s;
		location /id { default_type text/plain; return 200 "$arg_id\n"; }
	}
}
`, addr, t.TempDir(), page(t)))
	}
	port, err := harness.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	s, st := daemon(ctx, t, addr, []string{"--stop-signal", "QUIT", "--ready", "log:start worker process"}, []string{"NGINX=3;"},
		// Its pid file is one for each worker.
		"sh", "-c", `exec nginx -c "$0" -g "pid $1/nginx-$TANDEM_WORKER_ID.pid;"`, conf(addr), t.TempDir())
	nothingKnown(t, st)
	if got := get(ctx, t, s, "/page.txt"); got != "a page\n" {
		t.Errorf("%q", got)
	}
	if r := said(ctx, t, s.Stdout, "GET /page.txt"); r.Worker == 0 || r.Stream != "stdout" {
		t.Errorf("its access log: %+v", r)
	}
	replaced(ctx, t, s, st)
	reloadOfFiles(t, s, "/id")
	stops(ctx, t, s)
}

// lighttpd knows systemd's protocol, and ends gracefully on INT.
func TestLighttpd(t *testing.T) {
	harness.Needs(t, "lighttpd", "lighttpd", "-v")
	ctx := harness.Within(t)
	port, err := harness.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	host, number, _ := net.SplitHostPort(addr)
	conf := write(t, "lighttpd.conf", fmt.Sprintf(`
server.systemd-socket-activation = "enable"
server.bind = "%s"
server.port = %s
server.document-root = "%s"
mimetype.assign = ( ".txt" => "text/plain" )
`, host, number, page(t)))
	s, st := daemon(ctx, t, addr, []string{"--stop-signal", "INT", "--ready", "log:server started"}, nil, "lighttpd", "-D", "-f", conf)
	nothingKnown(t, st)
	if got := get(ctx, t, s, "/page.txt"); got != "a page\n" {
		t.Errorf("%q", got)
	}
	replaced(ctx, t, s, st)
	reloadOfFiles(t, s, "/page.txt")
	stops(ctx, t, s)
}

// daemon launches two workers that must be told the address beforehand.
func daemon(ctx context.Context, t *testing.T, addr string, args, env []string, command ...string) (*harness.Supervisor, harness.Status) {
	t.Helper()
	dir := t.TempDir()
	control := filepath.Join(dir, "s")
	s := harness.Launch(t, harness.Config{
		Bin: bin, Dir: dir, Bare: true,
		Args:    append([]string{"--workers", "2", "--bake", "200ms", "--bind", addr, "--control", control, "--log-overflow", "block"}, args...),
		Env:     env,
		Command: command,
	})
	s.Addr, s.Control = addr, control
	st, err := s.Ready(ctx, 2)
	if err != nil {
		t.Fatal(err)
	}
	return s, st
}

// reloadOfFiles is reloadUnderLoad for one target.
func reloadOfFiles(t *testing.T, s *harness.Supervisor, target string) {
	t.Helper()
	ctx := harness.Within(t)
	run := strict.Start(ctx, strict.Load{
		Addr: s.Addr, Duration: harness.Limit, Timeout: 20 * time.Second,
		Groups: []strict.Group{{Mode: strict.Short, Clients: 6, Target: target, ThinkMax: 5 * time.Millisecond}},
	})
	reloads(ctx, t, s, run)
	judge(t, run.Stop(), false)
}
