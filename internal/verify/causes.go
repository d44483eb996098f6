package verify

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tandem-go/tandem/internal/postmortem"
)

// Cause says why something was seen, and what to do about it.
type Cause struct {
	Code    string `json:"cause"`   // one of the codes of docs/verify-reload.md; "unknown" when it is
	Symptom string `json:"symptom"` // one of the symptoms below
	Count   int    `json:"count"`   // how many of it this explains
	Text    string `json:"text"`
	Remedy  string `json:"remedy"`

	subject string // what it is about: causes of one code with different subjects are told apart
}

// The symptoms, the worst first.
const (
	SymptomReload = "reload"
	SymptomLost   = "lost"
	SymptomWrong  = "wrong"
	SymptomFault  = "fault"
	SymptomLate   = "late"
	SymptomClosed = "closed"
	SymptomNote   = "note"
)

var symptoms = []string{SymptomReload, SymptomLost, SymptomWrong, SymptomFault, SymptomLate, SymptomClosed, SymptomNote}

// Unknown is the code of what nothing known explains.
const Unknown = "unknown"

// undone is why a reload did not come about.
func undone(r Reload) Cause {
	if r.Refused {
		return Cause{
			Symptom: SymptomReload, Code: "reload-refused", subject: r.Error, Text: "there was no reload: " + r.Error,
			Remedy: "do what the reason says; supervisor check names a setting that is wrong",
		}
	}
	return Cause{
		Symptom: SymptomReload, Code: "reload-undone", subject: r.Error, Text: "the reload was undone, and the old generation serves: " + r.Error,
		Remedy: "supervisor why and supervisor logs show the new worker's last words",
	}
}

// note remarks on a path what limits the verdict.
func (j *judge) note(p Path) {
	if p.Status >= 500 {
		j.blame(Cause{
			Symptom: SymptomNote, Code: "broken-before", subject: p.Path,
			Text:   fmt.Sprintf("GET %s answered %d already before the first reload", p.Path, p.Status),
			Remedy: "give a --path that works",
		})
	}
	if len(p.Also) > 0 {
		j.blame(Cause{
			Symptom: SymptomNote, Code: "several-statuses", subject: p.Path,
			Text:   fmt.Sprintf("GET %s answered %s already before the first reload, which --expect allows: how often each came since is not judged", p.Path, statuses(p)),
			Remedy: "give a --path that has one",
		})
	}
	if _, ok := j.late[p.Path]; !ok && len(j.Reloads) > 0 {
		j.blame(Cause{
			Symptom: SymptomNote, Code: "too-few-before", subject: p.Path,
			Text:   fmt.Sprintf("GET %s had fewer than %d answers before the first reload: whether it was late since cannot be said", p.Path, enoughBefore),
			Remedy: "more --clients, a higher --rate, or fewer paths at a time",
		})
	}
	switch {
	case p.Unframed:
		j.blame(Cause{
			Symptom: SymptomNote, Code: "no-length", subject: p.Path,
			Text:   fmt.Sprintf("answers of GET %s have neither a length nor chunks: one that was cut cannot be told from one that ended", p.Path),
			Remedy: "send Content-Length, or HTTP/1.1's chunks",
		})
	case p.Closes:
		j.blame(Cause{
			Symptom: SymptomNote, Code: "app-closes", subject: p.Path,
			Text:   fmt.Sprintf("the app ends the connection after each answer of GET %s, also without a reload: nothing is known of kept connections there", p.Path),
			Remedy: "look for Connection: close, or HTTP/1.0, in the app or in what stands before it",
		})
	}
}

// statuses names all that a path had before the first reload.
func statuses(p Path) string {
	text := strconv.Itoa(p.Status)
	for _, status := range p.Also {
		text += " and " + strconv.Itoa(status)
	}
	return text
}

// unreached remarks that the load was not seen to come to this service.
func (j *judge) unreached() {
	if j.Unreached != "" {
		j.blame(Cause{
			Symptom: SymptomNote, Code: "reach-not-proven", Text: j.Unreached,
			Remedy: "find the User-Agent " + userAgent + " in the app's own access log",
		})
	}
}

func faulty(s Sample) Cause {
	return Cause{
		Symptom: SymptomFault, Code: "client-fault", subject: s.How,
		Text:   "the client itself failed, which says nothing of the service: " + s.How,
		Remedy: "lower --rate or --clients, or raise this shell's ulimit -n",
	}
}

// lost is why a request was not answered.
func (j *judge) lost(s Sample) Cause {
	c := Cause{Symptom: SymptomLost}
	if r, ok := j.record(s.End, s.Path); ok {
		return fromRecord(c, r)
	}
	if strings.HasPrefix(s.How, "timeout") {
		c.Code, c.subject = "unanswered", s.Path
		c.Text = fmt.Sprintf("GET %s had no answer within %s, and no worker was killed for it", s.Path, j.Timeout)
		c.Remedy = "supervisor status --json names the oldest requests of each worker; give a request a deadline, or this a longer --timeout"
		return c
	}
	if s.Outcome == Refused {
		c.Code, c.subject = "refused", s.How
		c.Text = "no connection came about: " + s.How
		c.Remedy = "the supervisor keeps its sockets open over a reload: look at what stands before it, and at the queue's bound (net.core.somaxconn)"
		if j.Gone != "" {
			c.Code, c.Text = "supervisor-gone", c.Text+"; and the supervisor is gone: "+j.Gone
			c.Remedy = "look at its last log records"
		}
		return c
	}
	if d, ok := j.departure(s.End); ok {
		return cutInDrain(c, d)
	}
	if j.Proxied {
		c.Code = "behind-a-proxy"
		c.Text = "connections of the URL were cut when no worker left: what stands before the supervisor did that"
		c.Remedy = "run this against the supervisor's own listener to see which of the two it is; docs/proxies.md has the proxy's settings"
		return c
	}
	c.Code, c.subject = Unknown, s.How
	c.Text = "nothing that is known explains it: " + s.How + ", when no worker left or died"
	c.Remedy = "supervisor logs, at the times below"
	return c
}

// fromRecord blames a worker that died.
func fromRecord(c Cause, r postmortem.Record) Cause {
	c.subject = r.ID
	if r.Cause.Class == postmortem.ClassDrain {
		c.Code = "killed-at-graceful-timeout"
		c.Text = fmt.Sprintf("worker %d was killed while it drained, with what it had in flight%s: %s", r.Worker, routes(r), r.Cause.Text)
		c.Remedy = "raise --graceful-timeout above the longest request, or give requests a shorter deadline; supervisor why " + r.ID
		return c
	}
	c.Code = "worker-died"
	c.Text = fmt.Sprintf("worker %d died, with what it had in flight%s: %s", r.Worker, routes(r), r.Cause.Text)
	c.Remedy = "supervisor why " + r.ID
	return c
}

// routes names what a dead worker had in flight.
func routes(r postmortem.Record) string {
	var names []string
	seen := map[string]bool{}
	for _, q := range r.Requests {
		name := q.Method + " " + q.Route
		if !seen[name] && len(names) < 3 {
			seen[name] = true
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return " (" + strings.Join(names, ", ") + ")"
}

// cutInDrain blames a worker that left.
func cutInDrain(c Cause, d Departure) Cause {
	if d.Foreign {
		c.Code = "foreign-worker-does-not-drain"
		c.Text = "the worker's program ends, or closes its connections, when it gets the stop signal, before it has answered what it has accepted"
		c.Remedy = "let it stop accepting, answer, and exit then (docs/foreign-workers.md); or name the signal on which it does that with --stop-signal"
		return c
	}
	c.Code, c.subject = "cut-in-drain", fmt.Sprint(d.Worker)
	c.Text = fmt.Sprintf("it was cut while worker %d drained, which left no record of its end", d.Worker)
	c.Remedy = fmt.Sprintf("supervisor logs --worker %d; code that ends the process itself, or takes connections over (Hijack), must finish them first", d.Worker)
	return c
}

// wrong is why a status differs from before.
func (j *judge) wrong(s Sample) Cause {
	want := j.path(s.Path).Status
	c := Cause{Symptom: SymptomWrong, subject: fmt.Sprintf("%s %d", s.Path, s.Status)}
	what := fmt.Sprintf("GET %s answered %d, and %d before", s.Path, s.Status, want)
	switch {
	case s.Status == http.StatusServiceUnavailable && s.RetryAfter && strings.Contains(s.Body, "busy, try again"):
		c.Code = "permits-exhausted"
		c.Text = what + ": the queue for permits of sync code was full (busy, with Retry-After)"
		c.Remedy = "more permits or workers, or a larger --surge; a lower --rate if the load is more than it is to bear"
	case s.Status == http.StatusServiceUnavailable && s.RetryAfter:
		c.Code = "turned-away"
		c.Text = what + " with Retry-After" + quote(s.Body) + ": a bound of the worker was reached, or what the app depends on was not available"
		c.Remedy = "supervisor logs says which; docs/runbook.md explains the message"
	case s.Status == http.StatusTooManyRequests:
		c.Code = "rate-limited"
		c.Text = what + ": a rate limit holds this client back"
		c.Remedy = "lower --rate, or exempt this machine"
	case j.Proxied && (s.Status == http.StatusBadGateway || s.Status == http.StatusGatewayTimeout || s.Status == http.StatusServiceUnavailable):
		c = j.gateway(c, s, what)
	case j.before(s):
		c.Code = "broken-before"
		c.Text = fmt.Sprintf("GET %s answered now %d, now %d%s without any reload: the app does so of its own accord", s.Path, want, s.Status, quote(s.Body))
		c.Remedy = "supervisor logs, at the times below; mend that first, or give a --path that always answers alike"
	case j.lasts(s):
		c.Code = "new-generation-answers-otherwise"
		c.Text = what + ", since the new generation serves" + quote(s.Body)
		c.Remedy = "it is the new program or its env file: supervisor logs; to go back, restore what was changed and reload"
	case j.onlyInReloads(s):
		c.Code = "ready-too-early"
		c.Text = what + ", while workers were replaced and not later" + quote(s.Body)
		c.Remedy = "say READY=1 only when everything that a request needs is there; what worker.Lifespan starts is waited for"
	default:
		c.Code = Unknown
		c.Text = what + quote(s.Body) + "; it comes and goes, and nothing that is known explains it"
		c.Remedy = "supervisor logs, at the times below"
	}
	return c
}

// gateway is why a proxy had no answer to pass on: for what is lost without a proxy, or for
// something of its own.
func (j *judge) gateway(c Cause, s Sample, what string) Cause {
	if r, ok := j.record(s.End, s.Path); ok {
		c = fromRecord(c, r)
		c.Text = what + ": " + c.Text
		return c
	}
	if d, ok := j.departure(s.End); ok {
		c = cutInDrain(c, d)
		c.Text = what + ": " + c.Text
		return c
	}
	c.Code = "behind-a-proxy"
	c.Text = what + ": the proxy before the supervisor had no answer to pass on, when no worker left"
	c.Remedy = "docs/proxies.md has the proxy's settings for kept connections; run this against the supervisor's own listener to compare"
	return c
}

// quote is the beginning of a body, for people.
func quote(body string) string {
	body = strings.TrimSpace(body)
	if body == "" {
		return ""
	}
	if runes := []rune(body); len(runes) > 100 {
		body = string(runes[:99]) + "…"
	}
	return fmt.Sprintf(" (%q)", body)
}

// answer is a path and how it answers.
type answer struct {
	path   string
	status int
}

// lasts: since the last reload went well, the path answers so, and as before hardly ever.
func (j *judge) lasts(s Sample) bool {
	since := j.settled()
	if since.IsZero() {
		return false
	}
	is := answer{s.Path, s.Status}
	if known, ok := j.lasting[is]; ok {
		return known
	}
	so, all := 0, 0
	for _, o := range j.Samples {
		if o.Path != s.Path || o.Outcome != Answered || o.End.Add(-o.Took).Before(since) {
			continue
		}
		all++
		if o.Status == s.Status {
			so++
		}
	}
	if j.lasting == nil {
		j.lasting = map[answer]bool{}
	}
	j.lasting[is] = so > 0 && so*10 >= all*9
	return j.lasting[is]
}

// onlyInReloads: the path answers so from the begin of a reload to a second after its
// old workers are gone, and at no other time.
func (j *judge) onlyInReloads(s Sample) bool {
	is := answer{s.Path, s.Status}
	if known, ok := j.passing[is]; ok {
		return known
	}
	if j.passing == nil {
		j.passing = map[answer]bool{}
	}
	j.passing[is] = !slices.ContainsFunc(j.Samples, func(o Sample) bool {
		return o.Path == s.Path && o.Outcome == Answered && o.Status == s.Status && !j.inReload(o.End)
	})
	return j.passing[is]
}

func (j *judge) inReload(at time.Time) bool {
	for _, r := range j.Reloads {
		if !at.Before(r.Began) && !at.After(r.over().Add(time.Second)) {
			return true
		}
	}
	return false
}

func median(ds []time.Duration) time.Duration {
	slices.Sort(ds)
	return ds[len(ds)/2]
}

// short leaves out digits that say nothing.
func short(d time.Duration) time.Duration {
	if d < 10*time.Millisecond {
		return d.Round(10 * time.Microsecond)
	}
	return d.Round(time.Millisecond)
}

// closed is why a kept connection ended.
func (j *judge) closed(at time.Time, announced bool) Cause {
	c := Cause{Symptom: SymptomClosed, subject: fmt.Sprint(announced)}
	how := "without a word"
	if announced {
		how = "with Connection: close"
	}
	d, left := j.departure(at)
	_, died := j.record(at, "")
	switch {
	case died:
		c.Code = "worker-died"
		c.Text = "kept connections ended as a worker died; see what was lost"
		c.Remedy = "supervisor why"
	case left && j.TLS:
		c.Code = "tls-stays"
		c.Text = "TLS in the worker: its connections cannot be handed to another one, so they end " + how + " when it drains"
		c.Remedy = "nothing is lost by that; to keep connections over reloads, end TLS in a proxy in front (docs/proxies.md)"
	case left && d.Foreign:
		c.Code = "foreign-worker-closes"
		c.Text = "the worker's program closes its kept connections, " + how + ", when it gets the stop signal"
		c.Remedy = "a client that sends at that very moment loses its request: close after the answer, with Connection: close; a Tandem worker (package worker) hands them to another"
		if announced {
			c.Remedy = "nothing is lost by that; a Tandem worker (package worker) hands idle connections to another and need not close them"
		}
	case left:
		c.Code = "not-handed-over"
		c.Text = fmt.Sprintf("connections of worker %d, which drained, ended %s: no other could take them, or they were never idle for long enough", d.Worker, how)
		c.Remedy = "nothing is lost by an announced close; docs/signals.md says what is handed over"
	case j.Proxied:
		c.Code = "behind-a-proxy"
		c.Text = "what stands before the supervisor ended kept connections " + how + ", when no worker left"
		c.Remedy = "the proxy's own bounds on kept connections: docs/proxies.md"
	case announced:
		c.Code = "app-closes"
		c.Text = "the app ended connections with Connection: close, when no worker left: a bound on requests for each connection, or its own header"
		c.Remedy = "look for the bound, or for where the app sets the header"
	default:
		c.Code = "idle-timeout"
		c.Text = "connections ended between two requests when no worker left: a bound on idle connections that is shorter than the pauses of this load"
		c.Remedy = "raise the app's idle timeout above that of its clients or of the proxy in front"
	}
	return c
}
