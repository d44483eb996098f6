package cli

import (
	"fmt"
	"strings"

	"github.com/tandem-go/tandem/internal/budget"
	"github.com/tandem-go/tandem/internal/config"
	"github.com/tandem-go/tandem/internal/forecast"
	"github.com/tandem-go/tandem/internal/printable"
)

// check loads the settings as the supervisor would, looks for the worker's
// executable, and says what it found.
func (p *program) check(args []string) (int, error) {
	loaded, err := config.Load(args, p.environ)
	if err != nil {
		return 0, err
	}
	if code := p.print(report(loaded)); code != exitOK {
		return code, nil
	}
	limits := budget.Read()
	workers := loaded.Workers.Resolve(limits.CPUs)
	connections, err := loaded.Connections(workers)
	if err != nil {
		return 0, err
	}
	if code := p.print(forecastText(forecast.Of(p.facts(loaded, limits, workers, connections)))); code != exitOK {
		return code, nil
	}
	path, argv, err := config.ResolveCommand(loaded.Command, string(loaded.Chdir))
	if err != nil {
		return 0, err
	}
	if err := config.CheckInterpreter(argv[0], path, loaded.WorkerEnv()); err != nil {
		return 0, err
	}
	text := "\nworker command: " + path
	if len(argv) > 1 {
		text += " with " + plural(len(argv)-1, "argument")
	}
	return p.print(text + "\n\nthe settings are valid\n"), nil
}

// forecastText is what will be, and then what will hurt.
func forecastText(f forecast.Forecast) string {
	var b strings.Builder
	for _, list := range []struct {
		before string
		lines  []string
	}{{"", f.Lines}, {"warning: ", f.Warnings}} {
		for i, line := range list.lines {
			if i == 0 {
				b.WriteString("\n")
			}
			b.WriteString(list.before + printable.Line(line) + "\n")
		}
	}
	return b.String()
}

func report(l *config.Loaded) string {
	rows := [][]string{{"SETTING", "VALUE", "FROM"}}
	for _, s := range config.All() {
		value := s.Text(&l.Settings)
		if value == "" {
			value = "-"
		}
		rows = append(rows, []string{"--" + s.Name, value, l.Origins[s.Name].String()})
	}
	var b strings.Builder
	b.WriteString(columns(rows, ""))
	if l.EnvFile.Path != "" {
		keys := l.FileKeys()
		fmt.Fprintf(&b, "\nenv file %s: %s for workers", l.EnvFile.Path, plural(len(keys), "key"))
		if len(keys) > 0 {
			b.WriteString(": " + strings.Join(keys, ", "))
		}
		b.WriteString("\n")
	}
	for _, list := range []struct {
		name  string
		lines []string
	}{{"ignored", l.Ignored}, {"warning", l.Warnings}} {
		for i, line := range list.lines {
			if i == 0 {
				b.WriteString("\n")
			}
			fmt.Fprintf(&b, "%s: %s\n", list.name, printable.Line(line))
		}
	}
	return b.String()
}
