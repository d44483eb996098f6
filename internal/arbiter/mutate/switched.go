package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Most mutants are built together, in one program that does what the original
// does unless a variable of the environment names one of them. Constants and what
// is meant take a build each.

// switchVariable names the mutant that is to be active, by its number.
const switchVariable = "ARBITER_MUTANT"

// site is a place with its switched mutants.
type site struct {
	from, to int
	typ      string // of the expression, or dropped
	mutants  []*mutant
}

// at adds a switched mutant to its site.
func (e *editor) at(from, to int, typ string, m *mutant) {
	i := slices.IndexFunc(e.sites, func(s *site) bool { return s.from == from && s.to == to && s.typ == typ })
	if i < 0 {
		i = len(e.sites)
		e.sites = append(e.sites, &site{from: from, to: to, typ: typ})
	}
	e.sites[i].mutants = append(e.sites[i].mutants, m)
}

// render returns the source from from to to, with all switches inside. Only the
// original text of a site has switches in it: one mutant is active at a time.
func (e *editor) render(from, to int, outer *site) string {
	var b strings.Builder
	at := from
	for at < to {
		var next *site
		for _, s := range e.sites {
			inside := s.from >= at && s.to <= to && s != outer && (outer == nil || s.from != outer.from || s.to != outer.to)
			if inside && (next == nil || s.from < next.from || s.from == next.from && s.to > next.to) {
				next = s
			}
		}
		if next == nil {
			break
		}
		b.Write(e.source[at:next.from])
		b.WriteString(e.switched(next))
		at = next.to
	}
	b.Write(e.source[at:to])
	return b.String()
}

func (e *editor) switched(s *site) string {
	original := e.render(s.from, s.to, s)
	if s.typ == dropped {
		return fmt.Sprintf("if mutantActive != %d { %s }", s.mutants[0].number, original)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "func() %s { switch mutantActive {\n", s.typ)
	for _, m := range s.mutants {
		fmt.Fprintf(&b, "case %d: return %s\n", m.number, m.instead)
	}
	fmt.Fprintf(&b, "}\nreturn %s }()", original)
	return b.String()
}

// switches is the file that says which mutant is active.
const switches = `package arbiter

import (
	"os"
	"strconv"
)

var mutantActive, _ = strconv.Atoi(os.Getenv("` + switchVariable + `"))
`

// writeSwitched writes the switched files into place and returns what replaces
// what.
func writeSwitched(dir, place string, sources map[string]string) (map[string]string, error) {
	replace := map[string]string{}
	for name, text := range sources {
		path := filepath.Join(place, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return nil, err
		}
		replace[filepath.Join(dir, name)] = path
	}
	path := filepath.Join(place, "zz_switches.go")
	if err := os.WriteFile(path, []byte(switches), 0o600); err != nil {
		return nil, err
	}
	replace[filepath.Join(dir, "zz_switches.go")] = path
	return replace, nil
}

// active is what a mutant's process has in its environment.
func (m *mutant) active() []string {
	if m == nil || m.number == 0 {
		return nil
	}
	return []string{switchVariable + "=" + strconv.Itoa(m.number)}
}
