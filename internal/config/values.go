package config

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/tandem-go/tandem/internal/socket"
	"golang.org/x/sys/unix"
)

// A value is one setting's type. Set is called by envconfig for variables and by
// the flag parser for flags, so a text means the same wherever it stands. Its
// error completes the sentence `--flag: "text" …`. String gives a text that Set
// takes back.
type value interface {
	Set(text string) error
	String() string
}

// MaxWorkers bounds --workers and scale.
const MaxWorkers = 4096

// Workers is a number of worker processes; 0 stands for auto.
type Workers int

// Set reads a number from 1 to [MaxWorkers], or auto.
func (w *Workers) Set(text string) error {
	if text == "auto" {
		*w = 0
		return nil
	}
	n, err := strconv.Atoi(text)
	switch {
	case errors.Is(err, strconv.ErrRange) || err == nil && n > MaxWorkers:
		return fmt.Errorf("is more than %d", MaxWorkers)
	case err != nil:
		return errors.New("is not a number or auto")
	case n < 1:
		return errors.New("is less than 1")
	}
	*w = Workers(n)
	return nil
}

func (w Workers) String() string {
	if w == 0 {
		return "auto"
	}
	return strconv.Itoa(int(w))
}

// Resolve gives the number of workers to run on that many CPUs: the number that
// was set or, for auto, one for each whole CPU and at least one.
func (w Workers) Resolve(cpus float64) int {
	if w > 0 {
		return int(w)
	}
	if math.IsNaN(cpus) || cpus < 1 {
		return 1
	}
	return int(min(cpus, MaxWorkers))
}

// Addresses are the addresses to listen on, in the order in which they were given.
type Addresses []socket.Addr

// Set replaces the list by the addresses in text, which commas separate.
func (a *Addresses) Set(text string) error {
	var list Addresses
	for part := range strings.SplitSeq(text, ",") {
		addr, err := socket.Parse(strings.TrimSpace(part))
		if err != nil {
			return fmt.Errorf("is not an address: %w; give host:port, :port, [v6]:port, unix:/path or fd:N", cmp.Or(errors.Unwrap(err), err))
		}
		list = append(list, addr)
	}
	*a = list
	return nil
}

// Add appends the addresses in text: that is what a repeated flag means.
func (a *Addresses) Add(text string) error {
	var more Addresses
	if err := more.Set(text); err != nil {
		return err
	}
	*a = append(slices.Clip(*a), more...)
	return nil
}

func (a Addresses) String() string {
	var texts []string
	for _, addr := range a {
		texts = append(texts, addr.String())
	}
	return strings.Join(texts, ",")
}

// Path is a path of a file or directory; "" is none. In a [Loaded] it is absolute.
type Path string

// Set takes any text that can be a path.
func (p *Path) Set(text string) error {
	if strings.ContainsRune(text, 0) {
		return errors.New("has a zero byte in it")
	}
	*p = Path(text)
	return nil
}

func (p Path) String() string { return string(p) }

// from makes the path absolute, if it is one.
func (p *Path) from(dir string) {
	if *p != "" {
		*p = Path(join(dir, string(*p)))
	}
}

func join(dir, path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(dir, path)
}

// Socket is the path of the control socket, or [Off]. In a [Loaded] it is
// absolute.
type Socket string

// Set reads a path or off.
func (s *Socket) Set(text string) error {
	if text == "" {
		return errors.New("is empty: give a path, or off")
	}
	return (*Path)(s).Set(text)
}

func (s Socket) String() string { return string(s) }

func (s *Socket) from(dir string) {
	if *s != Off {
		(*Path)(s).from(dir)
	}
}

// Duration is a length of time, never negative.
type Duration time.Duration

const longest = 365 * 24 * time.Hour

// Set reads Go's form (1m30s, 500ms) or a bare number of seconds (30, 0.5).
func (d *Duration) Set(text string) error {
	parsed, err := time.ParseDuration(text)
	if err != nil {
		parsed, err = time.ParseDuration(text + "s")
	}
	switch {
	case err != nil:
		return errors.New("is not a length of time such as 30s, 1m30s or 500ms (a bare number is seconds)")
	case parsed < 0:
		return errors.New("is negative")
	case parsed > longest:
		return errors.New("is more than a year (8760h)")
	}
	*d = Duration(parsed)
	return nil
}

// String gives Go's form without trailing zero units: 1m, not 1m0s.
func (d Duration) String() string {
	s := time.Duration(d).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// Bytes is a size in bytes.
type Bytes int64

var units = []struct {
	suffix string
	size   int64
}{
	// Longest first, so that a suffix is not taken for the end of another.
	{"KIB", 1 << 10},
	{"MIB", 1 << 20},
	{"GIB", 1 << 30},
	{"TIB", 1 << 40},
	{"KB", 1e3},
	{"MB", 1e6},
	{"GB", 1e9},
	{"TB", 1e12},
	{"KI", 1 << 10},
	{"MI", 1 << 20},
	{"GI", 1 << 30},
	{"TI", 1 << 40},
	{"K", 1 << 10},
	{"M", 1 << 20},
	{"G", 1 << 30},
	{"T", 1 << 40},
	{"B", 1},
}

// Set reads a number with an optional unit, in any case: K, Ki and KiB are 1024
// (as systemd and container engines have it), KB is 1000, and so on to T.
func (b *Bytes) Set(text string) error {
	number, unit := strings.ToUpper(text), int64(1)
	for _, u := range units {
		if rest, ok := strings.CutSuffix(number, u.suffix); ok {
			number, unit = strings.TrimRight(rest, " "), u.size
			break
		}
	}
	n, err := strconv.ParseUint(number, 10, 63)
	switch {
	case errors.Is(err, strconv.ErrRange), err == nil && n > math.MaxInt64/uint64(unit):
		return errors.New("is too large")
	case err != nil:
		return errors.New("is not a size such as 512MiB, 1G or a number of bytes")
	}
	*b = Bytes(int64(n) * unit)
	return nil
}

// String gives the largest unit that leaves a whole number.
func (b Bytes) String() string {
	for _, u := range []struct {
		name string
		size Bytes
	}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if b != 0 && b%u.size == 0 {
			return strconv.FormatInt(int64(b/u.size), 10) + u.name
		}
	}
	return strconv.FormatInt(int64(b), 10)
}

// Count is a number from zero up.
type Count int

// Set reads a decimal number.
func (c *Count) Set(text string) error {
	n, err := strconv.ParseUint(text, 10, 31)
	switch {
	case errors.Is(err, strconv.ErrRange):
		return errors.New("is too large")
	case err != nil:
		return errors.New("is not a whole number from 0 up")
	}
	*c = Count(n)
	return nil
}

func (c Count) String() string { return strconv.Itoa(int(c)) }

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

// Admin is the address of the admin listener, or [Off].
type Admin string

// Set reads off, host:port, :port or unix:/path.
func (a *Admin) Set(text string) error {
	if path, ok := strings.CutPrefix(text, "unix:"); ok && filepath.IsAbs(path) || text == Off {
		*a = Admin(text)
		return nil
	}
	if _, port, err := net.SplitHostPort(text); err != nil || portNumber(port) != nil {
		return errors.New("is not off, host:port, :port or unix:/path")
	}
	*a = Admin(text)
	return nil
}

func (a Admin) String() string { return string(a) }

func portNumber(text string) error {
	if _, err := strconv.ParseUint(text, 10, 16); err != nil {
		return errors.New("is not a port number")
	}
	return nil
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

// LogFile is the path of the log file; "" is stderr. In a [Loaded] it is absolute.
type LogFile string

// Set reads a path; stderr and - stand for no file.
func (f *LogFile) Set(text string) error {
	if text == "stderr" || text == "-" {
		text = ""
	}
	return (*Path)(f).Set(text)
}

func (f *LogFile) from(dir string) { (*Path)(f).from(dir) }

func (f LogFile) String() string {
	if f == "" {
		return "stderr"
	}
	return string(f)
}

// Switch is on or off.
type Switch bool

// Set reads on, off and what [strconv.ParseBool] reads.
func (s *Switch) Set(text string) error {
	switch strings.ToLower(text) {
	case "on", "yes":
		*s = true
		return nil
	case "off", "no":
		*s = false
		return nil
	}
	b, err := strconv.ParseBool(text)
	if err != nil {
		return errors.New("is not on or off")
	}
	*s = Switch(b)
	return nil
}

func (s Switch) String() string {
	if s {
		return "on"
	}
	return "off"
}
