package parity_test

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tandem-go/tandem/internal/parity"
)

const root = "../.."

// tests are the names of all tests of the module, as package.TestName.
func tests(t *testing.T) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && strings.HasPrefix(fn.Name.Name, "Test") {
				found[filepath.Base(filepath.Dir(path))+"."+fn.Name.Name] = true
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestEveryRowIsShownByWhatItNames(t *testing.T) {
	known := tests(t)
	seen := map[string]bool{}
	for _, r := range parity.Rows() {
		name := r.Suite + " " + strings.Join(r.Tests, ", ")
		if r.Suite == "" || len(r.Tests) == 0 || r.What == "" || r.Tandem == "" || r.Django == "" {
			t.Errorf("%s: a field is empty", name)
		}
		for _, there := range r.Tests {
			if key := r.Suite + " " + there; seen[key] {
				t.Errorf("%s: it is there twice", key)
			} else {
				seen[key] = true
			}
		}
		switch r.Answer {
		case parity.Ported, parity.Intent:
			if len(r.By) == 0 {
				t.Errorf("%s: no test is named", name)
			}
			for _, by := range r.By {
				if !known[by] {
					t.Errorf("%s: there is no test %s", name, by)
				}
			}
		case parity.Compiler:
			if len(r.By) == 0 {
				t.Errorf("%s: no program is named", name)
			}
			for _, by := range r.By {
				if !strings.Contains(by, "testdata/wrong/") {
					t.Errorf("%s: %s is not among the programs that must not compile", name, by)
				}
				if _, err := os.Stat(filepath.Join(root, by, "main.go")); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
		case parity.Left:
			if len(r.By) > 0 {
				t.Errorf("%s: it is left out, and shown by %v", name, r.By)
			}
		default:
			t.Errorf("%s: answer %q", name, r.Answer)
		}
	}
}

func TestTheDocumentationIsInStep(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(root, "docs/sync-and-async.md"))
	if err != nil {
		t.Fatal(err)
	}
	want, err := parity.Insert(page)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(page, want) {
		t.Error("docs/sync-and-async.md is not what `make docs` writes")
	}
}

func TestInsertNeedsItsMarkers(t *testing.T) {
	if _, err := parity.Insert([]byte("# A page\n")); err == nil {
		t.Error("a page without markers was taken")
	}
	answers := []parity.Answer{parity.Ported, parity.Intent, parity.Compiler, parity.Left}
	for _, r := range parity.Rows() {
		if !slices.Contains(answers, r.Answer) {
			t.Errorf("%v: answer %q", r.Tests, r.Answer)
		}
	}
}
