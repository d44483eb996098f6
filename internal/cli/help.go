package cli

import (
	"fmt"
	"strings"

	"github.com/tandem-go/tandem/internal/config"
)

// notYet marks what a later version brings.
const notYet = "(not in this version yet)"

// Help is what supervisor --help prints: one screen.
func Help() string {
	var b strings.Builder
	b.WriteString(`Usage: supervisor [flags] [-- COMMAND [ARG...]]
       supervisor COMMAND [--control PATH]

Keeps workers ready behind one socket. Without a command after -- it runs app.

Commands:
`)
	var later []string
	for _, c := range commands() {
		if c.later {
			later = append(later, c.name)
			continue
		}
		fmt.Fprintf(&b, "  %-24s %s\n", strings.TrimSpace(c.name+" "+c.args), c.short)
	}
	fmt.Fprintf(&b, "  %s %s\n", strings.Join(later, ", "), notYet)
	b.WriteString("\nFlags [default]; --some-flag is also SUPERVISOR_SOME_FLAG:\n")
	b.WriteString(config.Help())
	b.WriteString("\nTIME: 30s, 1m30s or seconds. See docs/configuration.md and docs/signals.md\n")
	return b.String()
}
