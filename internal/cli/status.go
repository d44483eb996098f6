package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tandem-go/tandem/internal/control"
	"github.com/tandem-go/tandem/internal/printable"
)

func (p *program) status(args []string) (int, error) {
	var asJSON bool
	client, _, err := p.client(args, nil, map[string]*bool{"json": &asJSON})
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
	defer cancel()
	st, err := client.Status(ctx)
	if err != nil {
		return 0, err
	}
	if !asJSON {
		return p.print(statusText(st)), nil
	}
	text, err := json.MarshalIndent(st, "", "  ")
	if err != nil {
		return 0, fmt.Errorf("put the status into JSON: %w", err)
	}
	return p.print(string(text) + "\n"), nil
}

func statusText(st control.Status) string {
	last := "none yet"
	if r := st.LastReload; r != nil {
		last = fmt.Sprintf("%s (generation %d)", r.Result, r.Generation)
		if r.Error != "" {
			last += ": " + r.Error
		}
	}
	listeners := strings.Join(st.Listeners, " ")
	if listeners == "" {
		listeners = "-"
	}
	var b strings.Builder
	rows := [][]string{
		{"state", st.State},
	}
	if p := st.Progress; p != nil {
		rows = append(rows, []string{"progress", p.Text})
	}
	b.WriteString(columns(append(rows, [][]string{
		{"pid", strconv.Itoa(st.PID)},
		{"version", st.Version},
		{"generation", strconv.Itoa(st.Generation)},
		{"uptime", age(st.UptimeSeconds)},
		{"listeners", listeners},
		{"last reload", last},
	}...), ""))
	if r := st.LastReload; r != nil && len(r.LastWords) > 0 {
		b.WriteString(lastWords(r.LastWords))
	}
	for _, suspect := range st.Suspects {
		fmt.Fprintf(&b, "suspected    %s; see supervisor why\n", printable.Line(suspect.String()))
	}
	if len(st.Workers) == 0 {
		b.WriteString("\nno workers\n")
		return b.String()
	}
	table := [][]string{{"WORKER", "PID", "GEN", "STATE", "AGE", "REQUESTS", "IN-FLIGHT", "CONNECTIONS", "RSS"}}
	for _, w := range st.Workers {
		table = append(table, []string{
			strconv.FormatUint(w.ID, 10), strconv.Itoa(w.PID), strconv.Itoa(w.Generation), w.State, age(w.AgeSeconds),
			known(w.Requests), known(w.InFlight), known(w.Connections), memory(w.RSSBytes),
		})
	}
	b.WriteString("\n" + columns(table, "rrrlrrrrr"))
	return b.String()
}

// columns aligns rows of equally many cells; align has l or r for each column
// and l for those beyond it. The cells are made fit for a terminal.
func columns(rows [][]string, align string) string {
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(printable.Line(cell)))
		}
	}
	var b strings.Builder
	for _, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			cell = printable.Line(cell)
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if i < len(align) && align[i] == 'r' {
				line.WriteString(pad + cell + "  ")
			} else {
				line.WriteString(cell + pad + "  ")
			}
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	return b.String()
}

// known gives a number, or - for what is not known.
func known[T uint64 | int64](n *T) string {
	if n == nil {
		return "-"
	}
	return fmt.Sprint(*n)
}

func memory(bytes *int64) string {
	if bytes == nil {
		return "-"
	}
	return strconv.FormatFloat(float64(*bytes)/(1<<20), 'f', 1, 64) + "MiB"
}

// age gives a length of time with the two units that matter.
func age(seconds float64) string {
	d := time.Duration(seconds * float64(time.Second))
	switch {
	case d < time.Minute:
		return d.Truncate(100 * time.Millisecond).String()
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dd%02dh", int(d.Hours())/24, int(d.Hours())%24)
}
