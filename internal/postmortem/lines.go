package postmortem

import "strings"

// Strip takes goroutine dumps out of log records, where they are one record
// each: what a program said before the first goroutine stays, and a line says
// that the rest was taken out. dump is what is kept of it instead; without one nothing
// is taken out.
func Strip(lines []Line, dump *Dump) []Line {
	if dump == nil {
		return lines
	}
	var kept []Line
	died := false
	for _, l := range lines {
		if died && l.Stream != "stdout" && strings.Contains(l.Text, "\n") {
			continue // a later part of it
		}
		if head, ok := cutDump(l.Text); ok {
			died = true
			l.Text = head + "\n" + keptApart
		}
		kept = append(kept, l)
	}
	return kept
}

const keptApart = "[its goroutines are kept apart]"

// cutDump gives what comes before the goroutines in a record of a program that
// says it is dying. Only dumps have several lines. The stack of a goroutine that
// a living program prints is left alone.
func cutDump(text string) (head string, ok bool) {
	all := strings.Split(text, "\n")
	if len(all) < 2 || !dying(all[0]) {
		return "", false
	}
	for i, l := range all {
		if _, is := goroutineHeader([]byte(l)); is {
			return strings.TrimRight(strings.Join(all[:i], "\n"), "\n"), true
		}
	}
	return "", false
}

func dying(first string) bool {
	for _, p := range []string{"panic: ", "fatal error: ", "SIGABRT: ", "SIGQUIT: ", "SIGSEGV: ", "SIGBUS: ", "SIGFPE: ", "SIGILL: ", "SIGTRAP: ", "SIGSYS: "} {
		if strings.HasPrefix(first, p) {
			return true
		}
	}
	return false
}
