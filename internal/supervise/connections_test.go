package supervise

import (
	"os"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/tandem-go/tandem/internal/control"
)

// settings writes the env file: workers that tell what they are told, and lines
// of settings.
func (r *rig) settings(t *testing.T, lines string) {
	t.Helper()
	if err := os.WriteFile(r.env, []byte("MODE=shares\n"+lines), 0o600); err != nil {
		t.Fatal(err)
	}
}

// divided waits until there are n ready workers of a generation, each with so
// many connections and told so, and holds every status on the way against the
// limit.
func (r *rig) divided(t *testing.T, n, generation, each, limit int) {
	t.Helper()
	last := regexp.MustCompile(`(?m)^\S+ +w\d+ +(\d+) .* connections: "(\d*)"$`)
	r.until(t, "equal parts", func(st control.Status) bool {
		told := map[string]string{}
		for _, line := range last.FindAllStringSubmatch(r.output.String(), -1) {
			told[line[1]] = line[2]
		}
		all, equal := 0, true
		for _, w := range st.Workers {
			all += w.DatabaseConnections
			n, _ := strconv.Atoi(told[strconv.Itoa(w.PID)])
			equal = equal && w.DatabaseConnections == each && n == each
		}
		if all > limit {
			t.Errorf("%d connections of %d given to %+v", all, limit, st.Workers)
		}
		return equal && ready(n, generation)(st)
	})
}

func TestConnectionsAreDividedAmongTheProcessesThatLive(t *testing.T) {
	r := build(t, "shares")
	reload := func(generation int, lines string) control.ReloadResult {
		r.settings(t, lines)
		result, err := r.Reload(t.Context(), true)
		if err != nil || result.Generation != generation {
			t.Fatalf("the reload: %+v, %v", result, err)
		}
		return result
	}
	go func() { r.result <- r.Run(t.Context()) }()
	t.Cleanup(func() { <-r.done })

	r.divided(t, 2, 1, 0, 0)
	reload(2, "SUPERVISOR_DB_CONNECTIONS=100\n")
	r.divided(t, 2, 2, 33, 100)
	r.said(t, `connections: "20"`, 2) // with which they began
	if err := r.Scale(t.Context(), 4); err != nil {
		t.Fatal(err)
	}
	r.divided(t, 4, 2, 20, 100)
	r.said(t, `connections: "11"`, 2)
	reload(3, "SUPERVISOR_DB_CONNECTIONS=100\n")
	r.divided(t, 4, 3, 20, 100)
	reload(4, "SUPERVISOR_DB_CONNECTIONS=10\n") // the smaller one holds from its beginning
	r.divided(t, 4, 4, 2, 100)
	reload(5, "SUPERVISOR_DB_CONNECTIONS=50\n")
	r.divided(t, 4, 5, 10, 50)
	for range 3 {
		r.Signal(syscall.SIGTTOU)
	}
	r.divided(t, 1, 5, 25, 50)

	if err := r.Scale(t.Context(), 50); err == nil || err.Error() != "cannot scale to 50 workers: with a surge of 1 there are more processes than --db-connections 50; ask for fewer, or start it with more (supervisor check prints the arithmetic)" {
		t.Errorf("scaled beyond: %v", err)
	}
	if result := reload(6, "SUPERVISOR_DB_CONNECTIONS=1\n"); result.Result != control.ResultFailed ||
		!strings.HasSuffix(result.Error, "is less than one for each process, 1 workers and a surge of 1 (default)") {
		t.Errorf("reloaded into too few: %+v", result)
	}
	r.divided(t, 1, 5, 25, 50)
	reload(7, "SUPERVISOR_DB_CONNECTIONS=2\n")
	r.divided(t, 1, 7, 1, 50)
	r.Signal(syscall.SIGTTIN)
	r.until(t, "a refusal", func(control.Status) bool { return strings.Contains(r.output.String(), "not scaled") })
	reload(8, "")
	r.divided(t, 1, 8, 0, 2)
	r.Signal(syscall.SIGTERM)
	<-r.result
}
