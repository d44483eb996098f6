package config

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
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

// MaxConnections bounds --db-connections: more than any server admits.
const MaxConnections = 1 << 20

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

// String gives Go's form in ASCII, and without trailing zero units: 500us, and 1m, not 1m0s.
func (d Duration) String() string {
	s := strings.Replace(time.Duration(d).String(), "µs", "us", 1)
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
