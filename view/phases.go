package view

import (
	"context"
	"errors"

	"github.com/tandem-go/tandem/internal/funcname"
)

// Phases makes middleware of two short steps around what it wraps, as Django's
// process_request and process_response are: nothing is held while the view runs.
// Either may be nil.
//
// before may answer: where it returns a Response or an error, the view and all
// that is inside do not run. after sees every response, also that of its own
// before and those that inner errors have become, and returns the response to go
// on with. Its own error wins; a response that it puts in the place of an error's
// is an answer, and the error is logged.
//
// Like [Both] it runs in whichever mode adds no crossing. So the phases have no
// permit of their own and must not block: what does is sync middleware, and what
// waits is async middleware.
func Phases(before func(*Request) (Response, error), after func(*Request, Response) (Response, error)) Middleware {
	p := phases{before, after}
	m := Both(
		func(next AsyncView) AsyncView {
			return func(ctx context.Context, r *Request) (Response, error) {
				return p.around(r, func() (Response, error) { return next(ctx, r) })
			}
		},
		func(next SyncView) SyncView {
			return func(r *Request) (Response, error) {
				return p.around(r, func() (Response, error) { return next(r) })
			}
		},
	)
	switch {
	case before != nil:
		return m.Named(funcname.Of(before))
	case after != nil:
		return m.Named(funcname.Of(after))
	}
	panic("view.Phases: both phases are nil")
}

type phases struct {
	before func(*Request) (Response, error)
	after  func(*Request, Response) (Response, error)
}

func (p phases) around(r *Request, next func() (Response, error)) (Response, error) {
	var (
		resp Response
		err  error
	)
	if p.before != nil {
		if resp, err = p.before(r); err != nil {
			return resp, err
		}
	}
	if resp == nil {
		resp, err = next()
	}
	if p.after == nil {
		return resp, err
	}
	answer, failed := p.after(r, resp)
	switch {
	case failed != nil:
		return answer, failed
	case err == nil:
		return answer, nil
	}
	if f, ok := innermost(answer).(*failure); ok && errors.Is(err, f.err) {
		return answer, err // with headers added, perhaps
	}
	if answer == nil {
		return nil, err
	}
	r.report(answerTo(err).status, err)
	return answer, nil
}
