package config

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

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
