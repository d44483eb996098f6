package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"golang.org/x/sys/unix"

	"github.com/tandem-go/tandem/internal/budget"
	"github.com/tandem-go/tandem/internal/config"
	"github.com/tandem-go/tandem/internal/control"
	"github.com/tandem-go/tandem/internal/forecast"
	"github.com/tandem-go/tandem/internal/printable"
	"github.com/tandem-go/tandem/internal/socket"
)

// factTimeout bounds each question that a forecast asks of another process.
const factTimeout = 2 * time.Second

// facts finds out what a forecast needs. It changes nothing, and what cannot be found out
// is left out.
func (p *program) facts(l *config.Loaded, limits budget.Limits, workers int, c budget.Connections) forecast.Facts {
	f := forecast.Facts{
		Workers: workers, WorkersFrom: l.Origins["workers"].String(), Surge: int(l.Surge), Limits: limits, Connections: c,
		Files: files(l.Rlimit), MaxMemory: int64(l.MaxMemory),
		LameDuck: time.Duration(l.LameDuck), GracefulTimeout: time.Duration(l.GracefulTimeout),
		Database: database(l.WorkerEnv()),
	}
	if l.Workers == 0 {
		f.WorkersFrom = "auto"
	}
	managed := slices.ContainsFunc(p.environ, func(kv string) bool { return strings.HasPrefix(kv, "INVOCATION_ID=") })
	if managed {
		f.Unit, f.StopTimeout = stopTimeout()
	}
	// Without the unit's RUNTIME_DIRECTORY this is another path than the running service's, which
	// then is not found, and is the process that has the addresses.
	f.Running = answers(string(l.Control))
	if f.Running != "" {
		return f // it has its places already
	}
	if socket.CountActivated(p.environ) == 0 && !managed { // else systemd may hold the socket, and pass it to the service alone
		for _, a := range l.Bind {
			if why := unavailable(a); why != "" {
				f.Problems = append(f.Problems, fmt.Sprintf("--bind %s: %s", a, why))
			}
		}
	}
	if a, err := socket.Parse(string(l.Admin)); err == nil { // not off; nobody passes or keeps this one
		if why := unavailable(a); why != "" {
			f.Problems = append(f.Problems, fmt.Sprintf("--admin %s: %s", a, why))
		}
	}
	if l.Control != config.Off {
		if why := unwritable(filepath.Dir(string(l.Control)), 1); why != "" {
			f.Problems = append(f.Problems, "--control: "+why+", so it would run without its socket, and no command would find it: make the directory, or name another")
		}
	}
	if l.StateDir != config.Off {
		if why := unwritable(string(l.StateDir), 100); why != "" {
			f.Problems = append(f.Problems, "--state-dir: "+why+", so what is to outlive it would be kept in memory: make the directory, or name another")
		}
	}
	return f
}

// files is the number of descriptors that a worker in Go has: its runtime raises the
// limit to the hard one.
func files(limits config.Rlimits) uint64 {
	for _, l := range limits {
		if l.Resource == unix.RLIMIT_NOFILE {
			return l.Hard
		}
	}
	var now unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &now) != nil {
		return 0
	}
	return now.Max
}

// answers gives the control socket if a supervisor is behind it.
func answers(path string) string {
	if path == config.Off {
		return ""
	}
	ctx, cancel := context.WithTimeout(context.Background(), factTimeout)
	defer cancel()
	if _, err := control.NewClient(path).Status(ctx); err != nil {
		return ""
	}
	return path
}

// unavailable says why an address cannot be listened on; "" if it can. One of TCP it binds,
// and does not listen, so that no client is met.
func unavailable(a socket.Addr) string {
	switch a.Network {
	case "unix":
		return unavailablePath(a.Address)
	case "fd": // whoever starts the service passes it, and that need not be who checks
		return ""
	}
	addr, err := net.ResolveTCPAddr("tcp", a.Address)
	if err != nil {
		return fmt.Sprintf("its host name could not be looked up (%s): give an IP address, or none for every address", reason(err))
	}
	if addr.Port == 0 {
		return ""
	}
	family, sa := unix.AF_INET6, unix.Sockaddr(nil)
	if ip := addr.IP.To4(); ip != nil {
		family, sa = unix.AF_INET, &unix.SockaddrInet4{Port: addr.Port, Addr: [4]byte(ip)}
	} else {
		six := &unix.SockaddrInet6{Port: addr.Port}
		copy(six.Addr[:], addr.IP.To16())
		sa = six
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return ""
	}
	defer unix.Close(fd)
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1) != nil {
		return ""
	}
	switch err := unix.Bind(fd, sa); {
	case errors.Is(err, unix.EADDRINUSE):
		return "another process listens there: stop it, or choose another port (if it is this very service, or systemd for it, all is well)"
	case errors.Is(err, unix.EACCES):
		return "a port below 1024 takes root or CAP_NET_BIND_SERVICE (systemd: AmbientCapabilities=, or a socket unit), or a higher port"
	case errors.Is(err, unix.EADDRNOTAVAIL):
		return "no interface of this machine has that address"
	}
	return ""
}

// unavailablePath is unavailable of a unix socket. It looks for who listens there as the
// supervisor does when it starts: it connects, and says nothing.
func unavailablePath(path string) string {
	if !strings.HasPrefix(path, "@") {
		if why := unwritable(filepath.Dir(path), 0); why != "" {
			return why + ": make the directory, or choose another path"
		}
		if st, err := os.Lstat(path); err == nil && st.Mode()&os.ModeSocket == 0 {
			return "what is there is not a socket, and is left alone: remove it, or choose another path"
		}
	}
	conn, err := net.DialTimeout("unix", path, factTimeout)
	if err != nil {
		return ""
	}
	conn.Close()
	return "another process listens there: stop it, or choose another path (if it is this very service, all is well)"
}

// unwritable says why a directory cannot be written to, or made with at most so many
// above it; "" if it can.
func unwritable(dir string, missing int) string {
	at := dir
	for ; ; missing-- {
		err := unix.Access(at+"/.", unix.W_OK|unix.X_OK) // of a file it is: not a directory
		switch {
		case err == nil:
			return ""
		case !errors.Is(err, unix.ENOENT) || at == filepath.Dir(at) || missing == 0:
			return fmt.Sprintf("%s cannot be written to (%v)", at, err)
		}
		at = filepath.Dir(at)
	}
}

// stopTimeout asks systemd what it gives the unit that this runs in for a stop.
func stopTimeout() (unit string, d time.Duration) {
	b, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return "", 0
	}
	for line := range bytes.Lines(b) {
		if name := path.Base(strings.TrimSpace(string(line))); strings.HasSuffix(name, ".service") {
			unit = name
		}
	}
	if unit == "" {
		return "", 0
	}
	ctx, cancel := context.WithTimeout(context.Background(), factTimeout)
	defer cancel()
	out, err := exec.CommandContext(ctx, "systemctl", "show", "--property=TimeoutStopUSec", "--value", "--", unit).Output()
	if err != nil {
		return "", 0
	}
	// "1min 30s" is Go's form but for the names and the spaces; infinity is none of them.
	text := strings.NewReplacer(" ", "", "min", "m").Replace(strings.TrimSpace(string(out)))
	if d, err = time.ParseDuration(text); err != nil {
		return "", 0
	}
	return unit, d
}

// database asks the PostgreSQL server that the workers' environment names how many
// connections it admits for that user and database. What the URL leaves out, such as PGPASSWORD
// or the user of the system, is this process's own, and the workers may have another.
func database(env []string) *forecast.Database {
	text, from := "", ""
	for _, key := range []string{"DATABASE_URL", "APP_DATABASE_URL"} { // the last one counts
		for _, kv := range env {
			if value, ok := strings.CutPrefix(kv, key+"="); ok && (strings.HasPrefix(value, "postgres://") || strings.HasPrefix(value, "postgresql://")) {
				text, from = value, key
			}
		}
	}
	if text == "" {
		return nil
	}
	d := &forecast.Database{From: from, Where: "PostgreSQL"}
	if u, err := url.Parse(text); err == nil {
		d.Where = u.Host + u.Path // neither user nor password
	}
	ctx, cancel := context.WithTimeout(context.Background(), factTimeout)
	defer cancel()
	var err error
	if d.Limit, err = serverLimit(ctx, text); err != nil {
		d.Why = strings.ReplaceAll(printable.Line(reason(err)), text, d.Where)
	}
	return d
}

// reason is an error without what the driver puts before it, which repeats the URL.
func reason(err error) string {
	var refused *pgconn.PgError
	var parse *pgconn.ParseConfigError
	var name *net.DNSError
	var errno syscall.Errno
	switch {
	case errors.As(err, &refused):
		return refused.Message
	case errors.As(err, &parse):
		return "its URL cannot be read"
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Sprintf("no answer within %s", factTimeout)
	case errors.As(err, &name):
		return name.Err
	case errors.As(err, &errno):
		return errno.Error()
	}
	first, _, _ := strings.Cut(err.Error(), "\n")
	return first
}

// serverLimit is orm's DB.ServerLimit, without a pool.
func serverLimit(ctx context.Context, url string) (int, error) {
	conn, err := pgconn.Connect(ctx, url)
	if err != nil {
		return 0, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	const text = `SELECT least(
	current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
		- coalesce(current_setting('reserved_connections', true)::int, 0),
	(SELECT nullif(rolconnlimit, -1) FROM pg_roles WHERE rolname = session_user),
	(SELECT nullif(datconnlimit, -1) FROM pg_database WHERE datname = current_database()))`
	results, err := conn.Exec(ctx, text).ReadAll()
	if err != nil {
		return 0, err
	}
	if len(results) != 1 || len(results[0].Rows) != 1 {
		return 0, errors.New("it did not say")
	}
	return strconv.Atoi(string(results[0].Rows[0][0]))
}
