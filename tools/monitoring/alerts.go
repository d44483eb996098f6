package main

import (
	"os"

	"go.yaml.in/yaml/v3"
)

type alert struct {
	Name        string            `json:"name"`
	Severity    string            `json:"severity"`
	Annotations map[string]string `json:"annotations"`
}

// tries is how often the unit tests expect an alert to fire, and to be silent.
type tries struct {
	Fires  int `json:"fires"`
	Silent int `json:"silent"`
}

// readAlerts reads a file of rules. Whether Prometheus takes it is for promtool to say.
func (f *found) readAlerts(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var file struct {
		Groups []struct {
			Rules []struct {
				Alert, Expr         string
				Labels, Annotations map[string]string
			}
		}
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		return err
	}
	for _, group := range file.Groups {
		for _, rule := range group.Rules {
			q, err := analyse("alert "+rule.Alert, rule.Expr)
			if err != nil {
				return err
			}
			f.Queries = append(f.Queries, q)
			f.Alerts = append(f.Alerts, alert{rule.Alert, rule.Labels["severity"], rule.Annotations})
		}
	}
	return nil
}

// readTests reads what promtool test rules takes.
func (f *found) readTests(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var file struct {
		Tests []struct {
			Rules []struct {
				Name     string `yaml:"alertname"`
				Expected []any  `yaml:"exp_alerts"`
			} `yaml:"alert_rule_test"`
		}
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		return err
	}
	for _, test := range file.Tests {
		for _, rule := range test.Rules {
			n := f.Tried[rule.Name]
			if len(rule.Expected) > 0 {
				n.Fires++
			} else {
				n.Silent++
			}
			f.Tried[rule.Name] = n
		}
	}
	return nil
}
