package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/tandem-go/tandem/test/harness"
)

// service is one server under measurement.
type service struct {
	name   string
	addr   string
	pid    int                             // of the process that was started
	h2c    bool                            // it speaks HTTP/2 by prior knowledge
	reload func(ctx context.Context) error // nil: it cannot
	close  func() error
}

// notInstalled is why a rival is missing from a table.
type notInstalled struct{ what, packages string }

func (e *notInstalled) Error() string {
	return fmt.Sprintf("%s is not installed (Debian: %s)", e.what, e.packages)
}

// python is Debian's: its packages are that one's.
const python = "/usr/bin/python3"

func plural(n int, noun string) string {
	if n == 1 {
		return noun
	}
	return noun + "s"
}

// tandem starts bin/supervisor with n workers of app.
func tandem(ctx context.Context, o options, n int, args ...string) (*harness.Supervisor, *service, error) {
	return tandemWith(ctx, o, n, nil, args...)
}

// tandemWith is tandem with more in the environment.
func tandemWith(ctx context.Context, o options, n int, env []string, args ...string) (*harness.Supervisor, *service, error) {
	s, err := harness.Start(harness.Config{Bin: o.bin, Env: env, Args: append([]string{"--workers", strconv.Itoa(n)}, args...)})
	if err != nil {
		return nil, nil, err
	}
	ready, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if _, err := s.Ready(ready, n); err != nil {
		_ = s.Close()
		return nil, nil, err
	}
	return s, &service{
		name: fmt.Sprintf("Tandem, %d %s", n, plural(n, "worker")), addr: s.Addr, close: s.Close,
		reload: func(ctx context.Context) error {
			res, err := s.Run(ctx, "reload", "--wait")
			if err == nil && res.Code != 0 {
				err = fmt.Errorf("reload: exit %d: %s", res.Code, res.Stderr)
			}
			return err
		},
	}, nil
}

// command starts a rival in a process group of its own and waits until it
// answers at /modern/.
func command(ctx context.Context, name, dir string, env []string, line func(addr string) []string) (*service, *exec.Cmd, error) {
	port, err := harness.FreePort()
	if err != nil {
		return nil, nil, err
	}
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	args := line(addr)
	cmd := exec.Command(args[0], args[1:]...)
	var said bytes.Buffer
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &said, &said
	cmd.Env = append(harness.Environ(), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = 2 * time.Second
	if err := cmd.Start(); err != nil {
		return nil, nil, fmt.Errorf("starting %s: %w", name, err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	s := &service{name: name, addr: addr, pid: cmd.Process.Pid, close: sync.OnceValue(func() error {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(5 * time.Second):
		}
		// Whatever of its own group is left.
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		<-ended
		return nil
	})}
	up, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	err = harness.Poll(up, name+" to answer", func() bool {
		resp, err := http.Get("http://" + addr + "/modern/")
		if err != nil {
			return false
		}
		_ = resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
	if err != nil {
		_ = s.close()
		return nil, nil, fmt.Errorf("%w; it said: %s", err, said.String())
	}
	return s, cmd, nil
}

func twin(ctx context.Context, kind, name string) (*service, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	s, _, err := command(ctx, name, "", nil, func(addr string) []string { return []string{self, rivalCommand, kind, addr} })
	return s, err
}

const asgiApp = `
async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    more = True
    while more:
        more = (await receive()).get("more_body", False)
    if scope["path"] == "/modern/":
        body = b'{"hello":"async"}'
    else:
        body = scope["query_string"]
    await send({"type": "http.response.start", "status": 200, "headers": [
        (b"content-type", b"application/json"), (b"x-elapsed-ms", b"0.001"),
        (b"content-length", str(len(body)).encode())]})
    await send({"type": "http.response.body", "body": body})
`

// bareASGI starts gunicorn with a bare ASGI application.
func bareASGI(ctx context.Context, o options) (*service, error) {
	return gunicorn(ctx, o, "bare ASGI", workers, "bare:app", asgiApp)
}

// gunicorn starts gunicorn with n uvicorn workers, and an application: MODULE:NAME
// of the given source, with what it needs of the environment.
func gunicorn(ctx context.Context, o options, what string, n int, app, source string, env ...string) (*service, error) {
	path, ok := installed("gunicorn")
	if !ok || exec.CommandContext(ctx, python, "-c", "import uvicorn.workers").Run() != nil {
		return nil, &notInstalled{"gunicorn with uvicorn", "gunicorn, python3-uvicorn"}
	}
	dir, err := os.MkdirTemp(o.tempDir, "gunicorn")
	if err != nil {
		return nil, err
	}
	module, _, _ := strings.Cut(app, ":")
	if err := os.WriteFile(filepath.Join(dir, module+".py"), []byte(source), 0o644); err != nil {
		return nil, err
	}
	name := fmt.Sprintf("gunicorn, %d uvicorn %s, %s", n, plural(n, "worker"), what)
	s, cmd, err := command(ctx, name, dir, append(env, "PYTHONDONTWRITEBYTECODE=1"), func(addr string) []string {
		return []string{path, "--bind", addr, "--workers", strconv.Itoa(n), "--worker-class", "uvicorn.workers.UvicornWorker", "--log-level", "warning", "--chdir", dir, app}
	})
	if err != nil {
		return nil, err
	}
	s.reload = func(context.Context) error { return cmd.Process.Signal(syscall.SIGHUP) }
	return s, nil
}

const nginxConfig = `
daemon off; master_process on; worker_processes %d; pid %s/nginx.pid; error_log stderr error;
events { worker_connections 1024; }
http {
  access_log off; keepalive_timeout 75s; keepalive_requests 1000000000;
  client_body_temp_path %[2]s/body; proxy_temp_path %[2]s/proxy; fastcgi_temp_path %[2]s/fastcgi;
  uwsgi_temp_path %[2]s/uwsgi; scgi_temp_path %[2]s/scgi;
  server {
    listen %s backlog=4096;
    default_type application/json;
    location /modern/ { add_header X-Elapsed-Ms 0.001; return 200 '{"hello":"async"}'; }
    location /echo/ { return 200 $arg_id; }
  }
}
`

// nginx starts nginx answering from its configuration: no application at all.
func nginx(ctx context.Context, o options) (*service, error) {
	path, ok := installed("nginx")
	if !ok {
		return nil, &notInstalled{"nginx", "nginx-light"}
	}
	dir := filepath.Join(o.tempDir, "nginx")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	conf := filepath.Join(dir, "nginx.conf")
	var writeErr error
	s, cmd, err := command(ctx, fmt.Sprintf("nginx, %d workers, no application", workers), dir, nil, func(addr string) []string {
		writeErr = os.WriteFile(conf, fmt.Appendf(nil, nginxConfig, workers, dir, addr), 0o644)
		return []string{path, "-p", dir, "-c", conf, "-e", "stderr"}
	})
	if err != nil || writeErr != nil {
		return nil, errors.Join(err, writeErr)
	}
	s.reload = func(context.Context) error { return cmd.Process.Signal(syscall.SIGHUP) }
	return s, nil
}

// fiber starts Fiber with its own way to several processes, one for each CPU. It is
// built in a module of its own.
func fiber(ctx context.Context, o options) (*service, error) {
	program := filepath.Join(o.tempDir, "fiber")
	build := exec.CommandContext(ctx, "go", "build", "-o", program, ".")
	build.Dir = filepath.Join("bench", "fiber")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, &notInstalled{"Fiber", fmt.Sprintf("its module, which go build cannot have: %.200s", out)}
	}
	s, _, err := command(ctx, fmt.Sprintf("Fiber, prefork, %d processes", runtime.NumCPU()), "", nil, func(addr string) []string { return []string{program, addr} })
	return s, err
}
