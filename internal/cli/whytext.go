package cli

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/tandem-go/tandem/internal/postmortem"
	"github.com/tandem-go/tandem/internal/printable"
)

const whenFormat = "2006-01-02 15:04:05 UTC"

func reportText(r postmortem.Report) string {
	var b strings.Builder
	if len(r.Records) == 0 {
		b.WriteString("no worker has ended abnormally\n")
	} else {
		rows := [][]string{{"ID", "WHEN", "WORKER", "GEN", "STATE", "TIMES", "CAUSE", "IN FLIGHT"}}
		for _, rec := range r.Records {
			rows = append(rows, []string{
				rec.ID, rec.Last().UTC().Format(whenFormat), strconv.FormatUint(rec.Worker, 10), strconv.Itoa(rec.Generation),
				rec.State, strconv.Itoa(rec.Count), clip(rec.Cause.Text, 72), inFlight(rec),
			})
		}
		b.WriteString(columns(rows, "llrrlr"))
	}
	for i, s := range r.Suspects {
		if i == 0 {
			b.WriteString("\n")
		}
		fmt.Fprintf(&b, "suspected: %s\n", printable.Line(s.String()))
	}
	if r.Dropped > 0 {
		fmt.Fprintf(&b, "\n%s came too fast to be kept\n", plural(int(min(r.Dropped, 1<<30)), "more abnormal end"))
	}
	if r.Problem != "" {
		fmt.Fprintf(&b, "\n%s\n", printable.Line(r.Problem))
	}
	return b.String()
}

// inFlight says in short what a worker was at when it died.
func inFlight(r postmortem.Record) string {
	if len(r.Requests) == 0 {
		if r.Counters != nil && r.Counters.InFlight > 0 {
			return strconv.FormatInt(r.Counters.InFlight, 10)
		}
		return "-"
	}
	count := make(map[string]int)
	var kinds []string
	for _, q := range r.Requests {
		kind := q.Method + " " + q.Route
		if count[kind]++; count[kind] == 1 {
			kinds = append(kinds, kind)
		}
	}
	slices.SortStableFunc(kinds, func(a, b string) int { return cmp.Compare(count[b], count[a]) })
	text := strconv.Itoa(len(r.Requests)+r.RequestsOmitted) + ": "
	for i, kind := range kinds {
		if i == 3 {
			return text + fmt.Sprintf(", and %d others", len(kinds)-3)
		}
		if i > 0 {
			text += ", "
		}
		if text += clip(kind, 40); count[kind] > 1 {
			text += fmt.Sprintf(" x%d", count[kind])
		}
	}
	return text
}

// clip cuts text to n characters.
func clip(text string, n int) string {
	if runes := []rune(text); len(runes) > n {
		return string(runes[:n-1]) + "…"
	}
	return text
}

func recordText(r postmortem.Record) string {
	rows := [][]string{
		{"record", r.ID},
		{"when", r.Time.UTC().Format(whenFormat)},
		{"worker", fmt.Sprintf("%d (pid %d, generation %d)", r.Worker, r.PID, r.Generation)},
		{"command", strings.Join(r.Command, " ")},
		{"cause", r.Cause.Text},
	}
	add := func(name, text string) {
		if text != "" {
			rows = append(rows, []string{name, text})
		}
	}
	add("meaning", r.Cause.Meaning)
	add("evidence", r.Cause.Evidence)
	add("asked to", r.Cause.Asked)
	since := "it was started " + age(r.AgeSeconds) + " before"
	if r.ReadySeconds != nil {
		since = "it had become ready " + age(*r.ReadySeconds) + " before, and was started " + age(r.AgeSeconds) + " before"
	}
	add("state", r.State+"; "+since)
	if l := r.Reload; l != nil {
		text := fmt.Sprintf("it was tried for generation %d", l.Generation)
		if l.Failed != "" {
			text += ", and undone because " + l.Failed
		}
		add("reload", text)
	}
	add("memory", fmt.Sprintf("last %s, most %s, limit of the service %s", memory(r.Memory.LastBytes), memory(r.Memory.PeakBytes), memory(r.Memory.LimitBytes)))
	if r.CPUSeconds != nil {
		add("cpu time", age(*r.CPUSeconds))
	}
	if c := r.Counters; c != nil {
		add("served", fmt.Sprintf("%d requests, with %d in flight at the end; %d connections", c.Requests, c.InFlight, c.Connections))
	}
	if n := len(r.Repeats); n > 0 {
		last := r.Repeats[n-1]
		add("repeated", fmt.Sprintf("%d times like this in all, the last %s (worker %d, pid %d)", r.Count, last.Time.UTC().Format(whenFormat), last.Worker, last.PID))
	}
	var b strings.Builder
	b.WriteString(columns(rows, ""))
	b.WriteString(requestsText(r) + linesText(r.Lines) + dumpText(r.Dump))
	return b.String()
}

func requestsText(r postmortem.Record) string {
	if len(r.Requests) == 0 {
		return ""
	}
	rows := [][]string{{"AGE", "METHOD", "ROUTE", "ID"}}
	for _, q := range r.Requests {
		rows = append(rows, []string{age(q.AgeSeconds), q.Method, q.Route, cmp.Or(q.ID, "-")})
	}
	text := "\nrequests in flight\n" + indent4(columns(rows, "r"))
	if r.RequestsOmitted > 0 {
		text += fmt.Sprintf("    and %d more\n", r.RequestsOmitted)
	}
	return text
}

func linesText(lines []postmortem.Line) string {
	if len(lines) == 0 {
		return "\nit wrote nothing that is kept\n"
	}
	var b strings.Builder
	b.WriteString("\nlast lines\n")
	for _, l := range lines {
		mark := ""
		if l.Stream != "" {
			mark = fmt.Sprintf("%-6s  ", l.Stream)
		}
		for part := range strings.SplitSeq(l.Text, "\n") {
			b.WriteString("    " + mark + terminal(part) + "\n")
			mark = strings.Repeat(" ", len(mark))
		}
	}
	return b.String()
}

func dumpText(d *postmortem.Dump) string {
	if d == nil {
		return ""
	}
	var b strings.Builder
	printed := d.Bytes
	fmt.Fprintf(&b, "\n%s in %s (%s as printed)\n", plural(d.Goroutines, "goroutine"), plural(len(d.Groups), "stack"), memory(&printed))
	for _, l := range d.Head {
		b.WriteString("    " + terminal(l) + "\n")
	}
	for _, g := range d.Groups {
		fmt.Fprintf(&b, "\n    %d %s%s\n", g.Count, terminal(g.State), waits(g))
		for l := range strings.SplitSeq(g.Stack, "\n") {
			l, _, _ = strings.Cut(l, " fp=0x") // --json has the registers
			b.WriteString("        " + terminal(l) + "\n")
		}
	}
	if d.OmittedGoroutines > 0 || d.OmittedStackBytes > 0 || d.OmittedLines > 0 {
		fmt.Fprintf(&b, "\n    left out: the stacks of %s, %d bytes of long stacks, %s around them\n",
			plural(d.OmittedGoroutines, "goroutine"), d.OmittedStackBytes, plural(d.OmittedLines, "line"))
	}
	if len(d.Tail) > 0 {
		b.WriteString("\n")
		for _, l := range d.Tail {
			b.WriteString("    " + terminal(l) + "\n")
		}
	}
	return b.String()
}

func waits(g postmortem.Group) (text string) {
	switch {
	case g.MaxMinutes == 0:
	case g.MinMinutes == g.MaxMinutes:
		text = fmt.Sprintf(", for %d minutes", g.MaxMinutes)
	default:
		text = fmt.Sprintf(", for %d to %d minutes", g.MinMinutes, g.MaxMinutes)
	}
	if g.Locked > 0 {
		text += fmt.Sprintf(", %d locked to a thread", g.Locked)
	}
	return text
}

// terminal is one line of a worker as a terminal may have it: tabs stay.
func terminal(l string) string {
	parts := strings.Split(l, "\t")
	for i := range parts {
		parts[i] = printable.Line(parts[i])
	}
	return strings.Join(parts, "    ")
}

func indent4(text string) string {
	return "    " + strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n    ") + "\n"
}
