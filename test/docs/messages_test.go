// Package docs holds pages of the documentation against what they describe: the runbook
// against the messages in the source, the page for gunicorn's users against gunicorn's settings and ours,
// and the page on operations against a service to which all of it is done.
package docs

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// said is every message with the places where it is logged.
type said map[string][]string

// unquoted are the calls whose message is no literal, by file and what is handed over, and
// what the runbook calls them.
var unquoted = map[string]string{
	"internal/supervise/supervise.go: doing": "", // logError's own; its callers are read
	"worker/occasional.go: text":             "http: …",
	"worker/occasional.go: what.text":        "", // those of say, which are read
}

// quiet are the messages whose level is a variable that is never above info.
var quiet = []string{"another share"}

// TestEveryWarningIsInTheRunbook: a message that is new in the source is missing in the
// page, one that has gone from the source is stale there.
func TestEveryWarningIsInTheRunbook(t *testing.T) {
	found := collect(t)
	if len(found) < 40 {
		t.Fatalf("only %d messages were found in the source: %v", len(found), slices.Sorted(maps.Keys(found)))
	}
	text, err := os.ReadFile("../../docs/runbook.md")
	if err != nil {
		t.Fatal(err)
	}
	explained := map[string]int{}
	for _, m := range regexp.MustCompile("(?m)^#### `(.+)`$").FindAllStringSubmatch(string(text), -1) {
		explained[m[1]]++
	}
	for _, message := range slices.Sorted(maps.Keys(found)) {
		if explained[message] != 1 {
			t.Errorf("docs/runbook.md has %d sections #### `%s`, which is logged in %s", explained[message], message, strings.Join(found[message], ", "))
		}
	}
	for _, message := range slices.Sorted(maps.Keys(explained)) {
		if found[message] == nil {
			t.Errorf("docs/runbook.md explains %q, which nothing logs", message)
		}
	}
}

// collect reads every package that the supervisor or a worker is built from.
func collect(t *testing.T) said {
	t.Helper()
	all := said{}
	for _, dir := range packages(t) {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range files {
			if strings.HasSuffix(path, "_test.go") {
				continue
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			name := filepath.ToSlash(strings.TrimPrefix(path, root(t)+"/"))
			ast.Inspect(file, func(n ast.Node) bool {
				for _, argument := range messages(n) {
					message, ok := literal(argument)
					if !ok {
						source := name + ": " + show(argument)
						if message, ok = unquoted[source]; !ok {
							t.Errorf("%s: the message is no literal; say in this test what the runbook calls it", source)
						}
					}
					if message != "" && !slices.Contains(quiet, message) {
						all[message] = append(all[message], name)
					}
				}
				return true
			})
		}
	}
	return all
}

// messages are the arguments of a node that are logged as a warning or an error.
func messages(n ast.Node) []ast.Expr {
	switch n := n.(type) {
	case *ast.CallExpr:
		return called(n)
	case *ast.CompositeLit: // a line of the log itself
		var level, text ast.Expr
		for _, element := range n.Elts {
			if pair, ok := element.(*ast.KeyValueExpr); ok {
				switch show(pair.Key) {
				case "Level":
					level = pair.Value
				case "Text":
					text = pair.Value
				}
			}
		}
		if call, ok := text.(*ast.CallExpr); ok && level != nil && isHigh(level) && len(call.Args) > 1 {
			return call.Args[1:2] // fmt.Appendf(nil, "…")
		}
	}
	return nil
}

func called(call *ast.CallExpr) []ast.Expr {
	method, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || len(call.Args) == 0 {
		return nil // err.Error() among others
	}
	switch method.Sel.Name {
	case "Warn", "Error":
		if show(method.X) == "http" { // the answer to a client
			return nil
		}
		return call.Args[:1]
	case "WarnContext", "ErrorContext":
		return call.Args[1:2]
	case "logError":
		return call.Args[:1]
	case "Log", "LogAttrs":
		// The level is a constant, or a variable that may be high.
		if len(call.Args) > 2 && (isHigh(call.Args[1]) || !strings.HasPrefix(show(call.Args[1]), "slog.Level")) {
			return call.Args[2:3]
		}
	case "say":
		if len(call.Args) > 2 && isHigh(call.Args[1]) {
			return call.Args[2:3]
		}
	}
	return nil
}

func isHigh(level ast.Expr) bool {
	return slices.Contains([]string{"slog.LevelWarn", "slog.LevelError"}, show(level))
}

// literal is the text of a message, or how it begins where something is added to it.
func literal(e ast.Expr) (string, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		text, err := strconv.Unquote(e.Value)
		return verbs.ReplaceAllString(text, "…"), err == nil
	case *ast.CallExpr:
		if show(e.Fun) == "fmt.Sprintf" {
			return literal(e.Args[0])
		}
	case *ast.BinaryExpr:
		text, ok := literal(e.X)
		return strings.TrimRight(text, " ") + " …", ok
	}
	return "", false
}

// verbs are those of fmt: what stands in their place is another thing each time.
var verbs = regexp.MustCompile(`%[a-z]`)

func show(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return show(e.X) + "." + e.Sel.Name
	case *ast.CallExpr:
		return show(e.Fun) + "()"
	}
	return fmt.Sprintf("%T", e)
}

func root(t *testing.T) string {
	t.Helper()
	path, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// packages are the directories of this module's packages of which the two are built.
func packages(t *testing.T) []string {
	t.Helper()
	list := exec.Command("go", "list", "-deps", "-json=Dir,Module", "./cmd/supervisor", "./worker")
	list.Dir, list.Stderr = root(t), os.Stderr
	out, err := list.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := list.Start(); err != nil {
		t.Fatal(err)
	}
	var dirs []string
	decoder := json.NewDecoder(out)
	for {
		var one struct {
			Dir    string
			Module *struct{ Main bool }
		}
		if err := decoder.Decode(&one); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if one.Module != nil && one.Module.Main {
			dirs = append(dirs, one.Dir)
		}
	}
	if err := list.Wait(); err != nil {
		t.Fatal(err)
	}
	return dirs
}
