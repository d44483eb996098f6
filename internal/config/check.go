package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/tandem-go/tandem/internal/budget"
	"github.com/tandem-go/tandem/internal/socket"
)

// bad is the line for a setting whose value is of the right form but cannot be.
func (l *Loaded) bad(name, format string, args ...any) error {
	s, _ := Lookup(name)
	return badValue(name, s.Text(&l.Settings), l.Origins[name], fmt.Errorf(format, args...))
}

// maxTimerSlack bounds --timer-slack: beyond it is a mistake, not a choice.
const maxTimerSlack = time.Second

func (l *Loaded) checkRanges() error {
	for _, s := range []struct {
		name  string
		value Duration
	}{
		{"boot-timeout", l.BootTimeout},
		{"timeout", l.Timeout},
		{"graceful-timeout", l.GracefulTimeout},
		{"reload-timeout", l.ReloadTimeout},
	} {
		if s.value == 0 {
			return l.bad(s.name, "must be longer than 0")
		}
	}
	switch {
	case l.LogFormat == LogJournal && l.LogFile != "":
		return l.bad("log-format", "and --log-file %s (%s) name two places for the log: leave one out", l.LogFile, l.Origins["log-file"])
	case l.Surge < 1:
		return l.bad("surge", "must be at least 1: a new worker is ready before an old one drains")
	case l.Surge > MaxWorkers:
		return l.bad("surge", "is more than %d", MaxWorkers)
	case l.DBConnections > MaxConnections:
		return l.bad("db-connections", "is more than %d", MaxConnections)
	case time.Duration(l.TimerSlack) > maxTimerSlack:
		return l.bad("timer-slack", "is more than %s: every timer of a worker would be late by it", Duration(maxTimerSlack))
	case l.Ready.Alive >= time.Duration(l.BootTimeout):
		return l.bad("ready", "is never reached: a worker that is not ready within --boot-timeout, which is %s (%s), is ended", l.BootTimeout, l.Origins["boot-timeout"])
	case l.Bake >= l.ReloadTimeout:
		return l.bad("bake", "must be shorter than --reload-timeout, which is %s (%s)", l.ReloadTimeout, l.Origins["reload-timeout"])
	}
	seen := make(map[socket.Addr]bool)
	for _, addr := range l.Bind {
		if seen[addr] && !anyPort(addr) {
			return l.bad("bind", "names %s twice", addr)
		}
		seen[addr] = true
	}
	if admin, err := socket.Parse(string(l.Admin)); err == nil && seen[admin] && !anyPort(admin) {
		return l.bad("admin", "is an address of --bind too (%s)", l.Origins["bind"])
	}
	return nil
}

// Connections is how --db-connections is divided among that many workers. The
// error, a [*UsageError], says that there is not one for each process.
func (l *Loaded) Connections(workers int) (budget.Connections, error) {
	c := budget.Connections{Limit: int(l.DBConnections), Workers: workers, Surge: int(l.Surge)}
	if !c.Fits() {
		return c, l.bad("db-connections", "is less than one for each process, %d workers and a surge of %d (%s)", workers, c.Surge, l.Origins["surge"])
	}
	return c, nil
}

// anyPort: the system chooses a port for each, so two of them are two places.
func anyPort(a socket.Addr) bool {
	return a.Network == "tcp" && strings.HasSuffix(a.Address, ":0")
}

func (l *Loaded) checkPaths() error {
	if l.Chdir != "" {
		if err := isDir(string(l.Chdir)); err != nil {
			return l.bad("chdir", "%w", err)
		}
	}
	taken := make(map[string]string)
	for _, p := range []struct{ name, path string }{
		{"env-file", string(l.EnvFile.Path)},
		{"control", string(l.Control)},
		{"pid-file", string(l.PidFile)},
		{"log-file", string(l.LogFile)},
	} {
		if p.path == "" || p.path == Off {
			continue
		}
		if other, ok := taken[p.path]; ok {
			return l.bad(p.name, "is the path of --%s too", other)
		}
		taken[p.path] = p.name
	}
	for _, name := range []string{"pid-file", "log-file"} {
		s, _ := Lookup(name)
		path := s.Text(&l.Settings)
		if !filepath.IsAbs(path) {
			continue // not set, or stderr
		}
		if err := isDir(filepath.Dir(path)); err != nil {
			return l.bad(name, "cannot be written: %s %w", filepath.Dir(path), err)
		}
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			return l.bad(name, "is a directory")
		}
	}
	return nil
}

func isDir(path string) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return errors.New("does not exist")
	case err != nil:
		return fmt.Errorf("cannot be looked at: %w", errors.Unwrap(err))
	case !info.IsDir():
		return errors.New("is not a directory")
	}
	return nil
}

// remark notes what works but may surprise.
func (l *Loaded) remark(env layer) {
	note := func(format string, args ...any) { l.Warnings = append(l.Warnings, fmt.Sprintf(format, args...)) }
	l.Warnings = append(l.Warnings, l.EnvFile.remarks...)
	for _, v := range l.EnvFile.Vars {
		where := l.EnvFile.origin(v.Key)
		_, both := env.values[v.Key]
		switch {
		case both && !l.withheld(v.Key):
			note("%s is set in the environment and in %s; the environment wins", v.Key, where)
		case private(v.Key) && !strings.HasPrefix(v.Key, prefix+"_"):
			note("%s in %s is not handed to workers: the supervisor sets it for each of them, or it is private to the supervisor", v.Key, where)
		}
	}
	if need := l.BootTimeout + l.Bake; l.ReloadTimeout < need {
		note("--reload-timeout %s (%s) is shorter than --boot-timeout and --bake together (%s): a reload may be undone while its first worker is still in time",
			l.ReloadTimeout, l.Origins["reload-timeout"], need)
	}
	if l.MaxRequests > 0 && (len(l.Command) > 0 || !l.Ready.Notify) {
		note("--max-requests (%s) is for Tandem workers, which count their requests; a program that is none is not recycled by it", l.Origins["max-requests"])
	}
	if l.MaxRequests == 0 && l.MaxRequestsJitter > 0 {
		note("--max-requests-jitter (%s) has no effect without --max-requests", l.Origins["max-requests-jitter"])
	}
	if n := socket.CountActivated(l.environ); n > 0 && l.Origins["bind"].Source != FromDefault {
		note("--bind (%s) is not used: systemd passes the listening sockets (LISTEN_FDS=%d)", l.Origins["bind"], n)
	}
}
