// Package proxies runs the real nginx and HAProxy, with the configurations of
// deploy/proxies, in front of the real supervisor and application. It is the
// proof of docs/proxies.md.
//
// Where a program is not installed its test is skipped with the name of the
// package, but in CI (the variable CI is set) it fails.
package proxies

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tandem-go/tandem/test/harness"
)

var bin string

func TestMain(m *testing.M) { os.Exit(buildAndRun(m)) }

func buildAndRun(m *testing.M) int {
	var err error
	if bin, err = os.MkdirTemp("", "tandem-proxies"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(bin)
	build := exec.Command("go", "build", "-o", bin, "github.com/tandem-go/tandem/cmd/supervisor", "github.com/tandem-go/tandem/cmd/app")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building the programs under test: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// The client's address is another than the proxy's, and both are this machine's.
const (
	proxyIP  = "127.0.0.1"
	clientIP = "127.0.0.2"
)

// app is the application with two workers, on TCP and on a unix socket.
func app(ctx context.Context, t *testing.T, env ...string) (s *harness.Supervisor, socket string) {
	t.Helper()
	dir := t.TempDir()
	socket = filepath.Join(dir, "app.sock")
	s, _ = harness.Serve(ctx, t, 2, harness.Config{
		Bin: bin, Dir: dir,
		Args: []string{"--workers", "2", "--bake", "200ms", "--log-overflow", "block", "--log-format", "json", "--bind", "unix:" + socket},
		Env:  append(env, "APP_ACCESS_LOG=json"),
	})
	return s, socket
}

// output is what a program says.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// front is a proxy that runs, and where it listens.
type front struct {
	plain  string // HTTP
	secure string // HTTPS; "": it has none
	said   *output
	ended  chan struct{} // closed when it has
}

func newFront(t *testing.T) front {
	t.Helper()
	return front{plain: freeAddr(t), secure: freeAddr(t), said: new(output), ended: make(chan struct{})}
}

func freeAddr(t *testing.T) string {
	t.Helper()
	port, err := harness.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%s:%d", proxyIP, port)
}

// changed is a configuration of deploy/proxies with other values: what is to be
// changed must be there.
func changed(t *testing.T, name string, changes map[string]string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../deploy/proxies", name))
	if err != nil {
		t.Fatal(err)
	}
	for was, is := range changes {
		if !strings.Contains(string(text), was) {
			t.Fatalf("%s has no %q", name, was)
		}
		text = []byte(strings.ReplaceAll(string(text), was, is))
	}
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, text, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// run runs a proxy until the test ends.
func (f front) run(t *testing.T, program string, args ...string) {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Stdout, cmd.Stderr = f.said, f.said
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // for its workers
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(f.ended)
		_ = cmd.Wait() // it is killed, or has said why it ended
	}()
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		<-f.ended
		if t.Failed() {
			t.Logf("%s said:\n%s", program, f.said)
		}
	})
}

// site makes a key and a certificate for the proxy: both files, and one with both.
func site(t *testing.T) (cert, key, both string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.ParseIP(proxyIP)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
	dir := t.TempDir()
	cert, key, both = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"), filepath.Join(dir, "site.pem")
	for path, text := range map[string][]byte{cert: certPEM, key: keyPEM, both: append(certPEM, keyPEM...)} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key, both
}

func needsNginx(t *testing.T) {
	t.Helper()
	harness.Needs(t, "nginx-light", "nginx", "-v")
	harness.Needs(t, "libnginx-mod-stream", "test", "-e", "/usr/lib/nginx/modules/ngx_stream_module.so")
}

func needsHAProxy(t *testing.T) {
	t.Helper()
	harness.Needs(t, "haproxy", "haproxy", "-v")
}

// runNginx runs nginx in the foreground, in a directory of its own. Where it is
// root its workers are too: they must reach the socket.
func (f front) runNginx(t *testing.T, dir, config string) {
	t.Helper()
	main := fmt.Sprintf("daemon off; pid %s/nginx.pid; error_log stderr warn;", dir)
	if os.Geteuid() == 0 {
		main += " user root;"
	}
	f.run(t, "nginx", "-c", config, "-g", main)
}

// nginx in front of an upstream, which is what the configuration's server line has.
func nginx(t *testing.T, upstream string) front {
	t.Helper()
	f, dir := newFront(t), t.TempDir()
	cert, key, _ := site(t)
	f.runNginx(t, dir, changed(t, "nginx.conf", map[string]string{
		"listen 80;": "listen " + f.plain + ";", "listen 443 ": "listen " + f.secure + " ",
		"/etc/ssl/tandem/cert.pem": cert, "/etc/ssl/tandem/key.pem": key,
		"server 127.0.0.1:8000;": "server " + upstream + ";",
		"http {": fmt.Sprintf("http {\n\taccess_log off;\n\tclient_body_temp_path %[1]s; proxy_temp_path %[1]s; fastcgi_temp_path %[1]s;"+
			" uwsgi_temp_path %[1]s; scgi_temp_path %[1]s;", dir),
	}))
	return f
}

// nginxStream passes connections on with a PROXY header of version 1.
func nginxStream(t *testing.T, upstream string) front {
	t.Helper()
	f := newFront(t)
	f.runNginx(t, t.TempDir(), changed(t, "nginx-stream.conf", map[string]string{
		"listen 443;": "listen " + f.plain + ";", "server 127.0.0.1:8000;": "server " + upstream + ";",
	}))
	return f
}

// haproxy in front of an upstream, with what follows the address on its line.
func haproxy(t *testing.T, upstream string) front {
	t.Helper()
	f := newFront(t)
	_, _, both := site(t)
	f.run(t, "haproxy", "-db", "-f", changed(t, "haproxy.cfg", map[string]string{
		"bind :80\n": "bind " + f.plain + "\n", "bind :443 ": "bind " + f.secure + " ", "/etc/ssl/tandem/site.pem": both,
		"\tserver app 127.0.0.1:8000 check\n": "\tserver app " + upstream + "\n",
	}))
	return f
}

// haproxyTCP passes connections on with a PROXY header of version 2.
func haproxyTCP(t *testing.T, upstream string) front {
	return haproxyTo(t, "\tserver app 127.0.0.1:8000 ", "\tserver app "+upstream+" ")
}

// haproxyTLS has TLS end in the application.
func haproxyTLS(t *testing.T, upstream string) front {
	return haproxyTo(t, "\t# server app 127.0.0.1:8000 check check-ssl ", "\tdefault-server disabled\n\tserver tls "+upstream+" enabled check check-ssl ")
}

// haproxyTo changes a server's line of haproxy-tcp.cfg.
func haproxyTo(t *testing.T, line, changedTo string) front {
	t.Helper()
	f := newFront(t)
	f.run(t, "haproxy", "-db", "-f", changed(t, "haproxy-tcp.cfg", map[string]string{"bind :443\n": "bind " + f.plain + "\n", line: changedTo}))
	return f
}
