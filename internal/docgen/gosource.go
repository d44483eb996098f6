package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// shown is a marker with the path of a Go file and names of declarations in it, what stands below it, and the end.
var shown = regexp.MustCompile(`(?s)<!-- go: (\S+) ([^\n]+?) -->\n.*?<!-- end of go -->\n`)

// includeGo puts declarations that are compiled, and tested, between a page's markers.
func includeGo(page []byte) ([]byte, error) {
	var failed error
	made := shown.ReplaceAllFunc(page, func(was []byte) []byte {
		m := shown.FindSubmatch(was)
		path := string(m[1])
		text, err := declarations(path, strings.Fields(string(m[2])))
		if err != nil {
			failed = fmt.Errorf("%s: %w", path, err)
		}
		return fmt.Appendf(nil, "<!-- go: %s %s -->\n\n```go\n%s\n```\n\n<!-- end of go -->\n", path, m[2], text)
	})
	return made, failed
}

// declarations gives the source of functions, types and methods (Type.Method), with the comments above them.
func declarations(path string, names []string) (string, error) {
	source, err := os.ReadFile(filepath.FromSlash(path))
	if err != nil {
		return "", err
	}
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, path, source, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return "", err
	}
	found := map[string]string{}
	for _, d := range file.Decls {
		from, to := d.Pos(), d.End()
		var doc *ast.CommentGroup
		name := ""
		switch d := d.(type) {
		case *ast.FuncDecl:
			name, doc = d.Name.Name, d.Doc
			if d.Recv != nil {
				name = receiver(d.Recv.List[0].Type) + "." + name
			}
		case *ast.GenDecl:
			if spec, ok := d.Specs[0].(*ast.TypeSpec); ok {
				name, doc = spec.Name.Name, d.Doc
			}
		}
		if doc != nil {
			from = doc.Pos()
		}
		found[name] = string(source[files.Position(from).Offset:files.Position(to).Offset])
	}
	var parts []string
	for _, name := range names {
		text := found[name]
		if text == "" {
			return "", fmt.Errorf("there is no declaration of %s", name)
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, "\n\n"), nil
}

func receiver(t ast.Expr) string {
	if star, ok := t.(*ast.StarExpr); ok {
		t = star.X
	}
	name, _ := t.(*ast.Ident)
	if name == nil {
		return ""
	}
	return name.Name
}
