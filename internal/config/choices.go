package config

import (
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Ready is how a worker says that it is ready: exactly one of its forms.
type Ready struct {
	Notify bool           // READY=1 on the notify socket
	Log    *regexp.Regexp // a line that matches
	Alive  time.Duration  // having lived for so long
}

// Set reads notify, log:REGEXP or alive:DURATION.
func (r *Ready) Set(text string) error {
	how, rest, _ := strings.Cut(text, ":")
	switch {
	case text == "notify":
		*r = Ready{Notify: true}
		return nil
	case how == "log" && rest != "":
		re, err := regexp.Compile(rest)
		if err != nil {
			return fmt.Errorf("has no regular expression after log: %w", err)
		}
		*r = Ready{Log: re}
		return nil
	case how == "alive":
		var d Duration
		if err := d.Set(rest); err != nil {
			return fmt.Errorf("after alive: %w", err)
		}
		if d == 0 {
			return errors.New("is no time at all after alive")
		}
		*r = Ready{Alive: time.Duration(d)}
		return nil
	}
	return errors.New("is not notify, log:REGEXP or alive:TIME")
}

func (r Ready) String() string {
	switch {
	case r.Log != nil:
		return "log:" + r.Log.String()
	case r.Alive > 0:
		return "alive:" + Duration(r.Alive).String()
	}
	return "notify"
}

// Signal is a signal that can ask a worker to drain.
type Signal syscall.Signal

var drainSignals = []string{"HUP", "INT", "QUIT", "TERM", "USR1", "USR2", "WINCH", "PWR"}

// Set reads a name with or without SIG, in any case.
func (s *Signal) Set(text string) error {
	name := strings.TrimPrefix(strings.ToUpper(text), "SIG")
	if !slices.Contains(drainSignals, name) {
		return fmt.Errorf("is not a signal that a worker can drain on: one of %s", strings.Join(drainSignals, ", "))
	}
	*s = Signal(unix.SignalNum("SIG" + name))
	return nil
}

func (s Signal) String() string {
	return strings.TrimPrefix(unix.SignalName(syscall.Signal(s)), "SIG")
}

// Account is the name or number of a user or group; "" is none.
type Account string

var accountName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.@-]*\$?$`)

// Set takes what the account database could hold.
func (a *Account) Set(text string) error {
	if text != "" && !accountName.MatchString(text) {
		return errors.New("is not a name or number of an account")
	}
	*a = Account(text)
	return nil
}

func (a Account) String() string { return string(a) }

// Umask is a file mode mask. Its zero value is "not set".
type Umask struct {
	Mask  uint32
	IsSet bool
}

// Set reads an octal number such as 022, 0022 or 0o22; "" is "not set".
func (u *Umask) Set(text string) error {
	if text == "" {
		*u = Umask{}
		return nil
	}
	n, err := strconv.ParseUint(strings.TrimPrefix(text, "0o"), 8, 32)
	if err != nil || n > 0o777 {
		return errors.New("is not an octal mask from 0 to 0777")
	}
	*u = Umask{Mask: uint32(n), IsSet: true}
	return nil
}

func (u Umask) String() string {
	if !u.IsSet {
		return ""
	}
	return fmt.Sprintf("%04o", u.Mask)
}

// LogFormat is the form of the log.
type LogFormat string

// The forms of the log.
const (
	LogAuto    LogFormat = "auto"
	LogText    LogFormat = "text"
	LogJSON    LogFormat = "json"
	LogJournal LogFormat = "journal"
)

// Set reads one of the forms.
func (f *LogFormat) Set(text string) error {
	return oneOf(f, text, LogAuto, LogText, LogJSON, LogJournal)
}

func (f LogFormat) String() string { return string(f) }

// LogOverflow is what happens when the sink of the log is too slow.
type LogOverflow string

// What happens to lines beyond the buffer.
const (
	OverflowDrop  LogOverflow = "drop"
	OverflowBlock LogOverflow = "block"
)

// Set reads drop or block.
func (o *LogOverflow) Set(text string) error { return oneOf(o, text, OverflowDrop, OverflowBlock) }

func (o LogOverflow) String() string { return string(o) }

func oneOf[T ~string](into *T, text string, choices ...T) error {
	if !slices.Contains(choices, T(text)) {
		var names []string
		for _, c := range choices {
			names = append(names, string(c))
		}
		last := len(names) - 1
		return fmt.Errorf("is not %s or %s", strings.Join(names[:last], ", "), names[last])
	}
	*into = T(text)
	return nil
}

// Level is the lowest level of the supervisor's own records that is written.
type Level slog.Level

// Set reads debug, info, warn (or warning) or error, in any case.
func (l *Level) Set(text string) error {
	switch strings.ToLower(text) {
	case "debug":
		*l = Level(slog.LevelDebug)
	case "info":
		*l = Level(slog.LevelInfo)
	case "warn", "warning":
		*l = Level(slog.LevelWarn)
	case "error":
		*l = Level(slog.LevelError)
	default:
		return errors.New("is not debug, info, warn or error")
	}
	return nil
}

func (l Level) String() string { return strings.ToLower(slog.Level(l).String()) }

// Level makes Level a [slog.Leveler].
func (l Level) Level() slog.Level { return slog.Level(l) }
