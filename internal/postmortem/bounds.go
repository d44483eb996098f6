package postmortem

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const (
	maxLines     = 200
	maxLineBytes = 256 << 10
	maxRequests  = 256
	maxCommand   = 4 << 10
	maxText      = 2 << 10
	keyLines     = 3
)

// bound cuts what a worker can make long.
func (r *Record) bound() {
	r.Cause.Text, r.Cause.Asked = shorten(r.Cause.Text, maxText), shorten(r.Cause.Asked, maxText)
	size := 0
	for i, arg := range r.Command {
		if size += len(arg); size > maxCommand {
			r.Command = append(slices.Clone(r.Command[:i]), "…")
			break
		}
	}
	if n := len(r.Requests) - maxRequests; n > 0 {
		r.Requests, r.RequestsOmitted = r.Requests[:maxRequests], r.RequestsOmitted+n
	}
	size = 0
	for i, l := range slices.Backward(r.Lines) {
		if size += len(l.Text); size > maxLineBytes || len(r.Lines)-i > maxLines {
			r.Lines = r.Lines[i+1:]
			break
		}
	}
	// What is escaped in JSON takes up to six times its length.
	for r.size() > maxFile && len(r.Lines) > 0 {
		r.Lines = r.Lines[(len(r.Lines)+1)/2:]
	}
	if r.size() > maxFile && r.Dump != nil {
		dump := *r.Dump
		for _, g := range dump.Groups[1:] {
			dump.OmittedGoroutines += g.Count
		}
		dump.Groups = dump.Groups[:1]
		r.Dump = &dump
	}
}

// size is what the record takes on disk.
func (r *Record) size() int {
	text, err := json.Marshal(r)
	if err != nil {
		return 0
	}
	return len(text)
}

// Summary is the record without what is long.
func (r *Record) Summary() Record {
	short := *r
	short.Lines, short.Dump = nil, nil
	return short
}

// key is what ends have in common that are repetitions of one: generation,
// cause, state, what was in flight, and the last words but for their numbers.
func (r *Record) key() string {
	hash := sha256.New()
	fmt.Fprintf(hash, "%d\n%s\n%s\n%s\n", r.Generation, r.Cause.Class, blur(r.Cause.Text), r.State)
	var kinds []string
	for _, q := range r.Requests {
		if kind := q.Method + " " + q.Route; !slices.Contains(kinds, kind) {
			kinds = append(kinds, kind)
		}
	}
	slices.Sort(kinds)
	fmt.Fprintf(hash, "%q\n", kinds)
	// Two streams are read side by side: which line of one came before which of the other
	// is as it happened to be read.
	last := slices.Clone(r.Lines[max(0, len(r.Lines)-keyLines):])
	slices.SortStableFunc(last, func(a, b Line) int { return cmp.Compare(a.Stream, b.Stream) })
	for _, l := range last {
		fmt.Fprintf(hash, "%s %s\n", l.Stream, blur(shorten(l.Text, 1000)))
	}
	if r.Dump != nil && len(r.Dump.Groups) > 0 {
		fmt.Fprintf(hash, "%q %s\n", r.Dump.Groups[0].State, blur(shorten(r.Dump.Groups[0].Stack, 1000)))
	}
	return hex.EncodeToString(hash.Sum(nil)[:16])
}

// blur makes numbers alike, which differ from one death of a kind to the next.
func blur(text string) string { return number.ReplaceAllString(text, "0") }

var number = regexp.MustCompile(`0x[0-9a-f]+|[0-9a-f]*[0-9][0-9a-f]*`)

// Find gives the index of the record that text names among records, the newest
// first: by its id, or by its worker ("7" or "w7"), whose last end it is. -1:
// there is none.
func Find(records []Record, text string) int {
	if i := slices.IndexFunc(records, func(r Record) bool { return r.ID == text }); i >= 0 {
		return i
	}
	worker, err := strconv.ParseUint(strings.TrimPrefix(text, "w"), 10, 64)
	if err != nil {
		return -1
	}
	return slices.IndexFunc(records, func(r Record) bool {
		return r.Worker == worker || slices.ContainsFunc(r.Repeats, func(p Repeat) bool { return p.Worker == worker })
	})
}
