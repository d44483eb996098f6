// Package pgtest is PostgreSQL for tests: a database of its own for each, on a
// server that is started with the first and ends with the test process.
//
// The invariant: nothing outlives the process, even one that is killed, and no
// test sees what another one stored. The server is Debian's package postgresql, or
// whichever initdb is on PATH, from version 14 on. It listens on a Unix socket that
// the tests' user alone can reach; one of [Start] on the loopback address too, with a
// password. Where it is not installed the test is skipped, but in CI (the variable CI
// is set) it fails.
//
//	func TestRows(t *testing.T) {
//		db, err := sql.Open("pgx", pgtest.URL(t))
//
// The first server's start takes about two seconds, a later one's a third of one, a
// database tens of milliseconds.
package pgtest

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
)

// shared is the server of the test process. It keeps its data as they were at
// first: a copy takes a fraction of the time.
var shared = sync.OnceValues(func() (*Cluster, error) { return launch(keep, false, nil) })

// own starts a server with a copy of those data.
func own(settings []string) (*Cluster, error) {
	first, err := shared()
	if err != nil {
		return nil, err
	}
	return launch(fmt.Sprintf("cp -a '%s/initial' data", first.dir), true, settings)
}

// URL gives the test an empty database, on a server that tests share. When the
// test has ended it is emptied for the next one, and connections to it end. Safe for concurrent
// use.
func URL(tb testing.TB) string {
	tb.Helper()
	c, err := shared()
	need(tb, err)
	return database(tb, c)
}

// database makes a database that ends with the test.
func database(tb testing.TB, c *Cluster) string {
	tb.Helper()
	name, url, err := c.Create()
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := c.Release(name); err != nil {
			tb.Error(err)
		}
	})
	return url
}

// need ends a test that has no server: skipped where PostgreSQL is not installed
// and nobody has promised it.
func need(tb testing.TB, err error) {
	tb.Helper()
	switch {
	case err == nil:
	case errors.Is(err, ErrMissing) && os.Getenv("CI") == "":
		tb.Skip(err)
	case errors.Is(err, ErrMissing):
		tb.Fatalf("%v: .ci/run should have done that", err)
	default:
		tb.Fatal(err)
	}
}

// Server is a server of one test's, to be stopped, restarted and configured. What
// fails ends the test.
type Server struct {
	cluster *Cluster
	tb      testing.TB
}

// Start starts a server that ends with the test. The settings are lines of
// postgresql.conf, such as "max_connections = 20". It is reached by TCP and with a
// password, as most are: a connection whose other end has gone is noticed later
// there than on a Unix socket.
func Start(tb testing.TB, settings ...string) *Server {
	tb.Helper()
	c, err := own(settings)
	need(tb, err)
	tb.Cleanup(func() {
		if err := c.Close(); err != nil {
			tb.Error(err)
		}
	})
	return &Server{c, tb}
}

// URL is that of a new, empty database. It stays until the server ends, through
// its restarts.
func (s *Server) URL() string {
	s.tb.Helper()
	_, url, err := s.cluster.Create()
	s.check(err)
	return url
}

// Stop ends the server and its connections; nothing listens when it returns.
func (s *Server) Stop() {
	s.tb.Helper()
	s.check(s.cluster.Stop())
}

// Start starts the server after Stop; it accepts connections when it returns.
func (s *Server) Start() {
	s.tb.Helper()
	s.check(s.cluster.Start())
}

// Restart stops the server, adds the settings to those it has, and starts it.
func (s *Server) Restart(settings ...string) {
	s.tb.Helper()
	s.Stop()
	s.check(s.cluster.Configure(settings...))
	s.Start()
}

// Disconnect ends the backends of all connections to the server, and returns how
// many there were. It returns when they have gone.
func (s *Server) Disconnect() int {
	s.tb.Helper()
	n, err := s.cluster.Disconnect()
	s.check(err)
	return n
}

func (s *Server) check(err error) {
	s.tb.Helper()
	if err != nil {
		s.tb.Fatal(err)
	}
}
