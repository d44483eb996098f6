package certs

import (
	"crypto/tls"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/tandem-go/tandem/internal/certs/certtest"
	"github.com/tandem-go/tandem/internal/logtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// records are the lines of a log, each asked for once.
type records struct{ *logtest.Log }

// want checks that since the last call one record was logged for each of lines,
// with all words of it in their order, and none besides.
func (r records) want(t *testing.T, lines ...string) {
	t.Helper()
	text := r.Take()
	got := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if text == "" {
		got = nil
	}
	if len(got) != len(lines) {
		t.Fatalf("logged %d lines, want %d:\n%s", len(got), len(lines), text)
	}
	for i, line := range lines {
		rest := got[i]
		for part := range strings.SplitSeq(line, " … ") {
			_, after, ok := strings.Cut(rest, part)
			if !ok {
				t.Errorf("logged %q\nwant %q", got[i], line)
				break
			}
			rest = after
		}
	}
}

// open makes a store, and gives its log.
func open(t *testing.T, o Options) (*Store, records) {
	t.Helper()
	log, said := logtest.New()
	o.Log = log
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return s, records{said}
}

// at is a connection whose server side has that address.
type at struct {
	net.Conn
	local net.Addr
}

func (c at) LocalAddr() net.Addr { return c.local }

// session is how a connection came out.
type session struct {
	client, server tls.ConnectionState
	clientErr      error // of handshake or first read
	serverErr      error // of the handshake
}

// connect shakes hands, and reads one byte of the server's.
func connect(t *testing.T, server, client *tls.Config, local ...net.Addr) (s session) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	inner, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if len(local) > 0 {
		inner = at{inner, local[0]}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer inner.Close()
		conn := tls.Server(inner, server)
		if s.serverErr = conn.Handshake(); s.serverErr == nil {
			s.server = conn.ConnectionState()
			_, _ = conn.Write([]byte{1})
		}
	}()
	conn := tls.Client(c, client)
	if _, s.clientErr = io.ReadFull(conn, make([]byte, 1)); s.clientErr == nil {
		s.client = conn.ConnectionState()
	}
	_ = c.Close()
	<-done
	return s
}

// serial gives that of the certificate that the server has shown.
func (s session) serial(t *testing.T) string {
	t.Helper()
	if s.clientErr != nil {
		t.Fatal(s.clientErr, s.serverErr)
	}
	return serial(s.client.PeerCertificates[0])
}

// files is a pair in a directory of its own, whose first certificate is for a.example.
type files struct {
	Pair
	ca   *certtest.Authority
	dir  string
	leaf *certtest.Issued
}

func newFiles(t *testing.T, l certtest.Leaf) *files {
	t.Helper()
	f := &files{ca: certtest.New(t, "authority of a test"), dir: t.TempDir()}
	if l.Names == nil {
		l.Names = []string{"a.example"}
	}
	f.leaf = f.ca.Issue(t, l)
	f.Cert, f.Key = f.leaf.Write(t, f.dir)
	return f
}

// client trusts the authority.
func (f *files) client() *tls.Config {
	return &tls.Config{RootCAs: f.ca.Pool(), ServerName: "a.example"}
}

// serves checks which certificate a new connection sees.
func (f *files) serves(t *testing.T, s *Store, want *certtest.Issued) {
	t.Helper()
	if got := connect(t, s.Config(nil), f.client()).serial(t); got != serial(want.Cert) {
		t.Errorf("serves the certificate %s, want %s", got, serial(want.Cert))
	}
}

func put(t *testing.T, dir, name, content string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
