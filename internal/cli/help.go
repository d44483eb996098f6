package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tandem-go/tandem/internal/config"
)

// small are the commands that help names on one line together.
var small = []string{"version", "completion", "help"}

// Help is what supervisor --help prints: a screen of 24 lines.
func Help() string {
	var b strings.Builder
	b.WriteString(`Usage: supervisor [flags] [-- COMMAND [ARG...]]
       supervisor COMMAND [--control PATH]

Keeps workers ready behind one socket. Without a command after -- it runs app.

`)
	for _, c := range offered() {
		if !slices.Contains(small, c.name) {
			fmt.Fprintf(&b, "  %-14s %s\n", c.name, c.short)
		}
	}
	fmt.Fprintf(&b, "  %s\n", strings.Join(small, ", "))
	b.WriteString(`
Flags to begin with: --workers N, --bind ADDR, --env-file PATH
More: supervisor help flags, supervisor help COMMAND, man supervisor
`)
	return b.String()
}

// helpFlags is what supervisor help flags prints: the settings, one on a line.
func helpFlags() string {
	return "Flags [default]; --some-flag is also SUPERVISOR_SOME_FLAG:\n" + config.Help() +
		"\nTIME: 30s, 1m30s or seconds. See docs/configuration.md and docs/signals.md\n"
}
