package conformance

import (
	"bytes"
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tandem-go/tandem/test/conformance/raw"
)

// gunicornCase is a request of gunicorn's tests; valid ones have what is expected
// of each request in it.
type gunicornCase struct {
	ID     string `json:"id"`
	Raw    octets `json:"raw"`
	Expect []struct {
		Method  string      `json:"method"`
		Target  octets      `json:"target"`
		Headers [][2]octets `json:"headers"`
		Body    octets      `json:"body"`
	} `json:"expect"`
}

func (c gunicornCase) valid() bool { return strings.HasPrefix(c.ID, "valid/") }

type gunicornJudgement struct {
	Want            string `json:"want"`
	Why             string `json:"why"`
	Limit           bool   `json:"limit"`
	SkipExpect      bool   `json:"skip_expect"`
	SkipHeaders     bool   `json:"skip_headers"`
	CloseIfAccepted bool   `json:"close_if_accepted"`
}

// gunicorn runs its corpus. A request of HTTP/1.1 without Host must be answered
// 400 (RFC 9112, 3.2), which is a case of its own, and is sent again with one.
func gunicorn(_ context.Context, at raw.Target) ([]verdict, error) {
	cases, judged, err := load[gunicornCase, gunicornJudgement]("gunicorn")
	if err != nil {
		return nil, err
	}
	verdicts := each(cases, func(c gunicornCase) verdict { return c.judge(judged[c.ID], at) })
	var bare []gunicornCase
	for _, c := range cases {
		if _, lacked := withHost(c.Raw, c.requests()); lacked {
			bare = append(bare, c)
		}
	}
	return append(verdicts, each(bare, func(c gunicornCase) verdict { return c.withoutHost(at) })...), nil
}

// gunicornLimits runs the cases that gunicorn refuses for its limits.
func gunicornLimits(at raw.Target) ([]verdict, error) {
	cases, judged, err := load[gunicornCase, gunicornJudgement]("gunicorn")
	if err != nil {
		return nil, err
	}
	cases = slices.DeleteFunc(cases, func(c gunicornCase) bool { return !judged[c.ID].Limit })
	return each(cases, func(c gunicornCase) verdict { return c.judge(gunicornJudgement{Want: "reject"}, at) }), nil
}

// requests is how many there are in a case.
func (c gunicornCase) requests() int { return max(1, len(c.Expect)) }

func (c gunicornCase) withoutHost(at raw.Target) verdict {
	v := verdict{id: c.ID + "/no-host"}
	got, err := raw.Exchange(at, c.Raw, raw.Options{Timeout: 2 * time.Second, Linger: linger, HalfClose: true})
	if err != nil {
		v.line = err.Error()
		return v
	}
	final := got.Final()
	if len(final) == 0 {
		v.good = got.State == raw.Closed
		v.line = fmt.Sprintf("%s, want 400 (RFC 9112, 3.2)", got.State)
		return v
	}
	status := final[0].Status
	v.good = status/100 == 4 || status == 501 || status == 505
	v.line = fmt.Sprintf("%d, want 400 (RFC 9112, 3.2)", status)
	return v
}

// linger is how long a connection that says nothing of its end is watched.
const linger = 250 * time.Millisecond

func (c gunicornCase) judge(j gunicornJudgement, at raw.Target) verdict {
	v := verdict{id: c.ID}
	want := j.Want
	switch {
	case want != "":
	case c.valid():
		want = "accept"
	default:
		want = "reject"
	}
	sent, _ := withHost(c.Raw, c.requests())
	got, err := raw.Exchange(at, sent, raw.Options{
		Want: c.requests(), Timeout: 2500 * time.Millisecond, Linger: linger, HalfClose: true, Head: bytes.HasPrefix(sent, []byte("HEAD ")),
	})
	if err != nil {
		v.line = err.Error()
		return v
	}
	final := got.Final()
	var statuses []int
	for _, a := range final {
		statuses = append(statuses, a.Status)
	}
	accepted := len(final) > 0 && statuses[0]/100 == 2
	rejected := len(final) > 0 && statuses[0] >= 400 && !slices.Contains([]int{500, 502, 503}, statuses[0]) ||
		len(final) == 0 && got.State == raw.Closed
	wrong := ""
	if accepted && c.valid() && !j.SkipExpect {
		wrong = c.differs(final, j.SkipHeaders)
	}
	accepted = accepted && wrong == ""
	switch want {
	case "accept":
		v.good = accepted
	case "reject":
		v.good = rejected
	default:
		v.good = rejected || accepted
	}
	if v.good && accepted && j.CloseIfAccepted && got.State != raw.Closed {
		v.good, wrong = false, "accepted, and the connection left open"
	}
	v.line = fmt.Sprintf("%v %s %s, want %s %s", statuses, got.State, wrong, want, j.Why)
	return v
}

// differs compares what the application saw with what gunicorn makes of it.
func (c gunicornCase) differs(final []*raw.Response, skipHeaders bool) string {
	if len(final) < len(c.Expect) {
		return fmt.Sprintf("%d answers, want %d", len(final), len(c.Expect))
	}
	for i, want := range c.Expect {
		got, err := unecho(final[i].Body)
		if err != nil {
			return err.Error()
		}
		switch {
		case got.Method != want.Method:
			return fmt.Sprintf("method %q, want %q", got.Method, want.Method)
		case !slices.Contains(targets(string(want.Target)), got.Target):
			return fmt.Sprintf("target %q, want %q", got.Target, want.Target)
		case !bytes.Equal(got.Body, want.Body):
			return fmt.Sprintf("body %.40q, want %.40q", got.Body, want.Body)
		case skipHeaders:
			continue
		}
		if wrong := got.lacks(want.Headers); wrong != "" {
			return wrong
		}
	}
	return ""
}

var absolute = regexp.MustCompile(`^https?://[^/]*(/.*)`)

// targets are the forms in which a handler may see one: without its fragment, and
// without scheme and host.
func targets(target string) []string {
	all := []string{latin1(target)}
	if before, _, found := strings.Cut(all[0], "#"); found {
		all = append(all, before)
	}
	if path := absolute.FindStringSubmatch(all[0]); path != nil {
		all = append(all, path[1])
	}
	return all
}

// latin1 makes a character of each octet.
func latin1(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		b.WriteRune(rune(c))
	}
	return b.String()
}

// hopByHop are fields of the connection, which a handler need not see.
var hopByHop = []string{"host", "connection", "transfer-encoding", "content-length", "trailer", "keep-alive"}

// lacks says which header field is not as expected; blanks do not count.
func (e *echoed) lacks(headers [][2]octets) string {
	want := map[string][]string{}
	for _, h := range headers {
		key := strings.ToLower(string(h[0]))
		want[key] = append(want[key], string(h[1]))
	}
	plain := func(values []string) string { return strings.ReplaceAll(strings.Join(values, ","), " ", "") }
	for key, values := range want {
		if slices.Contains(hopByHop, key) {
			continue
		}
		got, sent := plain(e.header(key)), plain(values)
		if got != latin1(sent) && got != string([]rune(sent)) { // JSON has no octets that are not UTF-8
			return fmt.Sprintf("header %s %q, want %q", key, e.header(key), values)
		}
	}
	return ""
}

var (
	requestLine = regexp.MustCompile(`[^ ] HTTP/1\.[01]$`)
	hostField   = regexp.MustCompile(`(?i)^host[ \t]*:`)
)

// withHost puts a Host field into each of the first n heads of HTTP/1.1 that has
// none, and says whether the very first lacked it.
func withHost(request []byte, n int) (with []byte, lacked bool) {
	// line is the one at i, and where the next begins; -1 where it is none.
	line := func(i int) (string, int) {
		size := bytes.IndexAny(request[i:], "\r\n")
		if size < 0 || !bytes.HasPrefix(request[i+size:], []byte("\r\n")) {
			return "", -1
		}
		return string(request[i : i+size]), i + size + 2
	}
	copied := 0
	for at, heads := 0, 0; heads < n; {
		first, next := line(at)
		if next < 0 || !requestLine.MatchString(first) {
			skip := bytes.Index(request[at:], []byte("\r\n"))
			if skip < 0 {
				break
			}
			at += skip + 2
			continue
		}
		heads++
		begin, fields, has := at, next, false
		for at = next; ; {
			field, next := line(at)
			if field == "" {
				break
			}
			has = has || hostField.MatchString(field)
			at = next
		}
		if has || strings.HasSuffix(first, "HTTP/1.0") {
			continue
		}
		lacked = lacked || begin == 0
		with = append(append(with, request[copied:fields]...), "Host: conformance.test\r\n"...)
		copied = fields
	}
	return append(with, request[copied:]...), lacked
}

func TestAHostIsPutIntoHeadsThatLackOne(t *testing.T) {
	const host = "Host: conformance.test\r\n"
	for _, c := range []struct {
		sent, want string
		n          int
		lacked     bool
	}{
		{"GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\n" + host + "\r\n", 1, true},
		{"GET / HTTP/1.0\r\n\r\n", "GET / HTTP/1.0\r\n\r\n", 1, false},
		{"GET / HTTP/1.1\r\na: b\r\nHOST : x\r\n\r\n", "GET / HTTP/1.1\r\na: b\r\nHOST : x\r\n\r\n", 1, false},
		{"GET / HTTP/1.1\nA: b\r\n\r\n", "GET / HTTP/1.1\nA: b\r\n\r\n", 1, false},
		{"\r\nGET / HTTP/1.1\r\n\r\n", "\r\nGET / HTTP/1.1\r\n" + host + "\r\n", 1, false},
		{"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\n" + host + "\r\n", 2, false},
		{"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\n\r\n", 1, false},
		{"GET /", "GET /", 1, false},
	} {
		with, lacked := withHost([]byte(c.sent), c.n)
		if string(with) != c.want || lacked != c.lacked {
			t.Errorf("%q with %d: %q, %v; want %q, %v", c.sent, c.n, with, lacked, c.want, c.lacked)
		}
	}
}
