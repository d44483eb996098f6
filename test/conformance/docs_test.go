package conformance

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Where the scores are in docs/server.md.
const (
	begin = "<!-- begin scores: written by go test ./test/conformance -update -->\n"
	end   = "<!-- end scores -->\n"
)

// compareWithDocs fails the test where the documentation has other scores, or
// writes these.
func compareWithDocs(t *testing.T, score func(server, suite int) string) {
	t.Helper()
	var table strings.Builder
	table.WriteString("| suite | cases |")
	rule := "|---|---|"
	for _, s := range servers {
		fmt.Fprintf(&table, " %s |", s.name)
		rule += "---|"
	}
	table.WriteString("\n" + rule + "\n")
	for j, suite := range suites {
		fmt.Fprintf(&table, "| %s | %d |", suite.title, suite.cases)
		for i := range servers {
			fmt.Fprintf(&table, " %s |", score(i, j))
		}
		table.WriteString("\n")
	}
	path := filepath.Join("..", "..", "docs", "server.md")
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(page), begin)
	was, after, ended := strings.Cut(rest, end)
	switch {
	case !found || !ended:
		t.Fatalf("%s has no place for the scores: %q, %q", path, begin, end)
	case was == table.String():
	case !*update:
		t.Errorf("%s has other scores; go test ./test/conformance -update writes these:\n%s", path, table.String())
	default:
		if err := os.WriteFile(path, []byte(before+begin+table.String()+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
