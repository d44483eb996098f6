package view

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"
)

// EarlyHints tells the client, by a 103 before the answer (RFC 8297), what that will
// want, so that it is fetched while the view still works. Links are values of the
// header Link:
//
//	r.EarlyHints(ctx, "</style.css>; rel=preload; as=style", "<https://cdn.example.com>; rel=preconnect")
//
// The answer repeats those that it stands by. It may be called several times, until
// the view has returned. A client of HTTP/1.0 is sent nothing; browsers use hints over HTTP/2
// alone, and only for pages that they navigate to. Some old clients of HTTP/1.1
// take a 103 for the answer.
//
// A client may be slow to take it, so it is async code's: a sync view has it called by
// [bridge.Await], which gives the permit back meanwhile. It is an error to give what
// is no link, and to be late.
func (r *Request) EarlyHints(ctx context.Context, links ...string) error {
	for _, link := range links {
		if err := checkLink(link); err != nil {
			return fmt.Errorf("early hints: %w", err)
		}
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("early hints: %w", context.Cause(ctx))
	}
	if len(links) == 0 || !r.http.ProtoAtLeast(1, 1) {
		return nil
	}
	r.hinting.Lock()
	defer r.hinting.Unlock()
	if r.answered {
		return errors.New("early hints: the request has been answered")
	}
	h := r.out.Header()
	others := maps.Clone(h) // what is there so far is the answer's
	clear(h)
	h["Link"] = links
	// Neither protocol sends it. Over HTTP/2 it has net/http copy the header first, which
	// else its writer may still be reading, and this changing, when the stream is reset.
	h["Content-Length"] = []string{"0"}
	r.out.WriteHeader(http.StatusEarlyHints)
	clear(h)
	maps.Copy(h, others)
	return nil
}

// checkLink refuses what is no target in angle brackets with its parameters, or would
// be more than one line of a header.
func checkLink(link string) error {
	target, _, closed := strings.Cut(strings.TrimPrefix(link, "<"), ">")
	if !strings.HasPrefix(link, "<") || !closed || target == "" {
		return fmt.Errorf(`%.200q is no link; give one such as "</style.css>; rel=preload; as=style"`, link)
	}
	if strings.ContainsFunc(link, func(c rune) bool { return c < ' ' || c > '~' }) {
		return fmt.Errorf("the link %.200q has a character that is no printable ASCII", link)
	}
	return nil
}

// answering ends the time for what comes before the answer.
func (r *Request) answering() {
	r.hinting.Lock()
	r.answered = true
	r.hinting.Unlock()
}
