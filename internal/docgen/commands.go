package main

import (
	"fmt"
	"strings"

	"github.com/tandem-go/tandem/internal/cli"
)

// commandsPage makes docs/commands.md of the table of commands.
func commandsPage([]byte) ([]byte, error) {
	var b strings.Builder
	b.WriteString("# Commands\n\nWritten by `make docs` from what `supervisor help` prints. Without a command `supervisor` runs a service: its flags are in [Configuration](configuration.md), its signals and exit codes in [Signals and reload](signals.md).\n\n")
	b.WriteString("Commands that talk to a supervisor that runs find it by `--control PATH`, else by `SUPERVISOR_CONTROL`, else where a supervisor of the same user puts its socket by default. They exit with 0 when it was done, 1 when it failed, and 2 when it was not understood. What they ask for can be asked for by any program: [the control socket's requests, and the fields of what is answered](status.md).\n\n")
	b.WriteString("| command | | talks to a supervisor |\n|---|---|---|\n")
	all := cli.Commands()
	for _, c := range all {
		name, _, _ := strings.Cut(c.Usage, " ")
		talks := "no"
		if c.Client {
			talks = "yes"
		}
		fmt.Fprintf(&b, "| [`%s`](#%s) | %s | %s |\n", cell(c.Usage), name, cell(c.Short), talks)
	}
	for _, c := range all {
		name, _, _ := strings.Cut(c.Usage, " ")
		fmt.Fprintf(&b, "\n## %s\n\n`supervisor %s`\n\n%s\n", name, c.Usage, c.About)
		if len(c.Flags) > 0 {
			b.WriteString("\nFlags: `" + strings.Join(c.Flags, "`, `") + "`.\n")
		}
	}
	return []byte(b.String()), nil
}

// cell is text in a table.
func cell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }
