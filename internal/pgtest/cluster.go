package pgtest

import (
	"bufio"
	"context"
	"crypto/rand"
	_ "embed"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// ErrMissing says that PostgreSQL's programs are not installed.
var ErrMissing = errors.New("postgresql is not installed (apt-get install postgresql)")

// Names of the roles. Tests are no superuser, as no application should be: a pool
// that takes every connection leaves the ones that are reserved for the admin.
const (
	admin  = "postgres"
	tester = "tester"
)

// base is the configuration of every cluster. What is stored need not outlive
// the machine.
const base = `
unix_socket_permissions = 0700
fsync = off
synchronous_commit = off
full_page_writes = off
wal_level = minimal
max_wal_senders = 0
autovacuum = off
shared_buffers = 32MB
timezone = UTC
`

const (
	initialise = "initdb --auth-local=trust --auth-host=scram-sha-256 --username=" + admin + " --encoding=UTF8 --locale=C.UTF-8 --no-sync --no-instructions"
	keep       = initialise + " && cp -a data initial"
	start      = "pg_ctl start --wait --silent --timeout=60 --log=log"
	stop       = "pg_ctl stop --wait --silent --timeout=60 --mode="
)

const loopback = "127.0.0.1"

// patience bounds one order: pg_ctl's own bound comes before it.
const patience = 2 * time.Minute

//go:embed keeper.sh
var keeper string

// Cluster is a PostgreSQL server with its data, for a program that has no
// [testing.TB]. It is safe for concurrent use. It ends with Close, or with the
// process, however that ends.
type Cluster struct {
	dir     string // the data, the socket, the log
	tcp     bool   // its databases' URLs are of the loopback address, not of the socket
	port    int
	secret  string // the tests' password, for TCP
	keeper  *exec.Cmd
	orders  *os.File // their end is the cluster's
	answers *os.File
	reader  *bufio.Reader
	mu      sync.Mutex // one order at a time
	made    atomic.Int64
	freeMu  sync.Mutex
	free    []string // databases that were given back, empty
}

// New makes a cluster and starts its server; the settings are lines of
// postgresql.conf, such as "max_connections = 20". It listens on a Unix socket in a
// directory of its own. The error is [ErrMissing] where PostgreSQL is not
// installed. When the process runs as root, the server runs as the user postgres,
// or nobody: it refuses to be root.
func New(settings ...string) (*Cluster, error) { return launch(initialise, false, settings) }

// launch is New, with the command that makes the data, and with where to listen.
func launch(fill string, tcp bool, settings []string) (*Cluster, error) {
	programs, err := find()
	if err != nil {
		return nil, err
	}
	port := 5432 // in the name of the socket
	if tcp {
		if port, err = freePort(); err != nil {
			return nil, err
		}
	}
	dir, err := os.MkdirTemp("", "pgtest")
	if err != nil {
		return nil, fmt.Errorf("make a directory for PostgreSQL: %w", err)
	}
	c := &Cluster{dir: dir, tcp: tcp, port: port, secret: rand.Text()}
	if err := c.open(programs); err != nil {
		return nil, errors.Join(fmt.Errorf("start the keeper of PostgreSQL in %s: %w", dir, err), os.RemoveAll(dir))
	}
	if err := c.begin(fill, settings); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// freePort is a port that nobody listens on, below those that the kernel gives away
// by itself: it stays free while the server is stopped.
func freePort() (int, error) {
	for range 100 {
		port := 20000 + mathrand.IntN(10000)
		l, err := net.Listen("tcp", net.JoinHostPort(loopback, strconv.Itoa(port)))
		if err == nil {
			return port, l.Close()
		}
	}
	return 0, errors.New("no free port for PostgreSQL on " + loopback)
}

// find gives the directory of the programs: that of PATH, else Debian's newest.
func find() (string, error) {
	if path, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(path), nil
	}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil {
		return "", err
	}
	newest, dir := 0, ""
	for _, path := range found {
		bin := filepath.Dir(path)
		if version, err := strconv.Atoi(filepath.Base(filepath.Dir(bin))); err == nil && version > newest {
			newest, dir = version, bin
		}
	}
	if dir == "" {
		return "", ErrMissing
	}
	return dir, nil
}

// open starts the keeper, as a user that PostgreSQL accepts. It has a process
// group of its own: Ctrl-C is for the tests, and the keeper's turn comes after.
func (c *Cluster) open(programs string) error {
	theirIn, orders, err := os.Pipe()
	if err != nil {
		return err
	}
	defer theirIn.Close()
	c.orders = orders
	answers, theirOut, err := os.Pipe()
	if err != nil {
		_ = orders.Close()
		return err
	}
	defer theirOut.Close()
	c.answers, c.reader = answers, bufio.NewReader(answers)

	c.keeper = exec.Command("/bin/sh", "-c", keeper)
	c.keeper.Dir = c.dir
	c.keeper.Env = []string{"PATH=" + programs + ":/usr/bin:/bin", "PGDATA=" + filepath.Join(c.dir, "data"), "LC_ALL=C.UTF-8"}
	c.keeper.Stdin, c.keeper.Stdout = theirIn, theirOut
	c.keeper.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if os.Geteuid() == 0 {
		c.keeper.SysProcAttr.Credential, err = unprivileged()
		if err == nil {
			err = os.Chown(c.dir, int(c.keeper.SysProcAttr.Credential.Uid), int(c.keeper.SysProcAttr.Credential.Gid))
		}
	}
	if err == nil {
		err = c.keeper.Start()
	}
	if err != nil {
		return errors.Join(err, orders.Close(), answers.Close())
	}
	return nil
}

// unprivileged is who the server runs as where the tests run as root.
func unprivileged() (*syscall.Credential, error) {
	u, err := user.Lookup("postgres")
	if err != nil {
		u, err = user.Lookup("nobody")
	}
	if err != nil {
		return nil, fmt.Errorf("PostgreSQL refuses to run as root, and there is no user postgres or nobody: %w", err)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

// begin makes the data, starts the server and makes the tests' role.
func (c *Cluster) begin(fill string, settings []string) error {
	if err := c.order(fill); err != nil {
		return err
	}
	listen := ""
	if c.tcp {
		listen = loopback
	}
	own := fmt.Sprintf("%sunix_socket_directories = '%s'\nlisten_addresses = '%s'\nport = %d", base, c.dir, listen, c.port)
	if err := c.Configure(append([]string{own}, settings...)...); err != nil {
		return err
	}
	if err := c.Start(); err != nil {
		return err
	}
	return c.asAdmin("postgres", func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "CREATE ROLE "+tester+" LOGIN PASSWORD '"+c.secret+"'")
		return err
	})
}

// order has the keeper run a command, and returns when that has ended.
func (c *Cluster) order(command string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.answers.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return fmt.Errorf("%s: %w", command, err)
	}
	if _, err := fmt.Fprintln(c.orders, command); err != nil {
		return fmt.Errorf("%s: the keeper of PostgreSQL is gone: %w", command, err)
	}
	answer, err := c.reader.ReadString('\n')
	if err != nil {
		return fmt.Errorf("%s: no answer from the keeper of PostgreSQL: %w", command, err)
	}
	if status := strings.TrimSpace(answer); status != "0" {
		return fmt.Errorf("%s: exit status %s\n%s", command, status, c.lastWords())
	}
	return nil
}

// lastWords is the end of the server's log.
func (c *Cluster) lastWords() string {
	b, err := os.ReadFile(filepath.Join(c.dir, "log"))
	if err != nil {
		return err.Error()
	}
	return string(b[max(0, len(b)-2000):])
}

// Start starts the server that Stop has stopped, and returns when it accepts
// connections.
func (c *Cluster) Start() error { return c.order(start) }

// Stop ends the server and all its connections, and returns when it has gone. The
// databases stay.
func (c *Cluster) Stop() error { return c.order(stop + "fast") }

// Configure adds lines to postgresql.conf; the last one of a name counts. The
// server heeds them from its next start on.
func (c *Cluster) Configure(settings ...string) error {
	f, err := os.OpenFile(filepath.Join(c.dir, "data", "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("configure PostgreSQL: %w", err)
	}
	_, err = f.WriteString(strings.Join(settings, "\n") + "\n")
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("configure PostgreSQL: %w", err)
	}
	return nil
}

// Close ends the server and removes its data. A second one is an error.
func (c *Cluster) Close() error {
	err := c.orders.Close()
	return errors.Join(err, c.keeper.Wait(), c.answers.Close())
}
