package verify

import (
	"context"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/tandem-go/tandem/internal/strict"
)

const (
	// tries is how often each path is asked before the load.
	tries = 5
	// learnTimeout bounds one of these.
	learnTimeout = 10 * time.Second
	userAgent    = "supervisor-verify-reload"
)

// learn asks each path a few times, so that it is known what it answers without a reload.
func (r *run) learn(ctx context.Context) error {
	st, err := r.status(ctx)
	if err != nil {
		return err
	}
	if st.State != "running" {
		return unjudged("the supervisor is %s, so what a reload would cost cannot be told: wait until supervisor status says running", st.State)
	}
	r.own = r.owned(ctx, st.Listeners)
	r.reach.look(st, 0, 0)
	if r.reach.foreign {
		if r.seen.Unreached, err = r.place(ctx, st, r.own); err != nil {
			return err
		}
	}
	r.Progress("learning what the paths answer")
	for _, name := range r.Paths {
		p, err := r.learnPath(ctx, name)
		if err != nil {
			return err
		}
		r.seen.Paths = append(r.seen.Paths, p)
	}
	r.seen.Proxied = !r.own
	r.seen.TLS, r.seen.Timeout = r.Target.TLS != nil, r.Timeout
	if st, err = r.status(ctx); err != nil {
		return err
	}
	r.reach.look(st, r.answered, 0)
	if !r.own {
		return nil // of a few requests all may go elsewhere
	}
	return r.reached() // so that no load is put on another's server
}

func (r *run) learnPath(ctx context.Context, name string) (Path, error) {
	p := Path{Path: name}
	var took []time.Duration
	var problem error
	l := r.base()
	l.Timeout = min(r.Timeout, learnTimeout)
	l.Requests, l.Duration, l.EndWhenRefused = tries, tries*l.Timeout, true
	l.Groups = []strict.Group{{Mode: strict.Kept, Clients: 1, Target: name, Plain: true, Accept: anyStatus}}
	asking, enough := context.WithCancel(ctx)
	defer enough()
	l.Observe = func(e strict.Event, a *strict.Answer) { // of one client: never twice at once
		if a != nil {
			r.answered++
		}
		switch {
		case problem != nil:
		case a == nil:
			problem = r.unanswered(name, e)
		case a.Status == http.StatusBadRequest && wantsTLS.Match(a.Body):
			problem = unjudged("%s speaks TLS: give a --url https://… with the name of its certificate, or --insecure where it is self-signed", r.Target.Name)
		case p.Status != 0 && p.Status != a.Status && !slices.Contains(r.Expect, a.Status):
			problem = unjudged("GET %s answers now %d, now %d, without any reload: nothing can be told from that; give another --path", name, p.Status, a.Status)
		case !r.expected(a.Status):
			problem = r.unexpected(name, a.Status)
		default:
			if p.Status == 0 {
				p.Status = a.Status
			}
			p.saw(a.Status)
			p.Closes, p.Unframed = a.Close, a.Unframed
			took = append(took, e.Took)
		}
		if problem != nil {
			enough()
		}
	}
	strict.Start(asking, l).Wait()
	switch {
	case problem != nil:
		return p, problem
	case ctx.Err() != nil:
		return p, unjudged("ask GET %s: %w", name, ctx.Err())
	}
	p.Median = median(took)
	return p, nil
}

// expected says whether a path with that status can be verified. One that is not there or
// not allowed is answered alike by whatever serves, and one that fails cannot be broken by a reload.
func (r *run) expected(status int) bool {
	if len(r.Expect) > 0 {
		return slices.Contains(r.Expect, status)
	}
	return status < 400
}

func (r *run) unexpected(name string, status int) error {
	if len(r.Expect) > 0 {
		return unjudged("GET %s answers %d without any reload, which --expect does not name", name, status)
	}
	why := "the request is refused"
	switch status {
	case http.StatusNotFound, http.StatusGone:
		why = "there is no such page"
	case http.StatusUnauthorized, http.StatusForbidden:
		why = "it needs a login"
	case http.StatusTooManyRequests:
		why = "a rate limit holds this client back"
	}
	if status >= 500 {
		why = "it fails already"
	}
	return unjudged("GET %s answers %d without any reload (%s), so it would verify nothing: give another --path, or --expect %d if that is what it is to answer", name, status, why, status)
}

func (r *run) unanswered(name string, e strict.Event) error {
	switch {
	case strings.HasPrefix(e.How, "TLS handshake"):
		return unjudged("%s: %s: give a --url with the name of the certificate, or --insecure where it is self-signed", r.Target.Name, e.How)
	case e.Outcome == strict.Refused && r.Target.Proxied:
		return unjudged("nothing answers at %s (%s): is the --url right?", r.Target.Name, e.How)
	case e.Outcome == strict.Refused:
		return unjudged("nothing answers at %s (%s), where the supervisor says that it listens: from another network namespace give a --url", r.Target.Name, e.How)
	case strings.HasPrefix(e.How, "timeout") && strings.HasSuffix(e.How, "within the reply"):
		return unjudged("GET %s begins to answer and does not end: a stream cannot be judged so; give another --path", name)
	case strings.HasPrefix(e.How, "malformed"), strings.HasPrefix(e.How, "closed"), strings.HasPrefix(e.How, "reset"):
		return unjudged("GET %s of %s without any reload: %s; if it speaks TLS give a --url https://…", name, r.Target.Name, e.How)
	}
	return unjudged("GET %s of %s without any reload: %s; give a --path that answers", name, r.Target.Name, e.How)
}

// wantsTLS is how servers answer HTTP where they speak TLS: Go's, nginx's and others.
var wantsTLS = regexp.MustCompile(`(?i)http request (was sent )?to (an )?https`)

func anyStatus(int) bool { return true }

func (r *run) base() strict.Load {
	return strict.Load{
		Addr: r.Target.Addr, Host: r.Target.Host, TLS: r.Target.TLS, UserAgent: userAgent,
		Unframed: true, Timeout: r.Timeout, RefusedPause: 50 * time.Millisecond,
	}
}

// backlog is how many requests that are overdue each client makes up for: after a stall as
// many come at once as there are clients, which is no more than may be under way at any time.
const backlog = 1

// load is for the whole run; it is stopped when all reloads are over.
func (r *run) load() strict.Load {
	l := r.base()
	l.Duration, l.Backlog = r.Within, backlog
	l.Groups = groups(r.seen.Paths, r.Kept, max(0, r.Short), r.Rate)
	l.Observe = r.observe
	l.IdleClosed = func(c strict.Closing) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.seen.Closings = append(r.seen.Closings, c.Time)
	}
	return l
}

// groups divides clients and rate among the paths; each path has at least one client of a
// kind. No client is to be asked for more than half of what it can do.
func groups(paths []Path, kept, short int, rate float64) []strict.Group {
	var list []strict.Group
	share := rate / float64(len(paths))
	for i, p := range paths {
		clients := func(all int) int {
			n := all / len(paths)
			if i < all%len(paths) {
				n++
			}
			if all > 0 {
				n = max(n, 1)
			}
			return n
		}
		k, s := clients(kept), clients(short)
		add := func(mode strict.Mode, n int) {
			if n == 0 {
				return
			}
			can := float64(n) / (2 * max(p.Median, time.Millisecond).Seconds())
			list = append(list, strict.Group{
				Mode: mode, Clients: n, Target: p.Path, Plain: true, Accept: anyStatus,
				Rate: min(share*float64(n)/float64(k+s), can),
			})
		}
		add(strict.Kept, k)
		add(strict.Short, s)
	}
	return list
}

// observe notes the end of a request.
func (r *run) observe(e strict.Event, a *strict.Answer) {
	s := Sample{End: e.Time, Took: e.Took, Path: e.Target, Kept: e.Mode == strict.Kept, How: e.How, Outcome: Lost}
	switch {
	case e.Outcome == strict.Refused:
		s.Outcome = Refused
	case e.Outcome == strict.Fault:
		s.Outcome = Fault
	case e.Outcome == strict.Doubled: // out of step: no later answer on it could be believed
	case a != nil:
		s.Outcome, s.How = Answered, ""
		s.Status, s.RetryAfter = a.Status, a.Header.Get("Retry-After") != ""
		s.Closes = s.Kept && a.Close
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if s.Outcome == Answered {
		r.answered++
		if p := r.seen.path(s.Path); len(r.seen.Reloads) == 0 && slices.Contains(r.Expect, s.Status) {
			p.saw(s.Status)
		} else if !p.right(s.Status) {
			s.Body = string(a.Body)
		}
	}
	r.seen.Samples = append(r.seen.Samples, s)
	if s.Outcome == Answered {
		r.counts[s.Path]++
		if r.counts[s.Path] == enoughBefore && r.compared() {
			close(r.learned)
		}
	}
}

// compared says whether each path has enough answers; true from then on.
func (r *run) compared() bool {
	return !slices.ContainsFunc(r.seen.Paths, func(p Path) bool { return r.counts[p.Path] < enoughBefore })
}
