package config

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/kelseyhightower/envconfig"

	"github.com/tandem-go/tandem/internal/budget"
)

// write makes a file in a directory of its own and gives its path.
func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "env")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func text(t *testing.T, l *Loaded, name string) string {
	t.Helper()
	s, ok := Lookup(name)
	if !ok {
		t.Fatalf("there is no setting %q", name)
	}
	return s.Text(&l.Settings)
}

// Every setting has a good value here that is not its default, in the form in
// which it is printed back.
var goodValues = map[string]string{
	"workers": "7", "bind": "tcp://127.0.0.1:9000", "env-file": "", "boot-timeout": "5s", "timeout": "6s",
	"graceful-timeout": "7s", "lame-duck": "8s", "bake": "2s", "surge": "3", "reload-timeout": "9m",
	"ready": "alive:1s", "stop-signal": "QUIT", "control": "/run/x.sock", "state-dir": "/var/lib/x", "pid-file": "/tmp/x.pid", "umask": "0027", "timer-slack": "500us", "chdir": "/tmp",
	"admin":        "127.0.0.1:9",
	"max-requests": "1000", "max-requests-jitter": "10", "max-lifetime": "1h", "max-memory": "512MiB", "db-connections": "100",
	"log-format": "text", "log-level": "warn", "log-file": "/tmp/x.log", "log-overflow": "block",
	"user": strconv.Itoa(os.Getuid()), "group": strconv.Itoa(os.Getgid()), "no-new-privs": "on", "rlimit": "nofile=64,core=0", "watch": "on",
}

func TestEverySettingFromEveryPlace(t *testing.T) {
	for _, s := range All() {
		value, good := goodValues[s.Name]
		if !good {
			t.Errorf("--%s: there is no value for it in this test", s.Name)
			continue
		}
		if s.Name == "env-file" {
			value = write(t, "")
		}
		file := write(t, "# first\n"+s.Env+"="+value+"\n")
		arg := "--" + s.Name + "=" + value
		places := []struct {
			origin        string
			args, environ []string
		}{
			{"flag --" + s.Name, []string{arg}, nil},
			{"environment " + s.Env, nil, []string{s.Env + "=" + value}},
			{fmt.Sprintf("env file %s line 2", file), []string{"--env-file", file}, nil},
		}
		if s.Arg != "" {
			places = append(places, places[0])
			places[3].args = []string{"--" + s.Name, value}
		} else {
			places = append(places, places[0])
			places[3].args = []string{"--" + s.Name}
		}
		for _, p := range places {
			l, err := Load(p.args, p.environ)
			switch {
			case s.Name == "env-file" && strings.HasPrefix(p.origin, "env file"):
				if err == nil || !strings.Contains(err.Error(), "line 2: SUPERVISOR_ENV_FILE cannot be set in an env file") {
					t.Errorf("%s from %s: %v", s.Name, p.origin, err)
				}
			case err != nil:
				t.Errorf("%s from %s: %v", s.Name, p.origin, err)
			default:
				if got := text(t, l, s.Name); got != value {
					t.Errorf("%s from %s is %q, want %q", s.Name, p.origin, got, value)
				}
				if got := l.Origins[s.Name].String(); got != p.origin {
					t.Errorf("%s comes from %q, want %q", s.Name, got, p.origin)
				}
			}
		}
		if s.Default != "" {
			if _, err := Load([]string{"--" + s.Name + "=" + s.Default}, nil); err != nil {
				t.Errorf("the default of --%s is refused: %v", s.Name, err)
			}
		}
	}
}

// envconfig finds the ends of words by itself: this holds ours to its.
func TestNamesOfFields(t *testing.T) {
	for field, want := range map[string]string{
		"Workers": "workers", "PidFile": "pid-file", "MaxRequestsJitter": "max-requests-jitter",
		"DBConnections": "db-connections", "NoNewPrivs": "no-new-privs",
	} {
		if got := kebab(field); got != want {
			t.Errorf("%s is called %s, want %s", field, got, want)
		}
	}
}

func TestConnectionsMustBeOneForEachProcess(t *testing.T) {
	l, err := Load([]string{"--db-connections", "5"}, []string{"SUPERVISOR_SURGE=2"})
	if err != nil {
		t.Fatal(err)
	}
	if c, err := l.Connections(3); err != nil || c != (budget.Connections{Limit: 5, Workers: 3, Surge: 2}) {
		t.Errorf("for 3 workers: %+v, %v", c, err)
	}
	_, err = l.Connections(4)
	want := `--db-connections: "5" (from flag --db-connections) is less than one for each process, 4 workers and a surge of 2 (environment SUPERVISOR_SURGE)`
	if _, usage := errors.AsType[*UsageError](err); !usage || err.Error() != want {
		t.Errorf("for 4 workers: %v", err)
	}
	if l, err = Load(nil, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Connections(MaxWorkers); err != nil {
		t.Errorf("where they are not divided: %v", err)
	}
}

func TestDefaults(t *testing.T) {
	l, err := Load(nil, []string{"HOME=/root"})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"workers": "auto", "bind": "tcp://127.0.0.1:8000", "env-file": "", "boot-timeout": "30s", "timeout": "30s",
		"graceful-timeout": "30s", "lame-duck": "0s", "bake": "1s", "surge": "1", "reload-timeout": "1m1s",
		"max-requests": "0", "max-requests-jitter": "0", "max-lifetime": "0s", "max-memory": "0", "db-connections": "0",
		"ready": "notify", "stop-signal": "TERM", "control": fmt.Sprintf("/tmp/tandem-%d/supervisor.sock", os.Getuid()),
		"state-dir": "/root/.local/state/tandem",
		"admin":     "off", "pid-file": "", "user": "", "group": "", "no-new-privs": "off", "rlimit": "", "umask": "", "timer-slack": "1ms", "chdir": "",
		"log-format": "auto", "log-level": "info", "log-file": "stderr", "log-overflow": "drop", "watch": "off",
	}
	got := make(map[string]string)
	for _, s := range All() {
		got[s.Name] = s.Text(&l.Settings)
		if from := l.Origins[s.Name]; from.Source != FromDefault {
			t.Errorf("--%s comes from %s", s.Name, from)
		}
	}
	if !maps.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func TestPrecedence(t *testing.T) {
	file := write(t, "SUPERVISOR_WORKERS=2\nSUPERVISOR_BIND=:2222\nWEB_CONCURRENCY=3\nPORT=3333\n")
	borrowedFile := write(t, "WEB_CONCURRENCY=3\nPORT=3333\n")
	for _, tc := range []struct {
		name              string
		args, environ     []string
		workers, bind     string
		workersBy, bindBy string
	}{
		{"default", nil, nil, "auto", "tcp://127.0.0.1:8000", "default", "default"},
		{"borrowed in file", []string{"--env-file", borrowedFile}, nil, "3", "tcp://0.0.0.0:3333", "env file " + borrowedFile + " line 1", "env file " + borrowedFile + " line 2"},
		{"file over borrowed in file", []string{"--env-file", file}, nil, "2", "tcp://:2222", "env file " + file + " line 1", "env file " + file + " line 2"},
		{"borrowed in environment over file", []string{"--env-file", file}, []string{"WEB_CONCURRENCY=4", "PORT=4444"}, "4", "tcp://0.0.0.0:4444", "environment WEB_CONCURRENCY", "environment PORT"},
		{"environment over borrowed", []string{"--env-file", file}, []string{"WEB_CONCURRENCY=4", "PORT=4444", "SUPERVISOR_WORKERS=5", "SUPERVISOR_BIND=:5555"}, "5", "tcp://:5555", "environment SUPERVISOR_WORKERS", "environment SUPERVISOR_BIND"},
		{
			"flag over all",
			[]string{"--env-file", file, "--workers=6", "--bind", ":6666", "--bind=unix:/x"},
			[]string{"WEB_CONCURRENCY=4", "PORT=4444", "SUPERVISOR_WORKERS=5", "SUPERVISOR_BIND=:5555"},
			"6", "tcp://:6666,unix:///x", "flag --workers", "flag --bind",
		},
		{"last flag", []string{"--workers=6", "--workers=auto"}, nil, "auto", "tcp://127.0.0.1:8000", "flag --workers", "default"},
		{"several in a variable", nil, []string{"SUPERVISOR_BIND=:1, unix:/x"}, "auto", "tcp://:1,unix:///x", "default", "environment SUPERVISOR_BIND"},
		{"empty borrowed", nil, []string{"WEB_CONCURRENCY=", "PORT="}, "auto", "tcp://127.0.0.1:8000", "default", "default"},
		{"empty borrowed over file", []string{"--env-file", borrowedFile}, []string{"WEB_CONCURRENCY=", "PORT="}, "3", "tcp://0.0.0.0:3333", "env file " + borrowedFile + " line 1", "env file " + borrowedFile + " line 2"},
		{"others' names, unread", []string{"--workers=6", "--bind", ":6"}, []string{"WEB_CONCURRENCY=many", "PORT=tcp://x"}, "6", "tcp://:6", "flag --workers", "flag --bind"},
		{"first of a repeated variable", nil, []string{"SUPERVISOR_WORKERS=1", "SUPERVISOR_WORKERS=2"}, "1", "tcp://127.0.0.1:8000", "environment SUPERVISOR_WORKERS", "default"},
	} {
		l, err := Load(tc.args, tc.environ)
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		if got := text(t, l, "workers"); got != tc.workers || l.Origins["workers"].String() != tc.workersBy {
			t.Errorf("%s: workers %s from %s, want %s from %s", tc.name, got, l.Origins["workers"], tc.workers, tc.workersBy)
		}
		if got := text(t, l, "bind"); got != tc.bind || l.Origins["bind"].String() != tc.bindBy {
			t.Errorf("%s: bind %s from %s, want %s from %s", tc.name, got, l.Origins["bind"], tc.bind, tc.bindBy)
		}
	}
}

// What others inject is no mistake, if it looks like theirs.
func TestForeignVariables(t *testing.T) {
	injected := []string{
		"SUPERVISOR_SERVICE_HOST=10.0.0.1", "SUPERVISOR_SERVICE_HOST=fd00::1", "SUPERVISOR_SERVICE_PORT=80", "SUPERVISOR_SERVICE_PORT_HTTP=80",
		"SUPERVISOR_PORT=tcp://10.0.0.1:80", "SUPERVISOR_PORT=tcp://[fd00::1]:80", "SUPERVISOR_PORT_80_TCP=tcp://10.0.0.1:80",
		"SUPERVISOR_PORT_80_TCP_PROTO=tcp", "SUPERVISOR_PORT_53_UDP_PROTO=udp", "SUPERVISOR_PORT_80_TCP_PORT=80", "SUPERVISOR_PORT_80_TCP_ADDR=10.0.0.1",
		"SUPERVISOR_METRICS_SERVICE_HOST=10.0.0.2", "SUPERVISOR_METRICS_PORT=udp://10.0.0.2:53", "SUPERVISOR_METRICS_PORT_9_SCTP=sctp://10.0.0.2:9",
		"SUPERVISOR_ENABLED=1", "SUPERVISOR_PROCESS_NAME=web", "SUPERVISOR_GROUP_NAME=web", "SUPERVISOR_SERVER_URL=unix:///run/supervisor.sock",
	}
	for _, kv := range injected {
		l, err := Load(nil, []string{"A=b", kv})
		if err != nil {
			t.Errorf("%s: %v", kv, err)
			continue
		}
		name, _, _ := strings.Cut(kv, "=")
		if len(l.Ignored) != 1 || !strings.HasPrefix(l.Ignored[0], name+" (") {
			t.Errorf("%s: ignored %q", kv, l.Ignored)
		}
		if !slices.Equal(l.WorkerEnv(), []string{"A=b"}) {
			t.Errorf("%s: workers get %q", kv, l.WorkerEnv())
		}
	}
	for _, kv := range []string{
		"SUPERVISOR_SERVICE_HOST=example.org", "SUPERVISOR_SERVICE_PORT=http", "SUPERVISOR_SERVICE_PORT_HTTP=", "SUPERVISOR_PORT=8000",
		"SUPERVISOR_PORT=http://10.0.0.1:80", "SUPERVISOR_PORT=tcp://10.0.0.1", "SUPERVISOR_PORT_80_TCP=80", "SUPERVISOR_PORT_80_TCP_PROTO=quic",
		"SUPERVISOR_PORT_80_TCP_PORT=0", "SUPERVISOR_PORT_80_TCP_ADDR=x", "SUPERVISOR_PORT_X_TCP_ADDR=10.0.0.1", "SUPERVISOR_ENABLE=1",
		"SUPERVISOR_PORT=tcp://10.0.0.1:80/path",
	} {
		if _, err := Load(nil, []string{kv}); err == nil || !strings.HasPrefix(err.Error(), "unknown setting SUPERVISOR_") {
			t.Errorf("%s: %v", kv, err)
		}
	}
	file := write(t, "SUPERVISOR_ENABLED=1\n")
	if _, err := Load([]string{"--env-file", file}, nil); err == nil {
		t.Error("nobody injects variables into an env file, but one was let through")
	}
}

// Unprefixed names such as $USER and $CONTROL are not settings.
func TestUnprefixedVariablesAreNotRead(t *testing.T) {
	var environ []string
	for _, s := range All() {
		if name := strings.TrimPrefix(s.Env, "SUPERVISOR_"); name != "PORT" {
			environ = append(environ, name+"=%%")
		}
	}
	l, err := Load(nil, environ)
	if err != nil {
		t.Fatal(err)
	}
	for name, from := range l.Origins {
		if from.Source != FromDefault {
			t.Errorf("--%s comes from %s", name, from)
		}
	}
}

// The names that this package works out are those that envconfig reads.
func TestVariableNames(t *testing.T) {
	for _, s := range All() {
		t.Setenv(s.Env, "x")
	}
	if err := envconfig.CheckDisallowed(prefix, new(Settings)); err != nil {
		t.Error(err)
	}
}

func TestProcessEnvironmentIsRestored(t *testing.T) {
	t.Setenv("SUPERVISOR_WORKERS", "3")
	t.Setenv("SUPERVISOR_TYPO", "stays")
	t.Setenv("UNRELATED", "stays")
	before := slices.Sorted(slices.Values(os.Environ()))
	file := write(t, "SUPERVISOR_WORKERS=5\nSUPERVISOR_BAKE=2s\nSECRET=x\n")
	for _, tc := range []struct{ args, environ []string }{
		{[]string{"--env-file", file}, nil},
		{nil, []string{"SUPERVISOR_SURGE=2"}},
		{nil, []string{"SUPERVISOR_SURGE=two"}},
		{nil, []string{"SUPERVISOR_OTHER=1"}},
	} {
		l, err := Load(tc.args, tc.environ)
		if err == nil && l.Origins["workers"].Source == FromEnvironment {
			t.Errorf("%q: the process environment was read instead of the one handed in", tc)
		}
		if after := slices.Sorted(slices.Values(os.Environ())); !slices.Equal(before, after) {
			t.Errorf("%q: the environment was %q and is %q", tc, before, after)
		}
	}
}

func TestDefaultControl(t *testing.T) {
	tmp := fmt.Sprintf("/tmp/tandem-%d/supervisor.sock", os.Getuid())
	for _, tc := range []struct {
		environ      []string
		path, origin string
	}{
		{[]string{"RUNTIME_DIRECTORY=/run/a:/run/b", "XDG_RUNTIME_DIR=/run/user/1"}, "/run/a/supervisor.sock", "default (in $RUNTIME_DIRECTORY)"},
		{[]string{"XDG_RUNTIME_DIR=/run/user/1"}, "/run/user/1/tandem/supervisor.sock", "default (in $XDG_RUNTIME_DIR)"},
		{[]string{"XDG_RUNTIME_DIR=relative", "RUNTIME_DIRECTORY="}, tmp, "default (in /tmp)"},
		{[]string{"SUPERVISOR_CONTROL=/x"}, "/x", "environment SUPERVISOR_CONTROL"},
	} {
		l, err := Load(nil, tc.environ)
		if err != nil {
			t.Fatal(err)
		}
		if string(l.Control) != tc.path || l.Origins["control"].String() != tc.origin {
			t.Errorf("%q: %s from %s", tc.environ, l.Control, l.Origins["control"])
		}
		if got, err := ControlPath("", tc.environ); got != tc.path || err != nil {
			t.Errorf("%q: a command looks at %s (%v)", tc.environ, got, err)
		}
	}
	if got, err := ControlPath("/flag", []string{"SUPERVISOR_CONTROL=/x"}); got != "/flag" || err != nil {
		t.Errorf("flag: %s, %v", got, err)
	}
	for _, environ := range [][]string{{"SUPERVISOR_CONTROL=off"}, {"SUPERVISOR_CONTROL="}} {
		if got, err := ControlPath("", environ); err == nil || !strings.Contains(err.Error(), "from environment SUPERVISOR_CONTROL") {
			t.Errorf("%q: %s, %v", environ, got, err)
		}
	}
}

func TestDefaultStateDir(t *testing.T) {
	tmp := fmt.Sprintf("/tmp/tandem-%d", os.Getuid())
	for _, tc := range []struct {
		environ      []string
		path, origin string
	}{
		{[]string{"STATE_DIRECTORY=/var/lib/a:/var/lib/b", "XDG_STATE_HOME=/x", "HOME=/h"}, "/var/lib/a", "default ($STATE_DIRECTORY)"},
		{[]string{"STATE_DIRECTORY=", "XDG_STATE_HOME=/x", "HOME=/h"}, "/x/tandem", "default (in $XDG_STATE_HOME)"},
		{[]string{"XDG_STATE_HOME=relative", "HOME=/h"}, "/h/.local/state/tandem", "default (in $HOME)"},
		{[]string{"HOME=/"}, tmp, "default (in /tmp)"}, // of a user who has no home
		{nil, tmp, "default (in /tmp)"},
		{[]string{"SUPERVISOR_STATE_DIR=off", "HOME=/h"}, "off", "environment SUPERVISOR_STATE_DIR"},
		{[]string{"SUPERVISOR_STATE_DIR=/s"}, "/s", "environment SUPERVISOR_STATE_DIR"},
	} {
		l, err := Load(nil, tc.environ)
		if err != nil {
			t.Fatal(err)
		}
		if string(l.StateDir) != tc.path || l.Origins["state-dir"].String() != tc.origin {
			t.Errorf("%q: %s from %s", tc.environ, l.StateDir, l.Origins["state-dir"])
		}
		if got, err := StatePath("", tc.environ); got != tc.path || err != nil {
			t.Errorf("%q: a command looks at %s (%v)", tc.environ, got, err)
		}
	}
	if got, err := StatePath("/flag", []string{"SUPERVISOR_STATE_DIR=/x"}); got != "/flag" || err != nil {
		t.Errorf("flag: %s, %v", got, err)
	}
	if got, err := StatePath("", []string{"SUPERVISOR_STATE_DIR="}); err == nil || !strings.Contains(err.Error(), "from environment SUPERVISOR_STATE_DIR") {
		t.Errorf("%s, %v", got, err)
	}
}

func TestPathsBecomeAbsolute(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	if err := os.WriteFile("env", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir("sub", 0o700); err != nil {
		t.Fatal(err)
	}
	l, err := Load([]string{"--env-file=env", "--pid-file=p", "--log-file=l", "--control=c", "--state-dir=s", "--chdir=sub"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, base := range map[string]string{"env-file": "env", "pid-file": "p", "log-file": "l", "control": "c", "state-dir": "s", "chdir": "sub"} {
		if got := text(t, l, name); got != filepath.Join(dir, base) {
			t.Errorf("--%s is %s", name, got)
		}
	}
	t.Chdir("/")
	again, err := l.Reload()
	if err != nil {
		t.Fatalf("reload from another directory: %v", err)
	}
	if again.Settings.PidFile != l.Settings.PidFile || again.EnvFile.Path != l.EnvFile.Path {
		t.Errorf("from another directory paths are %s and %s", again.PidFile, again.EnvFile.Path)
	}
}

func TestCommandLine(t *testing.T) {
	l, err := Load([]string{"--workers=2", "--", "python3", "--workers", "x", "--"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"python3", "--workers", "x", "--"}; !slices.Equal(l.Command, want) || l.Workers != 2 {
		t.Errorf("%d workers of %q", l.Workers, l.Command)
	}
}
