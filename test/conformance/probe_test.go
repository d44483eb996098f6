package conformance

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tandem-go/tandem/test/conformance/raw"
)

// probeCase is one of Http11Probe's. Its verdict is that of its tables, or special.
type probeCase struct {
	ID      string        `json:"id"`
	Level   string        `json:"level"` // of RFC 2119
	RFC     string        `json:"rfc"`
	About   string        `json:"about"`
	Wants   string        `json:"wants"`
	Pass    []string      `json:"pass"` // outcomes
	Warn    []string      `json:"warn"` // outcomes that are lenient, and allowed
	Special *probeSpecial `json:"special"`
	Raw     octets        `json:"raw"`
}

type probeSpecial struct {
	Echo string    `json:"echo"` // the body that the application must have seen
	Norm [3]string `json:"norm"` // a header's name, how it was sent, its value
	Rule string    `json:"rule"` // see probeCase.rule
}

type probeJudgement struct {
	Also  []string `json:"also"`
	Limit bool     `json:"limit"`
	Why   string   `json:"why"`
}

// What a verdict of Http11Probe is. Lenient counts as good.
const (
	strict  = "pass"
	lenient = "warn"
	failed  = "fail"
)

// http11Probe runs its cases but those of limits.
func http11Probe(_ context.Context, at raw.Target) ([]verdict, error) {
	return http11ProbeOf(at, false)
}

// http11ProbeOf runs those of limits, or all others.
func http11ProbeOf(at raw.Target, limits bool) ([]verdict, error) {
	cases, judged, err := load[probeCase, probeJudgement]("http11probe")
	if err != nil {
		return nil, err
	}
	cases = slices.DeleteFunc(cases, func(c probeCase) bool { return judged[c.ID].Limit != limits })
	return each(cases, func(c probeCase) verdict { return c.judge(judged[c.ID], at) }), nil
}

func (c probeCase) judge(j probeJudgement, at raw.Target) verdict {
	v := verdict{id: c.ID}
	got, err := raw.Exchange(at, bytes.ReplaceAll(c.Raw, []byte("{HOST}"), []byte(at.Addr)), raw.Options{
		Timeout: 2 * time.Second, Linger: linger, Head: bytes.HasPrefix(c.Raw, []byte("HEAD ")),
	})
	if err != nil {
		v.line = err.Error()
		return v
	}
	var first *raw.Response // the first final one, else the first
	if final := got.Final(); len(final) > 0 {
		first = final[0]
	} else if len(got.Answers) > 0 {
		first = got.Answers[0]
	}
	outcome := "none"
	if first != nil {
		outcome = strconv.Itoa(first.Status)
	}
	var said string
	switch {
	case c.Special == nil:
		said = c.lookUp(outcome, got.State)
	case first == nil:
		said = failed
		if got.State == raw.Closed && c.Special.Norm[0] != "" {
			said = strict
		}
	default:
		said = c.Special.say(first)
	}
	if said == failed && slices.Contains(j.Also, outcome) {
		said = lenient
	}
	v.good = said == strict || said == lenient
	v.line = fmt.Sprintf("%s/%s is a %s, want %s (%s %s): %s %s", outcome, got.State, said, c.Wants, c.Level, c.RFC, c.About, j.Why)
	return v
}

// lookUp finds an outcome in the tables.
func (c probeCase) lookUp(outcome string, state raw.State) string {
	has := func(table []string) bool {
		return slices.Contains(table, outcome) || slices.Contains(table, outcome+"/"+string(state))
	}
	switch {
	case has(c.Pass):
		return strict
	case has(c.Warn):
		return lenient
	}
	return failed
}

// say is the verdict where more than the status counts.
func (s *probeSpecial) say(r *raw.Response) string {
	ok := r.Status/100 == 2
	saw, err := unecho(r.Body)
	if err != nil {
		saw = &echoed{Body: r.Body}
	}
	switch {
	case s.Echo != "":
		return one(ok && string(saw.Body) == s.Echo, strict, failed)
	case s.Norm[0] == "":
		return s.rule(r, ok, saw)
	case r.Status >= 400:
		return strict // refused
	case !ok, slices.Contains(saw.header(s.Norm[0]), s.Norm[2]):
		return failed // taken for what it is not
	}
	return one(slices.Contains(saw.header(strings.TrimSpace(s.Norm[1])), s.Norm[2]), lenient, strict)
}

// rule has the verdicts that are about an answer's header or body.
func (s *probeSpecial) rule(r *raw.Response, ok bool, saw *echoed) string {
	has := func(name string) string { return one(r.Get(name) != "", strict, lenient) }
	switch {
	case s.Rule == "COMP-405-ALLOW":
		return one(r.Status != 405, lenient, one(r.Get("Allow") != "", strict, failed))
	case s.Rule == "COMP-NO-CL-IN-204":
		return one(r.Status != 204, lenient, one(r.Get("Content-Length") != "", failed, strict))
	case s.Rule == "COMP-CHUNKED-EXTENSION" && r.Status == 400:
		return lenient
	case !ok:
		return failed
	case s.Rule == "COMP-CHUNKED-EXTENSION":
		return one(string(saw.Body) == "hello", strict, failed)
	case s.Rule == "COMP-DATE-HEADER":
		return has("Date")
	case s.Rule == "COMP-OPTIONS-ALLOW":
		return has("Allow")
	case s.Rule == "COMP-CONTENT-TYPE":
		return has("Content-Type")
	case s.Rule == "COMP-HEAD-NO-BODY":
		return one(len(r.Body) == 0, strict, failed)
	}
	panic("no rule " + s.Rule)
}

// one chooses.
func one(is bool, then, otherwise string) string {
	if is {
		return then
	}
	return otherwise
}
