package conformance

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"

	"github.com/tandem-go/tandem/test/conformance/raw"
)

// difference is one between a worker and net/http: but for blankLines, the worker
// refuses what net/http lets through, or answers in another way.
type difference struct {
	reason  string         // as the worker's answer says it
	status  int            // of that answer; 0: see blankLines and twoFaults
	clause  string         // of the RFC, or the limit
	nethttp string         // what net/http does
	sent    *regexp.Regexp // what is sent then
	body    bool           // it may come when the request is with its handler, whose reads of the body end with it
}

// Parts of patterns.
const (
	// lines precede what is on a line of its own.
	startOfLine = `(?:^|\n)`
	// field precedes the value of one.
	hostIs = `(?i:\nHost:)[ \t]*`
)

// differences are all that there are.
var differences = []difference{
	{
		blankLines, 0, "RFC 9112, 2.2: SHOULD ignore at least one",
		"refuses with 400", sending(startOfLine + `\r?\n`), false,
	},
	{
		"a line that ends in LF without CR", 400, "RFC 9112, 2.2: MAY be taken for a line end, in heads alone",
		"takes it for one, in chunked framing too", sending(`(?:^|[^\r])\n|(?i:Content-Length)`), true, // or a body ends between a CR and its LF
	},
	{
		"a CR without LF", 400, "RFC 9112, 2.2: MUST be taken for invalid, or for a blank",
		"skips it before a request that follows a POST", sending(`\r(?:[^\n]|$)`), false,
	},
	{
		"only HTTP/1.0 and HTTP/1.1 are spoken here", 505, "RFC 9110, 15.6.6; 6.2 would have 1.2 served as 1.1, which nothing but probes sends",
		"speaks HTTP/1.1 with 1.2 to 1.9", sending(`HTTP/\d\.\d`), false,
	},
	{
		"an octet in the request target that must be percent-encoded", 400, "RFC 3986, 2",
		"passes octets above 127 on", sending(`[\x80-\xff<>\\^{}"` + "`" + `\x00-\x1f\x7f]`), false,
	},
	{
		"a fragment in the request target", 400, "RFC 9112, 3.2: no form of target has one",
		"takes it for a part of the path", sending(`#`), false,
	},
	{
		"the target * is for OPTIONS alone", 400, "RFC 9112, 3.2.4",
		"passes it on with every method", sending(` \* `), false,
	},
	{
		"a request target that is no path and no http or https URI", 400, "RFC 9112, 3.2: SHOULD be 400",
		"passes on whatever net/url parses, such as host:443", sending(startOfLine + `\S+ +[^/\s*]`), false,
	},
	{
		"malformed authority in the request target", 400, "RFC 9110, 4.2",
		"takes an empty host, and user information", sending(`://`), false,
	},
	{
		"a folded field line, or a blank before a field name", 400, "RFC 9112, 5.2: MUST be refused or unfolded",
		"unfolds it", sending(`\n[ \t]`), true,
	},
	{
		"a field line without a colon", 400, "RFC 9112, 5",
		"in a trailer it is an error of the handler's reads", sending(`\n[^:\n]*\n`), true,
	},
	{
		"a blank before the colon of a field line", 400, "RFC 9112, 5.1: MUST be 400",
		"drops it from a trailer", sending(`[ \t]:`), true,
	},
	{
		"a control character in a field value", 400, "RFC 9110, 5.5",
		"in a trailer it is an error of the handler's reads", sending(`[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\r[^\n]`), true,
	},
	{
		"malformed field name", 400, "RFC 9110, 5.1: a token",
		"in a trailer it is an error of the handler's reads", sending(`\n[^:\n]*[^-!#$%&'*+.^_|~\w:\n` + "`" + `]`), true,
	},
	{
		"empty Host", 400, "RFC 9110, 4.2.1: an http URI has a host",
		"takes it", sending(hostIs + `\r\n`), false,
	},
	{
		"malformed Host", 400, "RFC 9112, 3.2: MUST be 400",
		"takes what has no control characters, such as :80 and [::1", sending(hostIs + `\S`), false,
	},
	{
		"an expectation other than 100-continue", 417, "RFC 9110, 10.1.1",
		"takes a list that begins with 100-continue", sending(`(?i:\nExpect:)`), false,
	},
	{
		"more than one Content-Length", 400, "RFC 9112, 6.3: MAY be refused where all are the same",
		"takes the same value twice", sending(`(?is)\nContent-Length:.*\nContent-Length:`), false,
	},
	{
		"Content-Length with Transfer-Encoding", 400, "RFC 9112, 6.1: ought to be handled as an error, and the connection MUST be closed after it",
		"goes by Transfer-Encoding, and keeps the connection open", sending(`(?is)Content-Length.*Transfer-Encoding|Transfer-Encoding.*Content-Length`), false,
	},
	{
		"Transfer-Encoding in HTTP/1.0", 400, "RFC 9112, 6.1: MUST be treated as faulty framing",
		"goes by it, and closes the connection", sending(`(?is)HTTP/1\.0.*Transfer-Encoding`), false,
	},
	{
		"Transfer-Encoding must be chunked, once", 400, "RFC 9112, 6.3",
		"refuses with 501", sending(`(?i)Transfer-Encoding`), false,
	},
	{
		"malformed chunk size", 400, "RFC 9112, 7.1",
		"trims blanks after it; what else is wrong is an error of the handler's reads", sending(`(?i)Transfer-Encoding`), true,
	},
	{
		"a chunk size that is too large", 400, "RFC 9112, 7.1: must be prevented",
		"an error of the handler's reads", sending(`[0-9a-fA-F]{16}`), true,
	},
	{
		"malformed chunk extension", 400, "RFC 9112, 7.1.1",
		"drops extensions unread", sending(`;`), true,
	},
	{
		"the body is too large", 413, "a limit",
		"waits for what no file system holds", sending(`[0-9a-fA-F]{16}`), true,
	},
	{
		"the line before a chunk is too long", 400, "a limit",
		"takes 4 KiB; beyond that it is an error of the handler's reads", sending(`[^\n]{1000}`), true,
	},
	{
		"a chunk without CRLF after its data", 400, "RFC 9112, 7.1",
		"an error of the handler's reads", sending(`(?i)Transfer-Encoding`), true,
	},
	{
		"a field that must not be in a trailer", 400, "RFC 9110, 6.5.1: MUST NOT be sent",
		"drops it", sending(`(?i)\n(?:Content-Length|Transfer-Encoding|Host|Trailer|Connection):`), true,
	},
	{
		"a header line is too long", 431, "a limit, RFC 6585, 5",
		"has none for one line", sending(`[^\n]{1000}`), false,
	},
	{
		"the header is too long", 431, "a limit, RFC 6585, 5",
		"takes 1 MiB", sending(`[^\n]{1000}`), false,
	},
	{
		"the header has too many lines", 431, "a limit, RFC 6585, 5",
		"has no such limit", sending(`(?:X-Many: v\r\n){64}`), false,
	},
	{
		twoFaults, 0, "the order of looking is nobody's business",
		"refuses too, with another status", sending(""), false,
	},
}

func sending(pattern string) *regexp.Regexp { return regexp.MustCompile(pattern) }

const (
	blankLines = "an empty line before a request"
	twoFaults  = "several faults at once"
)

// explain finds the differences between two outcomes on the list. The error is the
// one that is not there.
func explain(wire []byte, ours, theirs outcome) (reason string, err error) {
	for i := range max(len(ours.answers), len(theirs.answers)) {
		if i < len(ours.answers) && i < len(theirs.answers) && same(ours.answers[i], theirs.answers[i]) {
			continue
		}
		return explainOne(wire, ours, theirs, i)
	}
	if ours.kept != theirs.kept {
		return "", fmt.Errorf("kept is %v, net/http has %v", ours.kept, theirs.kept)
	}
	return "", nil
}

// explainOne explains the first answer that differs: the worker has refused what
// came, for the reason that it says or gives its handler, or net/http has.
func explainOne(wire []byte, ours, theirs outcome, i int) (string, error) {
	var is func(difference) bool
	switch end := i == len(ours.answers)-1 && !ours.kept; {
	case end && unread(ours.answers[i]):
		is = func(d difference) bool { return d.body }
	case end && ours.answers[i].Status >= 400 && !handled(ours.answers[i]):
		is = func(d difference) bool {
			if d.reason == twoFaults {
				return i == len(theirs.answers)-1 && !theirs.kept && theirs.answers[i].Status >= 400 && !handled(theirs.answers[i])
			}
			return d.status == ours.answers[i].Status && bytes.Contains(ours.answers[i].Body, []byte(d.reason))
		}
	case i == len(theirs.answers)-1 && theirs.answers[i].Status == 400 && !handled(theirs.answers[i]):
		is = func(d difference) bool { return d.reason == blankLines }
	default:
		return "", fmt.Errorf("answer %d differs", i+1)
	}
	at := slices.IndexFunc(differences, func(d difference) bool { return is(d) && d.sent.Match(wire) })
	if at < 0 {
		return "", fmt.Errorf("answer %d differs, and nothing on the list explains it", i+1)
	}
	return differences[at].reason, nil
}

// volatile are header fields that are never the same twice.
var volatile = []string{"Date", "X-Request-Id", "X-Elapsed-Ms"}

// handled reports whether an answer is that of the application, not the server's own.
func handled(r *raw.Response) bool { return r.Get("X-Request-Id") != "" }

// same compares two answers. The words of a refusal that no handler has made are each
// server's own, and so is the version: it may be the server's or the client's.
func same(a, b *raw.Response) bool {
	switch {
	case unread(a) && unread(b):
		return true
	case handled(a) != handled(b):
		return false
	case a.Status != b.Status:
		return false
	case !handled(a) && a.Status >= 400:
		return a.Closing() == b.Closing()
	}
	steady := func(r *raw.Response) []raw.Field {
		return slices.DeleteFunc(slices.Clone(r.Header), func(f raw.Field) bool { return slices.Contains(volatile, f.Name) })
	}
	body := func(r *raw.Response) []byte { return bytes.ReplaceAll(r.Body, []byte(r.Get("X-Request-Id")), nil) }
	return a.Proto == b.Proto && a.Whole == b.Whole && bytes.Equal(body(a), body(b)) && slices.Equal(steady(a), steady(b))
}

// unread reports whether it is the application's answer to a body that it could not read:
// 400, 413, 431 of its trailer, or 499 if net/http has seen the connection's end before the handler's.
func unread(r *raw.Response) bool {
	return handled(r) && slices.Contains([]int{400, 413, 431}, r.Status) || r.Status == 499
}

// differencesTable is that of the documentation.
func differencesTable() string {
	var rows [][]string
	for _, d := range differences {
		worker := fmt.Sprint(d.status)
		switch d.reason {
		case blankLines:
			worker = "ignores it"
		case twoFaults:
			worker = "refuses"
		}
		rows = append(rows, []string{d.reason, worker, d.nethttp, d.clause})
	}
	return table([]string{"sent", "worker", "net/http", "clause"}, rows)
}
