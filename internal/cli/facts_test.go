package cli

import (
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tandem-go/tandem/internal/config"
	"github.com/tandem-go/tandem/internal/pgtest"
	"github.com/tandem-go/tandem/internal/socket"
	"golang.org/x/sys/unix"
)

func TestDatabaseIsAskedForItsLimit(t *testing.T) {
	text := pgtest.URL(t)
	d := database([]string{"A=b", "APP_DATABASE_URL=" + text, "DATABASE_URL=postgres://127.0.0.1:1/other"})
	if d == nil || d.Limit < 1 || d.From != "APP_DATABASE_URL" {
		t.Fatalf("%+v", d)
	}
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword("nobody-has-this-name", "hunter2")
	d = database([]string{"DATABASE_URL=" + u.String()})
	if d == nil || d.Limit != 0 || d.Why == "" || strings.Contains(d.Why+d.Where, "hunter2") {
		t.Errorf("%+v", d)
	}
	for _, env := range []string{"DATABASE_URL=sqlite:///x", "APP_DATABASE_URL=", "OTHER=" + text} {
		if d := database([]string{env}); d != nil {
			t.Errorf("%s: %+v", env, d)
		}
	}
	if d := database([]string{"DATABASE_URL=postgres://u:hunter2@[bad/x"}); d == nil || d.Why != "its URL cannot be read" || strings.Contains(d.Where, "hunter2") {
		t.Errorf("%+v", d)
	}
}

func TestPlacesThatCannotBeHad(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	at := func(address string) string { return unavailable(socket.Addr{Network: "tcp", Address: address}) }
	if why := at(l.Addr().String()); !strings.Contains(why, "another process listens there") || !strings.Contains(why, "if it is this very service") {
		t.Errorf("taken: %q", why)
	}
	if why := at("192.0.2.1:8000"); !strings.Contains(why, "no interface") {
		t.Errorf("foreign: %q", why)
	}
	for _, free := range []string{"127.0.0.1:0", "[::1]:0", ":0"} {
		if why := at(free); why != "" {
			t.Errorf("%s: %s", free, why)
		}
	}
	if why := at("nobody.invalid:8000"); !strings.Contains(why, "could not be looked up") {
		t.Errorf("unknown: %q", why)
	}

	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	taken, err := net.Listen("unix", filepath.Join(dir, "taken"))
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	left, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, "left"), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	left.SetUnlinkOnClose(false)
	left.Close()
	for path, want := range map[string]string{
		taken.Addr().String(): "another process listens there",
		file:                  "is not a socket",
		dir + "/none/socket":  "none cannot be written to (no such file or directory): make the directory",
		dir + "/free":         "",
		left.Addr().String():  "", // of one that is gone; the supervisor takes its place
		"@" + dir:             "",
	} {
		if why := unavailable(socket.Addr{Network: "unix", Address: path}); !strings.Contains(why, want) || (want == "") != (why == "") {
			t.Errorf("%s: %q, want %q", path, why, want)
		}
	}
	for _, tc := range []struct {
		dir     string
		missing int
		bad     bool
	}{
		{dir, 0, false},
		{dir + "/a", 0, true},
		{dir + "/a", 1, false},
		{dir + "/a/b", 1, true},
		{dir + "/a/b", 2, false},
		{file + "/a", 5, true},
	} {
		if why := unwritable(tc.dir, tc.missing); (why != "") != tc.bad {
			t.Errorf("%s: %q", tc.dir, why)
		}
	}
}

func TestDescriptorsOfAWorker(t *testing.T) {
	if n := files(config.Rlimits{{Name: "nofile", Resource: unix.RLIMIT_NOFILE, Soft: 100, Hard: 200}}); n != 200 {
		t.Error(n)
	}
	if n := files(nil); n < 1 {
		t.Error(n)
	}
}
