// Command monitoring reads alerting rules and dashboards as Prometheus and Grafana do, and
// prints as JSON every series that their expressions name, the alerts, and which of these the
// unit tests of rules expect: the tests of deploy/monitoring hold that against a real scrape. It has a module of its own for Prometheus's parser, of whose
// dependencies the programs need none.
//
//	go run . alerts.yaml dashboard.json alerts_test.yaml
//
// The exit code is 1 when a file is not what the two programs take: each fault is a line on
// stderr.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// query is one expression, and what it asks for.
type query struct {
	Where  string   `json:"where"` // for a person: the file, and the alert or panel
	Expr   string   `json:"expr"`
	Series []series `json:"series"`
	Labels []string `json:"labels"` // that it groups or joins by
}

// series is a metric's name with what its labels must be.
type series struct {
	Name     string    `json:"name"`
	Matchers []matcher `json:"matchers"`
}

type matcher struct {
	Label string `json:"label"`
	Type  string `json:"type"` // =, !=, =~ or !~
	Value string `json:"value"`
}

// found is all that is printed.
type found struct {
	Queries []query          `json:"queries"`
	Alerts  []alert          `json:"alerts"`
	Tried   map[string]tries `json:"tried"`
}

func main() {
	all := found{Queries: []query{}, Alerts: []alert{}, Tried: map[string]tries{}}
	err := all.read(os.Args[1:])
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(all)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func (f *found) read(paths []string) error {
	var faults []error
	for _, path := range paths {
		reader := f.readAlerts
		switch {
		case strings.HasSuffix(path, ".json"):
			reader = f.readDashboard
		case strings.HasSuffix(path, "_test.yaml"):
			reader = f.readTests
		}
		if err := reader(path); err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", path, err))
		}
	}
	return errors.Join(faults...)
}

// analyse takes an expression apart.
func analyse(where, expr string) (query, error) {
	q := query{Where: where, Expr: expr, Series: []series{}, Labels: []string{}}
	tree, err := parser.NewParser(parser.Options{}).ParseExpr(expr)
	if err != nil {
		return q, fmt.Errorf("%s: %w in %s", where, err, expr)
	}
	parser.Inspect(tree, func(node parser.Node, _ []parser.Node) error {
		switch node := node.(type) {
		case *parser.VectorSelector:
			q.Series = append(q.Series, selected(node))
		case *parser.AggregateExpr:
			q.Labels = append(q.Labels, node.Grouping...)
		case *parser.BinaryExpr:
			if node.VectorMatching != nil {
				q.Labels = append(append(q.Labels, node.VectorMatching.MatchingLabels...), node.VectorMatching.Include...)
			}
		}
		return nil
	})
	return q, nil
}

func selected(v *parser.VectorSelector) series {
	s := series{Name: v.Name, Matchers: []matcher{}}
	for _, m := range v.LabelMatchers {
		if m.Name == labels.MetricName {
			s.Name = m.Value
			continue
		}
		s.Matchers = append(s.Matchers, matcher{m.Name, m.Type.String(), m.Value})
	}
	return s
}
