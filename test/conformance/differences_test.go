package conformance

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"

	"github.com/tandem-go/tandem/test/conformance/raw"
)

// difference is one between a worker and net/http: the worker refuses what net/http
// lets through, or answers in another way.
type difference struct {
	reason  string         // as the worker's answer says it
	status  int            // of that answer
	clause  string         // of the RFC, or the limit
	nethttp string         // what net/http does, and why it is not enough
	sent    *regexp.Regexp // what is sent then
}

// differences are all that there are.
var differences = []difference{
	{
		reason: "431 Request Header Fields Too Large", status: 431, clause: "the limit on a header, RFC 6585, 5",
		nethttp: "takes 1 MiB of header", sent: regexp.MustCompile(`(?s)vvv{900}.*vvv{900}`),
	},
}

// explain finds the differences between two outcomes on the list. The error is the
// one that is not there.
func explain(wire []byte, ours, theirs outcome) (reasons []string, err error) {
	for i := range max(len(ours.answers), len(theirs.answers)) {
		if i < len(ours.answers) && i < len(theirs.answers) && same(ours.answers[i], theirs.answers[i]) {
			continue
		}
		return refused(wire, ours, i)
	}
	if ours.kept != theirs.kept {
		return nil, fmt.Errorf("kept is %v, net/http has %v", ours.kept, theirs.kept)
	}
	return nil, nil
}

// refused explains that the worker's answer i is another one than net/http's: it
// has refused what came, and for the reason that it says.
func refused(wire []byte, ours outcome, i int) ([]string, error) {
	if i >= len(ours.answers) {
		return nil, fmt.Errorf("answer %d is missing", i+1)
	}
	a := ours.answers[i]
	at := slices.IndexFunc(differences, func(d difference) bool {
		return d.status == a.Status && bytes.Contains(a.Body, []byte(d.reason)) && d.sent.Match(wire)
	})
	switch {
	case at < 0:
		return nil, fmt.Errorf("answer %d differs", i+1)
	case i < len(ours.answers)-1, ours.kept:
		return nil, fmt.Errorf("answer %d refuses, and the connection goes on", i+1)
	}
	return []string{differences[at].reason}, nil
}

// volatile are header fields that are never the same twice.
var volatile = []string{"Date", "X-Request-Id", "X-Elapsed-Ms"}

// same compares two answers. The words of a refusal, which no handler has made, are
// each server's own.
func same(a, b *raw.Response) bool {
	steady := func(r *raw.Response) []raw.Field {
		return slices.DeleteFunc(slices.Clone(r.Header), func(f raw.Field) bool { return slices.Contains(volatile, f.Name) })
	}
	if a.Status != b.Status || a.Proto != b.Proto {
		return false
	}
	if a.Get("X-Request-Id") == "" && a.Status >= 400 {
		return b.Get("X-Request-Id") == "" && a.Closing() == b.Closing()
	}
	body := func(r *raw.Response) []byte { return bytes.ReplaceAll(r.Body, []byte(r.Get("X-Request-Id")), nil) }
	return a.Whole == b.Whole && bytes.Equal(body(a), body(b)) && slices.Equal(steady(a), steady(b))
}

// differencesTable is that of the documentation.
func differencesTable() string {
	var rows [][]string
	for _, d := range differences {
		rows = append(rows, []string{d.reason, fmt.Sprint(d.status), d.clause, d.nethttp})
	}
	return table([]string{"a worker refuses", "with", "for", "net/http"}, rows)
}
