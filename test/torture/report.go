package main

import (
	"fmt"
	"runtime"
	"strings"
	"time"
)

// report is the table of all turns.
type report struct {
	command string
	started time.Time
	turns   []*turn
}

const preface = `Each row is a service of %d workers to which one thing is done again and again while six kinds of clients use it at once. No client
retries anything. A request is **lost** when its connection was accepted and no whole answer came; **late** when the answer took a second
more than it needs; **doubled** when it began twice in a handler or more than one answer came.

Each turn ends with a SIGTERM, after which all but the kept clients still send for as long as connections are accepted; what was accepted
is in the account.

A cell has: lost · late · doubled, of so many sent. A loss without an excuse fails the run, and so do a doubled request, a wrong answer and a
connection refused before the stop. What the excuse is stands below the table; it is checked: the connection was held by a process that
the fault killed, or, if no process ever said that it held it, was lost in the second in which one was killed. To be late is no failure: it depends on the machine, and is stated.

`

func (r *report) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Torture\n\nWritten by `%s` on %s, %d CPUs, %s.\n\n", r.command, r.started.UTC().Format("2006-01-02 15:04 MST"), runtime.NumCPU(), runtime.Version())
	fmt.Fprintf(&b, preface, workers)
	b.WriteString("| fault | times |")
	for _, k := range kinds {
		fmt.Fprintf(&b, " %s |", k)
	}
	b.WriteString("\n|---|---:|" + strings.Repeat("---:|", len(kinds)) + "\n")
	for _, t := range r.turns {
		fmt.Fprintf(&b, "| %s | %d |", t.fault.name, t.times)
		for _, k := range kinds {
			a := t.tally[k]
			fmt.Fprintf(&b, " %d · %d · %d of %d |", len(a.losses), a.late, a.doubled, a.sent)
		}
		b.WriteString("\n")
	}
	b.WriteString("\n## The clients\n\n" +
		"- **short**: a connection for each request\n" +
		"- **kept**: POST on connections kept alive, with up to 1.5 s between two requests; half of the clients are blind, they send without a look at whether the server has closed meanwhile\n" +
		"- **stream**: an answer of 20 chunks in 0.8 s\n" +
		"- **upload**: a body of 64 KiB in 0.5 s\n" +
		"- **websocket**: messages that must come back\n" +
		"- **h2**: three POSTs at a time on one connection without TLS\n\n" +
		"## The faults\n\n")
	for _, t := range r.turns {
		fmt.Fprintf(&b, "- **%s**: %s.", t.fault.name, t.fault.what)
		if t.fault.cost != "" {
			fmt.Fprintf(&b, " The price: %s.", t.fault.cost)
		}
		told := 0
		for _, k := range kinds {
			told += t.tally[k].told
		}
		if told > 0 {
			fmt.Fprintf(&b, " %d times the server said by the protocol's own word (GOAWAY, close 1012) that it had not taken what was sent.", told)
		}
		b.WriteString("\n")
	}
	return b.String()
}
