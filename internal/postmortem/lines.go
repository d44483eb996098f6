package postmortem

import (
	"fmt"
	"strings"
)

// Strip takes goroutine dumps out of log records, where they are one record
// each: what a program said before the first goroutine stays, and a line says
// what was taken out. dump is what is kept of it instead; without one nothing
// is taken out.
func Strip(lines []Line, dump *Dump) []Line {
	if dump == nil {
		return lines
	}
	var kept []Line
	died := false
	for _, l := range lines {
		head, n, ok := cutDump(l.Text)
		if !ok && died && l.Stream != "stdout" && strings.Contains(l.Text, "\n") {
			head, n, ok = "", strings.Count(l.Text, "\n")+1, true // a later part of it
		}
		if ok {
			died = true
			if l.Text = head; head != "" {
				l.Text += "\n"
			}
			l.Text += fmt.Sprintf("[%d lines of a goroutine dump are kept apart]", n)
		}
		kept = append(kept, l)
	}
	return kept
}

// cutDump gives what comes before the goroutines in a record of a program that
// says it is dying, and how many lines come from there. Only dumps have several
// lines. The stack of a goroutine that a living program prints is left alone.
func cutDump(text string) (head string, lines int, ok bool) {
	all := strings.Split(text, "\n")
	if len(all) < 2 || !dying(all[0]) {
		return "", 0, false
	}
	for i, l := range all {
		if _, is := goroutineHeader([]byte(l)); is {
			return strings.TrimRight(strings.Join(all[:i], "\n"), "\n"), len(all) - i, true
		}
	}
	return "", 0, false
}

func dying(first string) bool {
	for _, p := range []string{"panic: ", "fatal error: ", "SIGABRT: ", "SIGQUIT: ", "SIGSEGV: ", "SIGBUS: ", "SIGFPE: ", "SIGILL: ", "SIGTRAP: ", "SIGSYS: "} {
		if strings.HasPrefix(first, p) {
			return true
		}
	}
	return false
}
