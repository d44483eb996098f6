package config

import (
	"log/slog"
	"math"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestDurations(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"30": 30 * time.Second, "30s": 30 * time.Second, "0": 0, "0.5": 500 * time.Millisecond, "1m30s": 90 * time.Second,
		"500ms": 500 * time.Millisecond, "1h": time.Hour, "1.5h": 90 * time.Minute, "8760h": longest, "+5": 5 * time.Second,
	} {
		var d Duration
		if err := d.Set(text); err != nil || time.Duration(d) != want {
			t.Errorf("%q is %s (%v), want %s", text, time.Duration(d), err, want)
		}
	}
	for _, text := range []string{"", "s", "30 s", "1d", "x", "-1", "-1s", "1e9", "8761h", "9e99s", "0x10", "1_000", "inf", "NaN"} {
		var d Duration
		if err := d.Set(text); err == nil {
			t.Errorf("%q is %s", text, d)
		}
	}
	for d, want := range map[time.Duration]string{0: "0s", time.Minute: "1m", time.Hour: "1h", 90 * time.Second: "1m30s", 61 * time.Minute: "1h1m", 10 * time.Second: "10s", 20 * time.Minute: "20m", 20 * time.Hour: "20h"} {
		if got := Duration(d).String(); got != want {
			t.Errorf("%s prints as %s, want %s", d, got, want)
		}
	}
}

func TestSizes(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "1": 1, "512MiB": 512 << 20, "512 MiB": 512 << 20, "512mib": 512 << 20, "1G": 1 << 30, "1Gi": 1 << 30, "1GB": 1e9,
		"2k": 2048, "2kb": 2000, "3T": 3 << 40, "7B": 7, "8388607T": 8388607 << 40, "9223372036854775807": math.MaxInt64,
	} {
		var b Bytes
		if err := b.Set(text); err != nil || int64(b) != want {
			t.Errorf("%q is %d (%v), want %d", text, b, err, want)
		}
	}
	for _, text := range []string{"", "B", "MiB", "-1", "1.5G", "1 2", "1GG", "0x10", "8388608T", "9223372036854775808", "1P", "K1", "1_0"} {
		var b Bytes
		if err := b.Set(text); err == nil {
			t.Errorf("%q is %d", text, b)
		}
	}
}

// What a value prints, it takes back.
func FuzzBytes(f *testing.F) {
	for _, s := range []string{"512MiB", "1G", "0", "7 KB", "9223372036854775807", "8388608T", "1KIB", "é"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var b, again Bytes
		if b.Set(text) != nil {
			return
		}
		if b < 0 {
			t.Fatalf("%q is %d", text, int64(b))
		}
		if err := again.Set(b.String()); err != nil || again != b {
			t.Fatalf("%q is %d, printed as %q, read back as %d (%v)", text, int64(b), b, int64(again), err)
		}
	})
}

func FuzzDuration(f *testing.F) {
	for _, s := range []string{"30", "1m30s", "0.1", "1h0m0s", "1ns", "8760h"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var d, again Duration
		if d.Set(text) != nil {
			return
		}
		if d < 0 || time.Duration(d) > longest {
			t.Fatalf("%q is %d", text, int64(d))
		}
		if err := again.Set(d.String()); err != nil || again != d {
			t.Fatalf("%q is %d, printed as %q, read back as %d (%v)", text, int64(d), d, int64(again), err)
		}
	})
}

func TestOtherForms(t *testing.T) {
	for _, tc := range []struct {
		value      value
		text, want string
	}{
		{new(Workers), "auto", "auto"},
		{new(Signal), "sigterm", "TERM"},
		{new(Signal), "usr2", "USR2"},
		{new(Level), "WARNING", "warn"},
		{new(LogFile), "-", "stderr"},
		{new(LogFile), "stderr", "stderr"},
		{new(Switch), "yes", "on"},
		{new(Switch), "0", "off"},
		{new(Umask), "0o22", "0022"},
		{new(Umask), "", ""},
		{new(Ready), "log:^listening on .*:[0-9]+$", "log:^listening on .*:[0-9]+$"},
		{new(Ready), "alive:90", "alive:1m30s"},
		{new(Admin), "[::1]:9000", "[::1]:9000"},
		{new(Admin), "unix:/run/admin.sock", "unix:/run/admin.sock"},
		{new(Account), "www-data", "www-data"},
		{new(Account), "1000", "1000"},
		{new(Socket), "off", "off"},
	} {
		if err := tc.value.Set(tc.text); err != nil || tc.value.String() != tc.want {
			t.Errorf("%T %q prints as %q (%v), want %q", tc.value, tc.text, tc.value, err, tc.want)
		}
	}
	var s Signal
	if err := s.Set("QUIT"); err != nil || syscall.Signal(s) != syscall.SIGQUIT {
		t.Errorf("QUIT is %d (%v)", s, err)
	}
	var l Level
	if err := l.Set("error"); err != nil || l.Level() != slog.LevelError {
		t.Errorf("error is %v (%v)", l, err)
	}
}

func TestResolveWorkers(t *testing.T) {
	for _, tc := range []struct {
		set  Workers
		cpus float64
		want int
	}{{0, 2, 2}, {0, 2.9, 2}, {0, 0.5, 1}, {0, 0, 1}, {0, -1, 1}, {0, math.NaN(), 1}, {0, math.Inf(1), MaxWorkers}, {3, 64, 3}} {
		if got := tc.set.Resolve(tc.cpus); got != tc.want {
			t.Errorf("--workers %s on %v CPUs is %d, want %d", tc.set, tc.cpus, got, tc.want)
		}
	}
}

func TestNearest(t *testing.T) {
	names := []string{"workers", "bind", "bake", "timeout", "boot-timeout", "log-level"}
	for text, want := range map[string]string{
		"worker": "workers", "wrokers": "workers", "binds": "bind", "bakee": "bake", "timeuot": "timeout",
		"loglevel": "log-level", "x": "", "": "", "frobnicate": "", "workers": "workers",
	} {
		if got := Nearest(text, names); got != want {
			t.Errorf("nearest to %q is %q, want %q", text, got, want)
		}
	}
}

func TestHelpFitsTheScreen(t *testing.T) {
	text := Help()
	for line := range strings.Lines(text) {
		if n := len(strings.TrimRight(line, "\n")); n > 80 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	for _, s := range All() {
		if !strings.Contains(text, "--"+s.Name) {
			t.Errorf("help does not name --%s", s.Name)
		}
	}
}

// In the text of a setting a pair of single quotes is code: an apostrophe would begin one.
func TestDocsHaveNoApostrophe(t *testing.T) {
	for _, s := range All() {
		if apostrophe := regexp.MustCompile(`\w'\w`).FindString(s.Doc); apostrophe != "" || strings.Count(s.Doc, "'")%2 != 0 {
			t.Errorf("--%s: %q among %d single quotes", s.Name, apostrophe, strings.Count(s.Doc, "'"))
		}
	}
}

func TestMarkdown(t *testing.T) {
	text := Markdown()
	for _, s := range All() {
		_, entry, ok := strings.Cut(text, "\n### --"+s.Name+"\n")
		if !ok {
			t.Errorf("the reference has no --%s", s.Name)
			continue
		}
		entry, _, _ = strings.Cut(entry, "\n#")
		for _, want := range []string{s.Env + "=", s.Default, s.Auto} {
			if !strings.Contains(entry, want) {
				t.Errorf("--%s: %q is not in\n%s", s.Name, want, entry)
			}
		}
		if strings.Contains(entry, "follows at a reload") != s.Live {
			t.Errorf("--%s: does it follow at a reload?\n%s", s.Name, entry)
		}
	}
	if strings.Contains(text, "\x00") || strings.Contains(text, " '") {
		t.Error("the reference has marks of its own making in it")
	}
}

// The tags that would break precedence, or read $USER, are not there.
func TestTags(t *testing.T) {
	for _, s := range All() {
		f, ok := fieldOf(s)
		if !ok || f.Tag.Get("split_words") != "true" {
			t.Errorf("--%s: no split_words tag", s.Name)
		}
		for _, bad := range []string{"envconfig", "default", "required"} {
			if _, has := f.Tag.Lookup(bad); has {
				t.Errorf("--%s has a tag %s", s.Name, bad)
			}
		}
		if s.Short == "" || strings.HasSuffix(s.Short, ".") {
			t.Errorf("--%s: short text %q", s.Name, s.Short)
		}
	}
}
