package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

// readDashboard reads a dashboard by Grafana's schema, which knows no key that is not in it.
func (f *found) readDashboard(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var board dashboard.Dashboard
	for _, err := range []error{board.UnmarshalJSONStrict(text), board.Validate()} {
		if list, ok := errors.AsType[cog.BuildErrors](err); ok && len(list) == 0 {
			continue // that is how it says that there are none
		}
		if err != nil {
			return err
		}
	}
	// Queries are the data source's business, and the schema has nothing to say of them.
	var asked struct {
		Panels      []panel
		Annotations struct{ List []target }
		Templating  struct{ List []variable }
	}
	if err := json.Unmarshal(text, &asked); err != nil {
		return err
	}
	var faults []error
	add := func(where, expr string) {
		q, err := analyse(where, plain(expr))
		if err != nil {
			faults = append(faults, err)
		}
		f.Queries = append(f.Queries, q)
	}
	for _, p := range flat(asked.Panels) {
		if p.Type != "row" && p.Type != "text" && len(p.Targets) == 0 {
			faults = append(faults, fmt.Errorf("panel %q asks for nothing", p.Title))
		}
		for _, t := range p.Targets {
			add(fmt.Sprintf("panel %q", p.Title), t.Expr)
		}
	}
	for _, a := range asked.Annotations.List {
		if a.Expr != "" {
			add(fmt.Sprintf("annotation %q", a.Name), a.Expr)
		}
	}
	for _, v := range asked.Templating.List {
		if v.Type == "query" {
			match := labelValues.FindStringSubmatch(v.Query.Query)
			if match == nil {
				faults = append(faults, fmt.Errorf("variable %q: %q is not label_values(SERIES, LABEL)", v.Name, v.Query.Query))
				continue
			}
			add(fmt.Sprintf("variable %q", v.Name), "count by ("+match[2]+") ("+match[1]+")")
		}
	}
	return errors.Join(append(faults, apart(flat(asked.Panels))...)...)
}

type panel struct {
	ID      int
	Type    string
	Title   string
	Targets []target
	Panels  []panel // of a row that is folded
	GridPos struct{ X, Y, W, H int }
}

type target struct{ Name, Expr string }

type variable struct {
	Name, Type string
	Query      struct{ Query string }
}

// UnmarshalJSON takes a variable whose query is no object, as that of a data source is not.
func (v *variable) UnmarshalJSON(text []byte) error {
	var some struct {
		Name, Type string
		Query      json.RawMessage
	}
	if err := json.Unmarshal(text, &some); err != nil {
		return err
	}
	v.Name, v.Type = some.Name, some.Type
	if some.Type != "query" {
		return nil
	}
	return json.Unmarshal(some.Query, &v.Query)
}

func flat(panels []panel) (all []panel) {
	for _, p := range panels {
		all = append(append(all, p), flat(p.Panels)...)
	}
	return all
}

// apart finds panels that lie on each other, outside of the grid of 24, or share an id.
func apart(panels []panel) (faults []error) {
	for i, a := range panels {
		if a.GridPos.X+a.GridPos.W > 24 {
			faults = append(faults, fmt.Errorf("panel %q is wider than the grid", a.Title))
		}
		for _, b := range panels[:i] {
			p, q := a.GridPos, b.GridPos
			if a.ID == b.ID || p.X < q.X+q.W && q.X < p.X+p.W && p.Y < q.Y+q.H && q.Y < p.Y+p.H {
				faults = append(faults, fmt.Errorf("panels %q and %q share their place or their id", b.Title, a.Title))
			}
		}
	}
	return faults
}

var (
	labelValues = regexp.MustCompile(`^label_values\((.*),\s*(\w+)\)$`)
	interval    = regexp.MustCompile(`\[\$__(rate_interval|interval|range)\]`)
	variables   = regexp.MustCompile(`\$(\w+|\{\w+(:\w+)?\})`)
)

// known are the dashboard's own variables; each matches everything, as All does.
var known = []string{"job", "instance", "worker"}

// plain is an expression with Grafana's variables filled in.
func plain(expr string) string {
	expr = interval.ReplaceAllString(expr, "[5m]")
	return variables.ReplaceAllStringFunc(expr, func(name string) string {
		if slices.Contains(known, strings.Trim(name, "${}")) {
			return ".*"
		}
		return name // which does not parse, or matches nothing: seen
	})
}
