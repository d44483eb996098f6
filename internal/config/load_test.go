package config

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/kelseyhightower/envconfig"
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
// which it is printed back, or is one of those that a later version brings.
var goodValues = map[string]string{
	"workers": "7", "bind": "tcp://127.0.0.1:9000", "env-file": "", "boot-timeout": "5s", "timeout": "6s",
	"graceful-timeout": "7s", "lame-duck": "8s", "bake": "2s", "surge": "3", "reload-timeout": "9m",
	"stop-signal": "QUIT", "control": "/run/x.sock", "pid-file": "/tmp/x.pid", "umask": "0027", "chdir": "/tmp",
	"log-format": "text", "log-level": "warn", "log-file": "/tmp/x.log", "log-overflow": "block",
}

var laterValues = map[string]string{
	"max-requests": "1000", "max-requests-jitter": "10", "max-lifetime": "1h", "max-memory": "512MiB",
	"ready": "alive:1s", "admin": "127.0.0.1:9", "user": "nobody", "group": "nogroup", "watch": "on",
}

func TestEverySettingFromEveryPlace(t *testing.T) {
	for _, s := range All() {
		value, good := goodValues[s.Name]
		later, isLater := laterValues[s.Name]
		if !good && !isLater {
			t.Errorf("--%s: there is no value for it in this test", s.Name)
			continue
		}
		if isLater != (s.Later != "") {
			t.Errorf("--%s: later is %q", s.Name, s.Later)
		}
		if isLater {
			value = later
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
			case isLater:
				want := fmt.Sprintf("--%s: %s is not available in this version; leave it unset (it is set by %s)", s.Name, s.Later, p.origin)
				var usage *UsageError
				if !errors.As(err, &usage) || err.Error() != want || usage.Setting != s.Name {
					t.Errorf("%s from %s: %v, want %s", s.Name, p.origin, err, want)
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
		if s.Default != "" { // what cannot be changed yet can still be spelt out
			if _, err := Load([]string{"--" + s.Name + "=" + s.Default}, nil); err != nil {
				t.Errorf("the default of --%s is refused: %v", s.Name, err)
			}
		}
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
		"max-requests": "0", "max-requests-jitter": "0", "max-lifetime": "0s", "max-memory": "0",
		"ready": "notify", "stop-signal": "TERM", "control": fmt.Sprintf("/tmp/tandem-%d/supervisor.sock", os.Getuid()),
		"admin": "off", "pid-file": "", "user": "", "group": "", "umask": "", "chdir": "",
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

// Each of these is refused by a line that names the setting and where it came
// from.
func TestMistakes(t *testing.T) {
	dir := t.TempDir()
	file := write(t, "A=b\nSUPERVISOR_WORKERS=four\n")
	typo := write(t, "\n\nSUPERVISOR_WORKRES=4\n")
	for _, tc := range []struct {
		args, environ []string
		want          string
	}{
		{nil, []string{"SUPERVISOR_WORKERS=four"}, `--workers: "four" (from environment SUPERVISOR_WORKERS) is not a number or auto`},
		{[]string{"--workers", "four"}, nil, `--workers: "four" (from flag --workers) is not a number or auto`},
		{[]string{"--env-file", file}, nil, `--workers: "four" (from env file ` + file + ` line 2) is not a number or auto`},
		{[]string{"--workers=2"}, []string{"SUPERVISOR_WORKERS=four"}, `--workers: "four" (from environment SUPERVISOR_WORKERS) is not a number or auto`},
		{[]string{"--workers=0"}, nil, `--workers: "0" (from flag --workers) is less than 1`},
		{[]string{"--workers=-3"}, nil, `--workers: "-3" (from flag --workers) is less than 1`},
		{[]string{"--workers="}, nil, `--workers: "" (from flag --workers) is not a number or auto`},
		{[]string{"--workers=4097"}, nil, `--workers: "4097" (from flag --workers) is more than 4096`},
		{[]string{"--workers=99999999999999999999"}, nil, `--workers: "99999999999999999999" (from flag --workers) is more than 4096`},
		{nil, []string{"WEB_CONCURRENCY=many"}, `WEB_CONCURRENCY: "many" (from environment WEB_CONCURRENCY) is not a number or auto`},
		{nil, []string{"PORT=http"}, `PORT: "http" (from environment PORT) is not a port number`},
		{nil, []string{"PORT=65536"}, `PORT: "65536" (from environment PORT) is not a port number`},
		{nil, []string{"SUPERVISOR_WORKRES=4"}, `unknown setting SUPERVISOR_WORKRES in the environment; did you mean SUPERVISOR_WORKERS?`},
		{nil, []string{"SUPERVISOR_QQQQQQ=4"}, `unknown setting SUPERVISOR_QQQQQQ in the environment; see supervisor --help for what there is`},
		{nil, []string{"SUPERVISOR_="}, `unknown setting SUPERVISOR_ in the environment; see supervisor --help for what there is`},
		{[]string{"--env-file", typo}, nil, `unknown setting SUPERVISOR_WORKRES in env file ` + typo + ` line 3; did you mean SUPERVISOR_WORKERS?`},
		{[]string{"--wrokers", "4"}, nil, `unknown flag --wrokers; did you mean --workers?`},
		{[]string{"-workers", "4"}, nil, `unknown flag -workers; did you mean --workers?`},
		{[]string{"--frobnicate"}, nil, `unknown flag --frobnicate; see --help`},
		{[]string{"--workers"}, nil, `--workers needs a value: --workers N|auto`},
		{[]string{"--pid-file", "--workers"}, nil, `--pid-file needs a value: --pid-file PATH`},
		{[]string{"app", "-x"}, nil, `unknown flag -x; see --help`},
		{[]string{"app", "x"}, nil, `unexpected argument "app"; the command of the workers comes after --: supervisor [flags] -- app x`},
		{[]string{"--"}, nil, `there is no command after --; name one, or leave -- away to run app`},
		{[]string{"--bind", "localhost"}, nil, `--bind: "localhost" (from flag --bind) is not an address: missing port in address; give host:port, :port, [v6]:port, unix:/path or fd:N`},
		{[]string{"--bind", ""}, nil, `--bind: "" (from flag --bind) is not an address: it is empty; give host:port, :port, [v6]:port, unix:/path or fd:N`},
		{[]string{"--bind", ":80", "--bind", ":0080"}, nil, `--bind: "tcp://:80,tcp://:80" (from flag --bind) names tcp://:80 twice`},
		{nil, []string{"SUPERVISOR_BIND=unix:/x,unix:///x"}, `--bind: "unix:///x,unix:///x" (from environment SUPERVISOR_BIND) names unix:///x twice`},
		{[]string{"--timeout", "soon"}, nil, `--timeout: "soon" (from flag --timeout) is not a length of time such as 30s, 1m30s or 500ms (a bare number is seconds)`},
		{[]string{"--boot-timeout", "0"}, nil, `--boot-timeout: "0s" (from flag --boot-timeout) must be longer than 0`},
		{[]string{"--timeout", "0"}, nil, `--timeout: "0s" (from flag --timeout) must be longer than 0`},
		{[]string{"--graceful-timeout", "0"}, nil, `--graceful-timeout: "0s" (from flag --graceful-timeout) must be longer than 0`},
		{[]string{"--reload-timeout", "0"}, nil, `--reload-timeout: "0s" (from flag --reload-timeout) must be longer than 0`},
		{[]string{"--bake", "-1s"}, nil, `--bake: "-1s" (from flag --bake) is negative`},
		{[]string{"--bake", "9000h"}, nil, `--bake: "9000h" (from flag --bake) is more than a year (8760h)`},
		{[]string{"--bake", "10"}, []string{"SUPERVISOR_RELOAD_TIMEOUT=10"}, `--bake: "10s" (from flag --bake) must be shorter than --reload-timeout, which is 10s (environment SUPERVISOR_RELOAD_TIMEOUT)`},
		{[]string{"--surge", "0"}, nil, `--surge: "0" (from flag --surge) must be at least 1: a new worker is ready before an old one drains`},
		{[]string{"--surge", "5000"}, nil, `--surge: "5000" (from flag --surge) is more than 4096`},
		{[]string{"--surge", "-1"}, nil, `--surge: "-1" (from flag --surge) is not a whole number from 0 up`},
		{[]string{"--max-requests", "9999999999"}, nil, `--max-requests: "9999999999" (from flag --max-requests) is too large`},
		{[]string{"--max-memory", "lots"}, nil, `--max-memory: "lots" (from flag --max-memory) is not a size such as 512MiB, 1G or a number of bytes`},
		{[]string{"--max-memory", "9999999T"}, nil, `--max-memory: "9999999T" (from flag --max-memory) is too large`},
		{[]string{"--ready", "log:("}, nil, `--ready: "log:(" (from flag --ready) has no regular expression after log: error parsing regexp: missing closing ): ` + "`(`"},
		{[]string{"--ready", "alive:0"}, nil, `--ready: "alive:0" (from flag --ready) is no time at all after alive`},
		{[]string{"--ready", "maybe"}, nil, `--ready: "maybe" (from flag --ready) is not notify, log:REGEXP or alive:TIME`},
		{[]string{"--stop-signal", "KILL"}, nil, `--stop-signal: "KILL" (from flag --stop-signal) is not a signal that a worker can drain on: one of HUP, INT, QUIT, TERM, USR1, USR2, WINCH, PWR`},
		{[]string{"--control", ""}, nil, `--control: "" (from flag --control) is empty: give a path, or off`},
		{[]string{"--admin", "9000"}, nil, `--admin: "9000" (from flag --admin) is not off, host:port, :port or unix:/path`},
		{[]string{"--user", "a b"}, nil, `--user: "a b" (from flag --user) is not a name or number of an account`},
		{[]string{"--umask", "99"}, nil, `--umask: "99" (from flag --umask) is not an octal mask from 0 to 0777`},
		{[]string{"--umask", "1777"}, nil, `--umask: "1777" (from flag --umask) is not an octal mask from 0 to 0777`},
		{[]string{"--log-format", "xml"}, nil, `--log-format: "xml" (from flag --log-format) is not auto, text, json or journal`},
		{[]string{"--log-format", "journal"}, nil, `--log-format: the journal format is not available in this version; leave it unset (it is set by flag --log-format)`},
		{[]string{"--log-level", "loud"}, nil, `--log-level: "loud" (from flag --log-level) is not debug, info, warn or error`},
		{[]string{"--log-overflow", "spill"}, nil, `--log-overflow: "spill" (from flag --log-overflow) is not drop or block`},
		{[]string{"--watch=maybe"}, nil, `--watch: "maybe" (from flag --watch) is not on or off`},
		{[]string{"--pid-file", "a\x00b"}, nil, `--pid-file: "a\x00b" (from flag --pid-file) has a zero byte in it`},
		{[]string{"--chdir", "/nowhere"}, nil, `--chdir: "/nowhere" (from flag --chdir) does not exist`},
		{[]string{"--chdir", file}, nil, `--chdir: "` + file + `" (from flag --chdir) is not a directory`},
		{[]string{"--pid-file", "/nowhere/x"}, nil, `--pid-file: "/nowhere/x" (from flag --pid-file) cannot be written: /nowhere does not exist`},
		{[]string{"--log-file", dir}, nil, `--log-file: "` + dir + `" (from flag --log-file) is a directory`},
		{[]string{"--pid-file", dir + "/x", "--log-file", dir + "/x"}, nil, `--log-file: "` + dir + `/x" (from flag --log-file) is the path of --pid-file too`},
		{[]string{"--env-file", "/nowhere"}, nil, `--env-file (from flag --env-file): read env file /nowhere: no such file or directory`},
		{nil, []string{"SUPERVISOR_ENV_FILE=" + dir}, `--env-file (from environment SUPERVISOR_ENV_FILE): read env file ` + dir + `: it is a directory`},
	} {
		_, err := Load(tc.args, tc.environ)
		var usage *UsageError
		if !errors.As(err, &usage) || err.Error() != tc.want {
			t.Errorf("%q %q:\n got %v\nwant %s", tc.args, tc.environ, err, tc.want)
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

func TestReload(t *testing.T) {
	file := write(t, "")
	set := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	set("SUPERVISOR_WORKERS=2\nSUPERVISOR_SURGE=1\nKEY=old\nGONE=1\n")
	first, err := Load([]string{"--env-file", file, "--bake", "3s"}, []string{"HOME=/x"})
	if err != nil {
		t.Fatal(err)
	}
	set("SUPERVISOR_WORKERS=4\nSUPERVISOR_BAKE=9s\nSUPERVISOR_LOG_LEVEL=debug\nSUPERVISOR_TIMEOUT=5\nKEY=new\n")
	second, err := first.Reload()
	if err != nil {
		t.Fatal(err)
	}
	if second.Workers != 4 || text(t, second, "log-level") != "debug" || text(t, second, "timeout") != "5s" || text(t, second, "bake") != "3s" {
		t.Errorf("settings after the reload: %+v", second.Settings)
	}
	if want := []string{"HOME=/x", "KEY=new"}; !slices.Equal(second.WorkerEnv(), want) {
		t.Errorf("workers get %q, want %q", second.WorkerEnv(), want)
	}
	if want := []string{"HOME=/x", "KEY=old", "GONE=1"}; !slices.Equal(first.WorkerEnv(), want) {
		t.Errorf("the settings before the reload changed: %q, want %q", first.WorkerEnv(), want)
	}

	for _, s := range All() {
		value, ok := goodValues[s.Name]
		if !ok || s.Name == "env-file" || s.Name == "bake" {
			continue
		}
		set(s.Env + "=" + value + "\n")
		_, err := second.Reload()
		if s.Live {
			if err != nil && !strings.Contains(err.Error(), "a reload cannot change") {
				t.Errorf("--%s does not follow: %v", s.Name, err)
			}
			if err != nil && strings.Contains(err.Error(), "--"+s.Name+" from") {
				t.Errorf("--%s does not follow: %v", s.Name, err)
			}
			continue
		}
		want := fmt.Sprintf("to %q (env file %s line 1)", value, file)
		if err == nil || !strings.Contains(err.Error(), "a reload cannot change --"+s.Name+" from ") || !strings.Contains(err.Error(), want) {
			t.Errorf("--%s: %v, want %s", s.Name, err, want)
		}
	}

	for _, bad := range []string{"SUPERVISOR_WORKERS=four\n", "not a line\n", "SUPERVISOR_TYPO=1\n"} {
		set(bad)
		if _, err := second.Reload(); err == nil || !strings.Contains(err.Error(), file+" line 1") {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if _, err := second.Reload(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a reload without its env file: %v", err)
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

func TestPathsBecomeAbsolute(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	if err := os.WriteFile("env", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir("sub", 0o700); err != nil {
		t.Fatal(err)
	}
	l, err := Load([]string{"--env-file=env", "--pid-file=p", "--log-file=l", "--control=c", "--chdir=sub"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, base := range map[string]string{"env-file": "env", "pid-file": "p", "log-file": "l", "control": "c", "chdir": "sub"} {
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

func TestWarnings(t *testing.T) {
	file := write(t, "BOTH=1\nNOTIFY_SOCKET=/x\nTWICE=1\nTWICE=2\nHASH=a #b\nSUPERVISOR_WORKERS=1\n")
	l, err := Load([]string{"--env-file", file, "--reload-timeout", "30s", "--bind", ":1"}, []string{"BOTH=2", "LISTEN_FDS=2", fmt.Sprintf("LISTEN_PID=%d", os.Getpid())})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`^BOTH is set in the environment and in env file .* line 1; the environment wins$`,
		`^NOTIFY_SOCKET in env file .* line 2 is not handed to workers`,
		`line 4: TWICE was set in line 3 already; the later line counts$`,
		`line 5: the value of HASH has a # in it`,
		`^--reload-timeout 30s \(flag --reload-timeout\) is shorter than --boot-timeout and --bake together \(31s\)`,
		`^--bind \(flag --bind\) is not used: systemd passes the listening sockets \(LISTEN_FDS=2\)$`,
	} {
		if !slices.ContainsFunc(l.Warnings, regexp.MustCompile(want).MatchString) {
			t.Errorf("no warning matches %s in\n%s", want, strings.Join(l.Warnings, "\n"))
		}
	}
	if len(l.Warnings) != 6 {
		t.Errorf("%d warnings:\n%s", len(l.Warnings), strings.Join(l.Warnings, "\n"))
	}
	if want := []string{"TWICE", "HASH"}; !slices.Equal(l.FileKeys(), want) {
		t.Errorf("keys for workers: %q, want %q", l.FileKeys(), want)
	}
}

func TestWorkerEnv(t *testing.T) {
	file := write(t, "A=file\nNEW=file\nLISTEN_FDS=9\nSUPERVISOR_WORKERS=1\nTANDEM_FD=3\n")
	l, err := Load([]string{"--env-file", file}, []string{
		"A=env", "EMPTY=", "broken", "=odd", "A=again",
		"SUPERVISOR_BAKE=2", "LISTEN_FDS=1", "LISTEN_PID=1", "LISTEN_FDNAMES=x", "LISTEN_PIDFDID=7", "NOTIFY_SOCKET=/n",
		"WATCHDOG_USEC=1", "WATCHDOG_PID=1", "FDSTORE=5", "INVOCATION_ID=x", "JOURNAL_STREAM=8:1", "MANAGERPID=1",
		"MAINPID=1", "MANAGERPIDFDID=1", "SYSTEMD_EXEC_PID=1", "TANDEM_WORKER_ID=1",
		"RUNTIME_DIRECTORY=/run/x", "CREDENTIALS_DIRECTORY=/c", "PORT=0", "WEB_CONCURRENCY=1",
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"A=env", "EMPTY=", "RUNTIME_DIRECTORY=/run/x", "CREDENTIALS_DIRECTORY=/c", "PORT=0", "WEB_CONCURRENCY=1", "NEW=file"}
	if got := l.WorkerEnv(); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
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
