package config

import (
	"errors"
	"testing"
)

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
		{[]string{"--db-connections", "many"}, nil, `--db-connections: "many" (from flag --db-connections) is not a whole number from 0 up`},
		{[]string{"--db-connections", "1048577"}, nil, `--db-connections: "1048577" (from flag --db-connections) is more than 1048576`},
		{[]string{"--max-requests", "9999999999"}, nil, `--max-requests: "9999999999" (from flag --max-requests) is too large`},
		{[]string{"--max-memory", "lots"}, nil, `--max-memory: "lots" (from flag --max-memory) is not a size such as 512MiB, 1G or a number of bytes`},
		{[]string{"--max-memory", "9999999T"}, nil, `--max-memory: "9999999T" (from flag --max-memory) is too large`},
		{[]string{"--ready", "log:("}, nil, `--ready: "log:(" (from flag --ready) has no regular expression after log: error parsing regexp: missing closing ): ` + "`(`"},
		{[]string{"--ready", "alive:0"}, nil, `--ready: "alive:0" (from flag --ready) is no time at all after alive`},
		{[]string{"--ready", "maybe"}, nil, `--ready: "maybe" (from flag --ready) is not notify, log:REGEXP or alive:TIME`},
		{[]string{"--stop-signal", "KILL"}, nil, `--stop-signal: "KILL" (from flag --stop-signal) is not a signal that a worker can drain on: one of HUP, INT, QUIT, TERM, USR1, USR2, WINCH, PWR`},
		{[]string{"--control", ""}, nil, `--control: "" (from flag --control) is empty: give a path, or off`},
		{[]string{"--admin", "9000"}, nil, `--admin: "9000" (from flag --admin) is not off, host:port, :port or unix:/path`},
		{[]string{"--admin", "fd:3"}, nil, `--admin: "fd:3" (from flag --admin) is not off, host:port, :port or unix:/path`},
		{[]string{"--admin", ":8000", "--bind", ":8000"}, nil, `--admin: ":8000" (from flag --admin) is an address of --bind too (flag --bind)`},
		{[]string{"--user", "a b"}, nil, `--user: "a b" (from flag --user) is not a name or number of an account`},
		{[]string{"--timer-slack", "2s"}, nil, `--timer-slack: "2s" (from flag --timer-slack) is more than 1s: every timer of a worker would be late by it`},
		{[]string{"--umask", "99"}, nil, `--umask: "99" (from flag --umask) is not an octal mask from 0 to 0777`},
		{[]string{"--umask", "1777"}, nil, `--umask: "1777" (from flag --umask) is not an octal mask from 0 to 0777`},
		{[]string{"--log-format", "xml"}, nil, `--log-format: "xml" (from flag --log-format) is not auto, text, json or journal`},
		{[]string{"--log-format", "journal", "--log-file", "/tmp/x.log"}, nil, `--log-format: "journal" (from flag --log-format) and --log-file /tmp/x.log (flag --log-file) name two places for the log: leave one out`},
		{[]string{"--log-level", "loud"}, nil, `--log-level: "loud" (from flag --log-level) is not debug, info, warn or error`},
		{[]string{"--log-overflow", "spill"}, nil, `--log-overflow: "spill" (from flag --log-overflow) is not drop or block`},
		{[]string{"--watch=maybe"}, nil, `--watch: "maybe" (from flag --watch) is not on or off`},
		{[]string{"--pid-file", "a\x00b"}, nil, `--pid-file: "a\x00b" (from flag --pid-file) has a zero byte in it`},
		{[]string{"--chdir", dir + "/nowhere"}, nil, `--chdir: "` + dir + `/nowhere" (from flag --chdir) does not exist`},
		{[]string{"--chdir", file}, nil, `--chdir: "` + file + `" (from flag --chdir) is not a directory`},
		{[]string{"--pid-file", dir + "/nowhere/x"}, nil, `--pid-file: "` + dir + `/nowhere/x" (from flag --pid-file) cannot be written: ` + dir + `/nowhere does not exist`},
		{[]string{"--log-file", dir}, nil, `--log-file: "` + dir + `" (from flag --log-file) is a directory`},
		{[]string{"--pid-file", dir + "/x", "--log-file", dir + "/x"}, nil, `--log-file: "` + dir + `/x" (from flag --log-file) is the path of --pid-file too`},
		{[]string{"--env-file", dir + "/nowhere"}, nil, `--env-file (from flag --env-file): read env file ` + dir + `/nowhere: no such file or directory`},
		{nil, []string{"SUPERVISOR_ENV_FILE=" + dir}, `--env-file (from environment SUPERVISOR_ENV_FILE): read env file ` + dir + `: it is a directory`},
	} {
		_, err := Load(tc.args, tc.environ)
		var usage *UsageError
		if !errors.As(err, &usage) || err.Error() != tc.want {
			t.Errorf("%q %q:\n got %v\nwant %s", tc.args, tc.environ, err, tc.want)
		}
	}
}
