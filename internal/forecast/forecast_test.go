package forecast

import (
	"flag"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tandem-go/tandem/internal/budget"
)

var update = flag.Bool("update", false, "write what is said into testdata")

func usual() Facts {
	return Facts{
		Workers: 4, WorkersFrom: "flag --workers", Surge: 1, Limits: budget.Limits{CPUs: 4, Memory: 2 << 30}, Files: 524288,
		GracefulTimeout: 30 * time.Second,
	}
}

// TestForecast holds what is said, as a whole, against testdata; each case changes one
// thing, and is there with and without its warning.
func TestForecast(t *testing.T) {
	var b strings.Builder
	for _, tc := range []struct {
		name     string
		change   func(*Facts)
		warnings int
	}{
		{"usual", func(*Facts) {}, 0},
		{"auto", func(f *Facts) { f.Workers, f.WorkersFrom, f.Limits.CPUs = 2, "auto", 2.5 }, 0},
		{"runs already", func(f *Facts) { f.Running = "/run/tandem/supervisor.sock" }, 0},
		{"little memory", func(f *Facts) { f.Limits.Memory = 100 << 20 }, 1},
		{"memory is not known", func(f *Facts) { f.Limits.Memory = 0 }, 0},
		{"few descriptors", func(f *Facts) { f.Files = 1024 }, 1},
		{"just enough descriptors", func(f *Facts) { f.Files = 8192 }, 0},
		{"unlimited descriptors", func(f *Facts) { f.Files = 1<<64 - 1 }, 0},
		{"descriptors are not known", func(f *Facts) { f.Files = 0 }, 0},
		{"max-memory fits", func(f *Facts) { f.MaxMemory = 400 << 20 }, 0},
		{"max-memory does not fit", func(f *Facts) { f.MaxMemory = 512 << 20 }, 1},
		{"connections", func(f *Facts) { f.Connections = budget.Connections{Limit: 90, Workers: 4, Surge: 1} }, 0},
		{"connections that do not fit a reload", func(f *Facts) { f.Connections = budget.Connections{Limit: 8, Workers: 4, Surge: 1} }, 1},
		{"a database", func(f *Facts) {
			f.Connections = budget.Connections{Limit: 90, Workers: 4, Surge: 1}
			f.Database = &Database{Where: "db:5432/shop", From: "APP_DATABASE_URL", Limit: 97}
		}, 0},
		{"a database that admits no more", func(f *Facts) {
			f.Connections = budget.Connections{Limit: 97, Workers: 4, Surge: 1}
			f.Database = &Database{Where: "db:5432/shop", From: "APP_DATABASE_URL", Limit: 97}
		}, 1},
		{"a database without a bound", func(f *Facts) {
			f.Database = &Database{Where: "db:5432/shop", From: "DATABASE_URL", Why: "connection refused"}
		}, 2}, // and does not answer
		{"systemd", func(f *Facts) { f.Unit, f.StopTimeout = "tandem.service", 40*time.Second }, 0},
		{"systemd is impatient", func(f *Facts) { f.Unit, f.StopTimeout, f.LameDuck = "tandem.service", 40*time.Second, 5*time.Second }, 1},
		{"a place that cannot be had", func(f *Facts) { f.Problems = []string{"--bind tcp://127.0.0.1:80: taken"} }, 1},
	} {
		f := usual()
		tc.change(&f)
		o := Of(f)
		if len(o.Warnings) != tc.warnings {
			t.Errorf("%s: %q", tc.name, o.Warnings)
		}
		b.WriteString("## " + tc.name + "\n")
		for _, l := range o.Lines {
			b.WriteString(l + "\n")
		}
		for _, w := range o.Warnings {
			b.WriteString("warning: " + w + "\n")
		}
		b.WriteString("\n")
	}
	const golden = "testdata/forecast.golden"
	if *update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != b.String() {
		t.Errorf("not as in %s (-update writes it):\n%s", golden, b.String())
	}
}
