package cli

import (
	"errors"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/tandem-go/tandem/internal/config"
)

func TestHelpFitsTheScreen(t *testing.T) {
	narrow := func(name, text string, width int) {
		t.Helper()
		for line := range strings.Lines(text) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > width {
				t.Errorf("%s: %d columns: %s", name, n, line)
			}
		}
	}
	if n := strings.Count(Help(), "\n"); n > 24 {
		t.Errorf("%d lines", n)
	}
	narrow("help", Help(), 80)
	narrow("help flags", helpFlags(), 80)
	for _, c := range commands() {
		if !c.hidden && !strings.Contains(Help(), c.name) {
			t.Errorf("help does not name %s", c.name)
		}
		narrow("help "+c.name, c.help(), 80)
		if n := strings.Count(c.help(), "\n"); n > 24 {
			t.Errorf("help %s: %d lines", c.name, n)
		}
	}
	for _, name := range small {
		if _, ok := lookup(name); !ok {
			t.Errorf("there is no %s", name)
		}
	}
	for _, s := range config.All() {
		if !strings.Contains(helpFlags(), "--"+s.Name) {
			t.Errorf("help flags does not name --%s", s.Name)
		}
	}
}

// A setting's texts must not break the scripts that quote them.
func TestCompletionQuoting(t *testing.T) {
	for _, s := range config.All() {
		if strings.ContainsAny(s.Short+s.Arg+s.Name, "'\"\\$`\n") {
			t.Errorf("--%s has a character in it that shells take for their own: %s %s", s.Name, s.Arg, s.Short)
		}
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

func TestAnswerThatCannotBeWritten(t *testing.T) {
	for _, args := range [][]string{{"help"}, {"version"}, {"check"}, {"completion", "bash"}} {
		var stderr strings.Builder
		if code := Main(args, nil, nil, full{}, &stderr, nil); code != exitFailure {
			t.Errorf("%q: exit code %d", args, code)
		}
		if want := "supervisor: write the answer: no space left on device\n"; stderr.String() != want {
			t.Errorf("%q: %q, want %q", args, stderr.String(), want)
		}
	}
}

// What the supervisor returns is what the program exits with.
func TestRunReturnsTheExitCode(t *testing.T) {
	for want := range 5 {
		var workers config.Workers
		code := Main([]string{"--workers=3"}, []string{"A=b"}, nil, io.Discard, io.Discard, func(l *config.Loaded) int {
			workers = l.Workers
			return want
		})
		if code != want || workers != 3 {
			t.Errorf("exit code %d with %d workers, want %d", code, workers, want)
		}
	}
}

func TestVersion(t *testing.T) {
	defer func(was string) { version = was }(version)
	version = "v9.8.7"
	if Version() != "v9.8.7" {
		t.Errorf("a release says %s", Version())
	}
	version = ""
	if Version() == "" {
		t.Error("a build without a version says nothing")
	}
}

func TestAge(t *testing.T) {
	for seconds, want := range map[float64]string{0: "0s", 0.05: "0s", 3.14: "3.1s", 59.99: "59.9s", 60: "1m00s", 3599: "59m59s", 3600: "1h00m", 86399: "23h59m", 86400: "1d00h", 1e6: "11d13h"} {
		if got := age(seconds); got != want {
			t.Errorf("%v seconds are %s, want %s", seconds, got, want)
		}
	}
}

// What others have written neither hides in a table nor writes over it.
func TestATableShowsWhatIsThere(t *testing.T) {
	for cell, want := range map[string]string{"safe\u202egnp.exe": "safe?gnp.exe", "a\u200bb": "a?b", "a\x1b[2Jb": "a?[2Jb"} {
		if got := columns([][]string{{cell}}, ""); strings.TrimSpace(got) != want {
			t.Errorf("%q is shown as %q, want %q", cell, got, want)
		}
	}
}
