package docs

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// block is a fenced piece of a page.
type block struct {
	line     int    // of the page, of the fence or of the mark above it
	language string // after the fence
	mark     string // in a comment right above the fence
	content  string
}

// The marks of commands. Whatever is not run has a reason after the colon, for whoever reads the source.
const (
	isRun     = "run"                           // and must end well
	isWritten = "run: while it is written to"   // of operations.md
	isOpen    = "run: in a terminal of its own" // it goes on; the page ends it
	isUntil   = "run: until it prints that"     // again and again, until it prints what the next block has
	isNot     = "not run here: "

	isPrinted = "prints"       // of text: what the block of commands before prints, among other lines
	isThere   = "prints there" // the same, of the terminal that was opened last: it is waited for
	butFor    = ", but for "   // after these two: numbers that are others each time
)

// notRun says how many blocks of commands are not run by a test, by page: one more is to be thought about.
var notRun = map[string]int{
	"CONTRIBUTING.md":                 1,
	"README.md":                       0,
	"docs/foreign-workers.md":         6, // test/foreign runs these servers
	"docs/install.md":                 5, // root, packages
	"docs/kubernetes.md":              2,
	"docs/migrating-from-gunicorn.md": 3,
	"docs/operations.md":              7,
	"docs/privileges.md":              1,
	"docs/releasing.md":               2,
	"docs/tandemvet.md":               1,
	"docs/tutorial.md":                3,
	"examples/shop/README.md":         1,
}

// run are the pages whose commands are run, each by a test.
var runPages = []string{"README.md", "docs/operations.md", "docs/status.md", "docs/tutorial.md", "docs/upgrade.md", "docs/verify-reload.md", "examples/shop/README.md"}

// languages are what a block may be in. One that is none is text.
var languages = []string{"go", "html", "json", "nginx", "python", "sh", "text", "yaml"}

var fence = regexp.MustCompile("(?ms)^(?:<!-- ([^\n]*) -->\n)?```(\\w*)\n(.*?)^```$")

func blocks(text string) (all []block) {
	for _, m := range fence.FindAllStringSubmatchIndex(text, -1) {
		b := block{line: 1 + strings.Count(text[:m[0]], "\n"), language: text[m[4]:m[5]], content: text[m[6]:m[7]]}
		if m[2] >= 0 {
			b.mark = text[m[2]:m[3]]
		}
		all = append(all, b)
	}
	return all
}

// prints is isPrinted or isThere of a block that says what is printed, else "".
func (b block) prints() string {
	kind, _, _ := strings.Cut(b.mark, butFor)
	if kind != isPrinted && kind != isThere {
		return ""
	}
	return kind
}

// varying are the numbers that the mark of such a block names.
func (b block) varying() []string {
	_, list, _ := strings.Cut(b.mark, butFor)
	return strings.Fields(strings.NewReplacer(", ", " ", " and ", " ").Replace(list))
}

// allPages are those that a newcomer reads, and those of docs, by their path in the repository.
func allPages(t *testing.T) (paths []string) {
	t.Helper()
	files, err := filepath.Glob("../../docs/*.md")
	if err != nil || len(files) < 20 {
		t.Fatalf("%d pages, %v", len(files), err)
	}
	paths = []string{"README.md", "CONTRIBUTING.md", "examples/shop/README.md"}
	for _, f := range files {
		paths = append(paths, "docs/"+filepath.Base(f))
	}
	return paths
}

// TestEveryCommandIsRunOrListed: each block of commands in these pages says above it that a test runs it, and one
// does, or why none can. So does a new one.
func TestEveryCommandIsRunOrListed(t *testing.T) {
	for _, path := range allPages(t) {
		text, err := os.ReadFile(filepath.Join("../..", path))
		if err != nil {
			t.Fatal(err)
		}
		not := 0
		for _, b := range blocks(string(text)) {
			at := fmt.Sprintf("%s:%d", path, b.line)
			if !slices.Contains(languages, b.language) {
				t.Errorf("%s: a block in no language of %v, or in none: commands are sh, what is no code is text", at, languages)
			}
			reason, listed := strings.CutPrefix(b.mark, isNot)
			switch {
			case b.language != "sh":
				switch {
				case b.prints() != "" && !slices.Contains(runPages, path):
					t.Errorf("%s: nothing is run that could print it", at)
				case b.prints() == "" && b.mark != "":
					t.Errorf("%s: there is no mark %q of what is no block of commands", at, b.mark)
				}
			case slices.Contains([]string{isRun, isWritten, isOpen, isUntil}, b.mark):
				if !slices.Contains(runPages, path) {
					t.Errorf("%s: it says that it is run, and no test runs this page's commands", at)
				}
			case listed && len(reason) > 10:
				not++
			default:
				t.Errorf("%s: a block of commands that says neither that it is run nor why it is not", at)
			}
		}
		if not != notRun[path] {
			t.Errorf("%s has %d blocks of commands that are not run, and %d are listed", path, not, notRun[path])
		}
		// Blocks by indentation have no language and no mark.
		outside := fence.ReplaceAllString(string(text), "\n")
		if m := regexp.MustCompile(`(?m)^\n {4}\S.*`).FindString(outside); m != "" {
			t.Errorf("%s: a block without a fence: %s", path, strings.TrimSpace(m))
		}
	}
}
