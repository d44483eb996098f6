package architecture

import (
	"bytes"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// public is what programs may import, and therefore all that the examples do.
var public = []string{"auth", "bridge", "middleware", "openapi", "orm", "orm/migrate", "session", "view", "worker"}

const examples = "../../examples"

// exampleLines bounds a file of an example: it is read in one sitting.
const exampleLines = 250

// Go itself would let them import internal packages, since they lie below this module's path.
func TestExamplesUseOnlyPublicPackages(t *testing.T) {
	files := 0
	err := filepath.WalkDir(examples, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(path) != ".go" {
			return err
		}
		files++
		source, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if n := bytes.Count(source, []byte("\n")); n > exampleLines {
			t.Errorf("%s has %d lines, more than %d", path, n, exampleLines)
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, source, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range file.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			if own, isOwn := strings.CutPrefix(imported, module); isOwn && !slices.Contains(public, own) {
				t.Errorf("%s imports %s, which a program elsewhere could not", path, imported)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files == 0 {
		t.Error("there are no examples")
	}
}

// A module of its own is what a newcomer's is.
func TestExamplesAreModules(t *testing.T) {
	all, err := filepath.Glob(filepath.Join(examples, "*"))
	if err != nil || len(all) == 0 {
		t.Fatalf("examples: %v, %v", all, err)
	}
	for _, dir := range all {
		mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err != nil {
			t.Error(err)
		} else if want := "module " + module + "examples/" + filepath.Base(dir) + "\n"; !strings.HasPrefix(string(mod), want) {
			t.Errorf("%s/go.mod does not begin with %q", dir, want)
		}
	}
}
