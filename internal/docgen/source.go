package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
)

// sources are the comments of packages, by their paths.
type sources map[string]*commented

// commented is what a package says of its structs, and the strings that its constants are.
type commented struct {
	structs   map[string]told
	names     map[string]map[string]string // of fields in JSON, by struct and field
	constants map[string]string
}

// told is what is said of a struct and of its fields, by their names in Go.
type told struct {
	text   string
	fields map[string]string
}

const modulePath = "github.com/tandem-go/tandem/"

// of gives what is said of a struct of this module.
func (s sources) of(t reflect.Type) (told, error) {
	path := t.PkgPath()
	if s[path] == nil {
		dir, mine := strings.CutPrefix(path, modulePath)
		if !mine {
			return told{}, fmt.Errorf("package %q is not of this module", path)
		}
		p, err := readComments(filepath.FromSlash(dir))
		if err != nil {
			return told{}, err
		}
		s[path] = p
	}
	about, found := s[path].structs[t.Name()]
	if !found || about.text == "" {
		return told{}, fmt.Errorf("%s says nothing of it", path)
	}
	return about, nil
}

// readComments reads the package in a directory.
func readComments(dir string) (*commented, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, err
	}
	p := &commented{structs: map[string]told{}, names: map[string]map[string]string{}, constants: map[string]string{}}
	set := token.NewFileSet()
	var all []*ast.GenDecl
	for _, path := range files {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(set, path, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		for _, d := range file.Decls {
			if d, ok := d.(*ast.GenDecl); ok {
				all = append(all, d)
				p.addNames(d)
			}
		}
	}
	for _, d := range all { // when all names are known
		p.addStructs(d)
	}
	return p, nil
}

// addNames takes in constants, and what fields are called in JSON.
func (p *commented) addNames(d *ast.GenDecl) {
	for _, spec := range d.Specs {
		switch spec := spec.(type) {
		case *ast.ValueSpec:
			for i, name := range spec.Names {
				if i >= len(spec.Values) || d.Tok != token.CONST {
					break
				}
				if literal, ok := spec.Values[i].(*ast.BasicLit); ok && literal.Kind == token.STRING {
					p.constants[name.Name], _ = strconv.Unquote(literal.Value) // the parser has read it
				}
			}
		case *ast.TypeSpec:
			names := map[string]string{}
			for _, f := range fieldsOf(spec) {
				if f.Tag != nil {
					tag, _ := strconv.Unquote(f.Tag.Value)
					for _, name := range f.Names {
						names[name.Name], _, _ = strings.Cut(reflect.StructTag(tag).Get("json"), ",")
					}
				}
			}
			p.names[spec.Name.Name] = names
		}
	}
}

func fieldsOf(spec *ast.TypeSpec) []*ast.Field {
	if body, ok := spec.Type.(*ast.StructType); ok {
		return body.Fields.List
	}
	return nil
}

func (p *commented) addStructs(d *ast.GenDecl) {
	for _, spec := range d.Specs {
		named, ok := spec.(*ast.TypeSpec)
		if !ok {
			continue
		}
		doc := named.Doc
		if doc == nil {
			doc = d.Doc
		}
		of := named.Name.Name
		about := told{text: p.said(doc, of, of), fields: map[string]string{}}
		for _, f := range fieldsOf(named) {
			for _, name := range f.Names {
				about.fields[name.Name] = strings.TrimSpace(p.said(f.Doc, name.Name, of) + " " + p.said(f.Comment, name.Name, of))
			}
		}
		p.structs[of] = about
	}
}

var reference = regexp.MustCompile(`\[(\w+)(?:\.(\w+))?\]`)

// said is a comment as one line, for readers who know nothing of Go: without the name that it begins with, with constants
// as what they are, and the fields of a struct called as in JSON.
func (p *commented) said(c *ast.CommentGroup, name, of string) string {
	text := strings.Join(strings.Fields(c.Text()), " ") // of nil it is ""
	text = regexp.MustCompile(`^`+name+` ((is|are|was|were) )?`).ReplaceAllString(text, "")
	text = reference.ReplaceAllStringFunc(text, func(r string) string {
		m := reference.FindStringSubmatch(r)
		if value, found := p.constants[m[1]]; found && m[2] == "" {
			return "`" + value + "`"
		}
		if called := p.names[m[1]][m[2]]; called != "" {
			return "`" + called + "`"
		}
		return strings.Trim(r, "[]")
	})
	for field, called := range p.names[of] {
		if called != "" && called != "-" {
			text = regexp.MustCompile(`(^|[^.\w])`+field+`\b`).ReplaceAllString(text, "${1}`"+called+"`")
		}
	}
	return text
}
