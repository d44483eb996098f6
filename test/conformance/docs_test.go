package conformance

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// page guards docs/server.md, of which tests beside each other write parts.
var page sync.Mutex

// isInDocs fails the test where a part of docs/server.md is not this table, or
// makes it that.
func isInDocs(t *testing.T, part, table string) {
	t.Helper()
	page.Lock()
	defer page.Unlock()
	begin := fmt.Sprintf("<!-- begin %s: written by go test ./test/conformance -update -->\n", part)
	end := fmt.Sprintf("<!-- end %s -->\n", part)
	path := filepath.Join("..", "..", "docs", "server.md")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(text), begin)
	was, after, ended := strings.Cut(rest, end)
	switch {
	case !found || !ended:
		t.Fatalf("%s has no place for the %s: %q, %q", path, part, begin, end)
	case was == table:
	case !*update:
		t.Errorf("%s has other %s; go test ./test/conformance -update writes these:\n%s", path, part, table)
	default:
		if err := os.WriteFile(path, []byte(before+begin+table+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// table is one in Markdown.
func table(header []string, rows [][]string) string {
	var b strings.Builder
	line := func(cells []string) { fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | ")) }
	line(header)
	fmt.Fprintf(&b, "|%s\n", strings.Repeat("---|", len(header)))
	for _, row := range rows {
		line(row)
	}
	return b.String()
}
