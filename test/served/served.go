// Package served runs an application as a worker in a process of its own beside
// its test: what is on the wire is then a worker's, and its memory nobody else's.
// The process is the test binary again.
//
//	func TestMain(m *testing.M) { served.Main(m) }
//
//	s := served.Start(t, served.TLS)
//	c := s.Dial(t)
package served

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

// patience bounds all that a test waits for on one connection.
const patience = time.Minute

// Mode is what a server speaks.
type Mode string

// The modes. All of them speak HTTP/1.1.
const (
	Clear Mode = "clear" // and HTTP/2 by prior knowledge
	TLS   Mode = "tls"   // and HTTP/2 by ALPN
	Unix  Mode = "unix"  // as Clear, on a Unix socket
)

// Main is the TestMain of who uses the package: it serves in the process that
// Start makes, and looks for forgotten goroutines in the other one.
func Main(m *testing.M) {
	if mode := os.Getenv(modeVariable); mode != "" {
		if err := serve(Mode(mode)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// Server is a listening socket and a worker that serves it.
type Server struct {
	Mode Mode
	Addr string // host:port, or a path
	Cert string // the file of the certificate, in PEM; "": no TLS

	listener *os.File
	roots    *x509.CertPool
	process  *process
}

// process is a worker.
type process struct {
	cmd    *exec.Cmd
	exited chan struct{}
	said   strings.Builder // to stderr; read after exited
}

// Start starts a worker, waits until it serves, and ends it with the test.
func Start(t testing.TB, mode Mode) *Server {
	t.Helper()
	s := &Server{Mode: mode}
	network, address := "tcp", "127.0.0.1:0"
	if mode == Unix {
		network, address = "unix", filepath.Join(t.TempDir(), "s")
	}
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	s.Addr = l.Addr().String()
	if unix, ok := l.(*net.UnixListener); ok {
		unix.SetUnlinkOnClose(false)
	}
	s.listener, err = twin(l.(syscall.Conn))
	if err := errors.Join(err, l.Close()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.listener.Close() })
	if mode == TLS {
		s.Cert = filepath.Join(t.TempDir(), "cert.pem")
		if s.roots, err = selfSigned(s.Cert); err != nil {
			t.Fatal("make a certificate: ", err)
		}
	}
	s.process = s.start(t)
	return s
}

// twin is a second descriptor of a socket that stays non-blocking: that of its File
// does not, and would hold up each worker in accept.
func twin(socket syscall.Conn) (*os.File, error) {
	raw, err := socket.SyscallConn()
	if err != nil {
		return nil, err
	}
	fd := -1
	bad := raw.Control(func(c uintptr) { fd, err = unix.FcntlInt(c, unix.F_DUPFD_CLOEXEC, 0) })
	if err := errors.Join(bad, err); err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), "listener"), nil
}

func (s *Server) start(t testing.TB) *process {
	t.Helper()
	p := &process{exited: make(chan struct{}), cmd: exec.Command(os.Args[0])}
	p.cmd.Env = append(os.Environ(), modeVariable+"="+string(s.Mode), certVariable+"="+s.Cert,
		"GORACE=atexit_sleep_ms=0", "GOGC=100", "LISTEN_FDS=1", "LISTEN_FDNAMES=http")
	p.cmd.ExtraFiles = []*os.File{s.listener}
	p.cmd.Stderr = &p.said
	out, err := p.cmd.StdoutPipe()
	if err == nil {
		err = p.cmd.Start()
	}
	if err != nil {
		t.Fatalf("start a worker: %v", err)
	}
	lines := bufio.NewReader(out)
	_, err = lines.ReadString('\n')
	go func() {
		defer close(p.exited)
		_, _ = io.Copy(io.Discard, lines)
		_ = p.cmd.Wait() // how it ended is in ProcessState
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.exited
	})
	if err != nil {
		_ = p.cmd.Process.Kill()
		<-p.exited
		t.Fatalf("the worker does not serve: %s", p.said.String())
	}
	return p
}

// Replace starts another worker on the socket and asks the one that served it
// so far to drain. The result waits for that one's end; it must have lost nothing.
func (s *Server) Replace(t testing.TB) (ended func()) {
	t.Helper()
	old := s.process
	s.process = s.start(t)
	old.drain(t)
	return func() { t.Helper(); old.ended(t) }
}

// Drain asks the worker to go. The result waits for its end; it must have lost nothing.
func (s *Server) Drain(t testing.TB) (ended func()) {
	t.Helper()
	s.process.drain(t)
	return func() { t.Helper(); s.process.ended(t) }
}

func (p *process) drain(t testing.TB) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
}

func (p *process) ended(t testing.TB) {
	t.Helper()
	<-p.exited
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("the worker ended with %d: %s", code, p.said.String())
	}
}

// Config is for clients over TLS; protocols are those to offer.
func (s *Server) Config(protocols ...string) *tls.Config {
	return &tls.Config{RootCAs: s.roots, ServerName: "localhost", NextProtos: protocols}
}

// Dial opens a connection, over TLS if the server speaks it, on which everything
// has to be done within a minute. It is closed with the test.
func (s *Server) Dial(t testing.TB, protocols ...string) net.Conn {
	t.Helper()
	c, err := s.Connect(protocols...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// Connect is Dial for who is not the test's goroutine. The caller closes it.
func (s *Server) Connect(protocols ...string) (net.Conn, error) {
	network := "tcp"
	if s.Mode == Unix {
		network = "unix"
	}
	c, err := net.DialTimeout(network, s.Addr, patience)
	if err != nil {
		return nil, err
	}
	_ = c.SetDeadline(time.Now().Add(patience))
	if s.Mode != TLS {
		return c, nil
	}
	over := tls.Client(c, s.Config(protocols...))
	if err := over.Handshake(); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	if got := over.ConnectionState().NegotiatedProtocol; len(protocols) > 0 && !slices.Contains(protocols, got) {
		_ = c.Close()
		return nil, fmt.Errorf("the server chose %q of %q", got, protocols)
	}
	return over, nil
}

// Resident is the memory of the worker's process, in bytes.
func (s *Server) Resident(t testing.TB) int64 {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.process.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	var kib int64
	_, rest, ok := strings.Cut(string(b), "VmRSS:")
	if _, err := fmt.Sscan(rest, &kib); !ok || err != nil {
		t.Fatalf("VmRSS in /proc: %v", err)
	}
	return kib << 10
}
