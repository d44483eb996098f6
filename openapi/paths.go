package openapi

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// pattern is one of net/http's, taken apart.
type pattern struct {
	method, host string
	path         string   // as OpenAPI writes it
	wildcards    []string // in order
	rest         string   // the wildcard that takes the rest of the path; ""
}

var wildcard = regexp.MustCompile(`\{[^}]*\}`)

func parsePattern(s string) pattern {
	var p pattern
	if method, rest, ok := strings.Cut(s, " "); ok {
		p.method, s = method, strings.TrimLeft(rest, " \t")
	}
	if i := strings.IndexByte(s, '/'); i > 0 {
		p.host, s = s[:i], s[i:]
	}
	p.path = wildcard.ReplaceAllStringFunc(s, func(w string) string {
		name, isRest := strings.CutSuffix(w[1:len(w)-1], "...")
		if name == "$" {
			return ""
		}
		if isRest {
			p.rest = name
		}
		p.wildcards = append(p.wildcards, name)
		return "{" + name + "}"
	})
	return p
}

// shape is the path without the names in it: OpenAPI takes two paths of one shape
// for the same.
func (p pattern) shape() string { return wildcard.ReplaceAllString(p.path, "{}") }

// methods are those that OpenAPI knows. The first five stand for a pattern
// that takes any.
var methods = []string{"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE"}

// identifier makes an operation id of what a route and its method are.
func identifier(parts ...string) string {
	words := strings.FieldsFunc(strings.Join(parts, " "), func(c rune) bool {
		return c > unicode.MaxASCII || !unicode.IsLetter(c) && !unicode.IsDigit(c) && c != '_'
	})
	return strings.Join(words, "-")
}

var anonymous = regexp.MustCompile(`^func\d+$`)

// inWords makes a summary of a function's name: blog.listPosts is "List posts",
// and blog.posts.list, a method, "Posts list".
func inWords(name string) string {
	_, local, inPackage := strings.Cut(name, ".")
	if !inPackage {
		return name // it was given
	}
	parts := slices.DeleteFunc(strings.Split(local, "."), anonymous.MatchString)
	var b strings.Builder
	runes := []rune(strings.Join(parts, " "))
	for i, c := range runes {
		switch {
		case c == '(' || c == ')' || c == '*':
			continue
		case b.Len() == 0:
			c = unicode.ToUpper(c)
		case unicode.IsUpper(c) && unicode.IsLower(runes[i-1]):
			b.WriteByte(' ')
			if i+1 < len(runes) && unicode.IsLower(runes[i+1]) { // else it is one of several, as in HTTP
				c = unicode.ToLower(c)
			}
		}
		b.WriteRune(c)
	}
	return b.String()
}
