package conformance

import (
	"bufio"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/tandem-go/tandem/test/conformance/launch"
)

var update = flag.Bool("update", false, "write scores and differences into docs/server.md")

// dir is where programs are built.
var dir string

// build gives the application, and builds it first if nobody has.
var build = sync.OnceValues(func() (launch.Program, error) { return launch.Build(dir) })

func TestMain(m *testing.M) {
	var err error
	if dir, err = os.MkdirTemp("", "conformance"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// start starts the application for as long as the test runs.
func start(t *testing.T, args ...string) *launch.Server {
	t.Helper()
	program, err := build()
	if err != nil {
		t.Fatal(err)
	}
	s, err := program.Start(args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// verdict is what a suite says of a case.
type verdict struct {
	id   string
	good bool
	line string // what was seen, and what was to be seen
}

// score is that of a suite.
type score struct{ good, total int }

func (s score) String() string { return fmt.Sprintf("%d/%d", s.good, s.total) }

// judge reports what fails and is not known, and what is known and does not fail.
func judge(t *testing.T, verdicts []verdict, known map[string]string) score {
	t.Helper()
	s := score{total: len(verdicts)}
	left := maps.Clone(known)
	for _, v := range verdicts {
		why, is := known[v.id]
		delete(left, v.id)
		if v.good {
			s.good++
		}
		switch {
		case v.good && is:
			t.Errorf("%s passes, but is listed as known (%s): take it from the list", v.id, why)
		case v.good:
		case is:
			t.Logf("known (%s): %s: %s", why, v.id, v.line)
		default:
			t.Errorf("%s: %s", v.id, v.line)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(left)) {
		t.Errorf("%s is listed as known, and there is no such case", id)
	}
	return s
}

// known reads testdata/<server>.known: the cases of a suite that it fails, and why.
func known(t *testing.T, server, suite string) map[string]string {
	t.Helper()
	file, err := os.Open(filepath.Join("testdata", server+".known"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	cases := map[string]string{}
	for lines := bufio.NewScanner(file); lines.Scan(); {
		line := lines.Text()
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		of, rest, _ := strings.Cut(line, " ")
		id, why, _ := strings.Cut(rest, " ")
		switch {
		case id == "" || why == "":
			t.Fatalf("%s: %q is not a suite, a case and a reason", file.Name(), line)
		case of == suite && cases[id] != "":
			t.Fatalf("%s: %s is there twice", file.Name(), id)
		case of == suite:
			cases[id] = why
		}
	}
	return cases
}

// atOnce is how many cases run beside each other: most of them wait for silence.
const atOnce = 24

// each runs f for every case and returns the verdicts in the order of the cases.
func each[C any](cases []C, f func(C) verdict) []verdict {
	verdicts := make([]verdict, len(cases))
	turns := make(chan struct{}, atOnce)
	var all sync.WaitGroup
	for i, c := range cases {
		turns <- struct{}{}
		all.Go(func() {
			defer func() { <-turns }()
			verdicts[i] = f(c)
		})
	}
	all.Wait()
	return verdicts
}
