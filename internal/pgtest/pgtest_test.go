package pgtest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) {
	if os.Getenv("PGTEST_CHILD") != "" {
		os.Exit(child())
	}
	goleak.VerifyTestMain(m)
}

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func exec1(t *testing.T, conn *pgx.Conn, text string) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), text); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
}

func TestTwoDatabasesDoNotSeeEachOther(t *testing.T) {
	one, two := connect(t, URL(t)), connect(t, URL(t))
	for _, conn := range []*pgx.Conn{one, two} {
		exec1(t, conn, "CREATE TABLE rows (id int PRIMARY KEY)")
	}
	exec1(t, one, "INSERT INTO rows VALUES (1)")
	var n int
	if err := two.QueryRow(t.Context(), "SELECT count(*) FROM rows").Scan(&n); err != nil || n != 0 {
		t.Errorf("%d rows, %v; want none", n, err)
	}
}

func TestADatabaseIsGoneWithItsTest(t *testing.T) {
	var url string
	var left *pgx.Conn
	t.Run("test", func(t *testing.T) {
		url = URL(t)
		var err error
		if left, err = pgx.Connect(t.Context(), url); err != nil {
			t.Fatal(err)
		}
	})
	defer left.Close(context.Background())
	if err := left.Ping(t.Context()); err == nil {
		t.Error("a connection that was left open outlives the test")
	}
	_, err := pgx.Connect(t.Context(), url)
	if pg := (*pgconn.PgError)(nil); !errors.As(err, &pg) || pg.Code != "3D000" {
		t.Errorf("%v, want that the database does not exist", err)
	}
}

func TestADatabaseThatIsUsedAgainIsEmpty(t *testing.T) {
	own := Start(t).cluster // whose next database is the one that was given back
	const seen = `SELECT count(*), current_setting('work_mem') FROM (
		SELECT oid FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname NOT IN ('information_schema', 'public')
		UNION ALL SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace
		UNION ALL SELECT oid FROM pg_type WHERE typnamespace = 'public'::regnamespace
		UNION ALL SELECT oid FROM pg_proc WHERE pronamespace = 'public'::regnamespace) AS what`
	look := func(url string) (n int, setting string) {
		if err := connect(t, url).QueryRow(t.Context(), seen).Scan(&n, &setting); err != nil {
			t.Fatal(err)
		}
		return n, setting
	}
	name, url, err := own.Create()
	if err != nil {
		t.Fatal(err)
	}
	made := connect(t, url)
	for _, text := range []string{
		"CREATE SCHEMA elsewhere", "CREATE TABLE elsewhere.rows (id serial)", "CREATE TABLE rows (id serial)", "CREATE TYPE mood AS ENUM ('good')",
		"CREATE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 1'", "ALTER DATABASE " + name + " SET work_mem = '65MB'",
	} {
		exec1(t, made, text)
	}
	if n, setting := look(url); n < 6 || setting != "65MB" {
		t.Fatalf("%d things and %s before: the check sees nothing", n, setting)
	}
	if err := own.Release(name); err != nil {
		t.Fatal(err)
	}
	next, url, err := own.Create()
	if err != nil || next == name || own.made.Load() != 2 {
		t.Fatalf("%s after %s, of %d names: %v", next, name, own.made.Load(), err)
	}
	if n, setting := look(url); n != 0 || setting == "65MB" {
		t.Errorf("%d things are left, and work_mem is %s", n, setting)
	}
	exec1(t, connect(t, url), "CREATE TABLE rows (id serial)") // as the tests' role may in a new one
}

func TestTheTestsRoleIsNoSuperuser(t *testing.T) {
	conn := connect(t, URL(t))
	var super string
	if err := conn.QueryRow(t.Context(), "SHOW is_superuser").Scan(&super); err != nil || super != "off" {
		t.Errorf("is_superuser %s, %v", super, err)
	}
	// What libc knows of letters holds, as it does in production.
	var lower string
	if err := conn.QueryRow(t.Context(), "SELECT lower('É')").Scan(&lower); err != nil || lower != "é" {
		t.Errorf("lower('É') is %q, %v", lower, err)
	}
}

func TestAServerOfItsOwn(t *testing.T) {
	s := Start(t, "max_connections = 7")
	url := s.URL()
	conn := connect(t, url)
	shows := func(conn *pgx.Conn, want string) {
		t.Helper()
		var got string
		if err := conn.QueryRow(t.Context(), "SHOW max_connections").Scan(&got); err != nil || got != want {
			t.Errorf("max_connections %s, %v; want %s", got, err, want)
		}
	}
	shows(conn, "7")
	exec1(t, conn, "CREATE TABLE rows (id int PRIMARY KEY)")

	s.Stop()
	if err := conn.Ping(t.Context()); err == nil {
		t.Error("a connection outlives the server")
	}
	if _, err := pgx.Connect(t.Context(), url); !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("%v, want that nobody listens", err)
	}
	s.Start()
	shows(connect(t, url), "7")

	s.Restart("max_connections = 9")
	conn, other := connect(t, url), connect(t, url)
	shows(conn, "9")
	exec1(t, conn, "SELECT FROM rows") // they are still there

	if n := s.Disconnect(); n != 2 {
		t.Errorf("%d connections ended, want 2", n)
	}
	for _, conn := range []*pgx.Conn{conn, other} {
		if _, err := conn.Exec(t.Context(), "SELECT"); err == nil {
			t.Error("its backend has gone, and it works")
		}
	}
	shows(connect(t, url), "9")
}

func TestTheNetworkIsForWhoKnowsThePassword(t *testing.T) {
	u, err := url.Parse(Start(t).URL())
	if err != nil {
		t.Fatal(err)
	}
	for _, user := range []*url.Userinfo{url.User("postgres"), url.User("tester"), url.UserPassword("tester", "guess")} {
		u.User = user
		_, err := pgx.Connect(t.Context(), u.String())
		if pg := (*pgconn.PgError)(nil); !errors.As(err, &pg) || pg.Code[:2] != "28" {
			t.Errorf("%s: %v, want that it is refused", user.Username(), err)
		}
	}
}

func TestAServerThatDoesNotStartSaysWhy(t *testing.T) {
	tmp := t.TempDir()
	for _, dir := range []string{tmp, filepath.Dir(tmp)} { // the server is another user
		if err := os.Chmod(dir, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("TMPDIR", tmp)
	_, err := New("max_connections = many")
	if errors.Is(err, ErrMissing) {
		need(t, err)
	}
	if err == nil || !strings.Contains(err.Error(), `"max_connections"`) {
		t.Errorf("%v, want the name of the setting", err)
	}
	if left, err := os.ReadDir(tmp); len(left) > 0 || err != nil {
		t.Errorf("left: %v, %v", left, err)
	}
}

// child has a server of its own and one that is shared, tells which processes they
// are, and waits for its end.
func child() int {
	for _, begin := range []func() (*Cluster, error){shared, func() (*Cluster, error) { return own(nil) }} {
		c, err := begin()
		if err != nil {
			fmt.Println(err)
			return 1
		}
		b, err := os.ReadFile(filepath.Join(c.dir, "data", "postmaster.pid"))
		if err != nil {
			fmt.Println(err)
			return 1
		}
		pid, _, _ := strings.Cut(string(b), "\n")
		fmt.Println(c.keeper.Process.Pid, pid, c.dir)
	}
	_, _ = os.Stdin.Read(make([]byte, 1))
	return 0
}

func TestNoServerOutlivesAProcessThatIsKilled(t *testing.T) {
	if _, err := find(); err != nil {
		need(t, err)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), "PGTEST_CHILD=1")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var fds []int
	var dirs []string
	lines := bufio.NewScanner(stdout)
	for len(dirs) < 2 {
		var keeper, postmaster int
		var dir string
		if !lines.Scan() {
			t.Fatalf("the process ended early: %v", cmd.Wait())
		}
		if _, err := fmt.Sscan(lines.Text(), &keeper, &postmaster, &dir); err != nil {
			t.Fatalf("%s: %v", lines.Text(), err)
		}
		for _, pid := range []int{keeper, postmaster} {
			fd, err := unix.PidfdOpen(pid, 0)
			if err != nil {
				t.Fatalf("process %d: %v", pid, err)
			}
			defer unix.Close(fd)
			fds = append(fds, fd)
		}
		dirs = append(dirs, dir)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	for _, fd := range fds {
		n, err := 0, error(unix.EINTR)
		for errors.Is(err, unix.EINTR) {
			n, err = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(time.Minute.Milliseconds()))
		}
		if n != 1 || err != nil {
			t.Errorf("a process outlives the one that started it: %v", err)
		}
	}
	for _, dir := range dirs {
		if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is left: %v", dir, err)
		}
	}
}

// outcome is how a test of need ends.
type outcome struct {
	testing.TB
	did, said string
}

func (o *outcome) Helper()          {}
func (o *outcome) Skip(args ...any) { o.did, o.said = "skip", fmt.Sprint(args...) }
func (o *outcome) Fatal(args ...any) {
	o.did, o.said = "fail", fmt.Sprint(args...)
}

func (o *outcome) Fatalf(format string, args ...any) {
	o.did, o.said = "fail", fmt.Sprintf(format, args...)
}

func TestWithoutPostgreSQL(t *testing.T) {
	const missing = "postgresql is not installed (apt-get install postgresql)"
	for _, c := range []struct {
		name, ci string
		err      error
		did, say string
	}{
		{"it is there", "", nil, "", ""},
		{"it is missing", "", ErrMissing, "skip", missing},
		{"it is missing in CI", "true", ErrMissing, "fail", missing + ": .ci/run should have done that"},
		{"it does not start", "", errors.New("broken"), "fail", "broken"},
		{"it does not start in CI", "true", errors.New("broken"), "fail", "broken"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv("CI", c.ci)
			var o outcome
			if need(&o, c.err); o.did != c.did || o.said != c.say {
				t.Errorf("%s %q, want %s %q", o.did, o.said, c.did, c.say)
			}
		})
	}
}

func BenchmarkStart(b *testing.B) {
	_, err := shared()
	need(b, err)
	for b.Loop() {
		c, err := own(nil)
		need(b, err)
		if err := c.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDatabase(b *testing.B) {
	c, err := shared()
	need(b, err)
	for b.Loop() {
		name, _, err := c.Create()
		if err != nil {
			b.Fatal(err)
		}
		if err := c.Release(name); err != nil {
			b.Fatal(err)
		}
	}
}
