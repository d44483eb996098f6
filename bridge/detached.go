package bridge

import "context"

// Detached is the context that blocking work in sync code of s runs with, such as a
// query that sync code makes: it has the values and the deadline of the ctx that
// the sync code was called with, and does not end when that does, since sync code
// runs to its end. It must not outlive the call that it was asked for; release it
// with done.
//
// It fails as [RequireSync] does, so that async code cannot have it.
func Detached(s Scoped, what string) (ctx context.Context, done func(), err error) {
	if err := RequireSync(s, what); err != nil {
		return nil, nil, err
	}
	caller := s.Scope().callers()
	ctx = context.WithoutCancel(caller)
	if d, ok := caller.Deadline(); ok {
		ctx, cancel := context.WithDeadline(ctx, d)
		return ctx, cancel, nil
	}
	return ctx, func() {}, nil
}

// callers is the ctx that the sync code of the scope was called with.
func (s *Scope) callers() context.Context {
	own := s
	s = s.base()
	s.mu.Lock()
	defer s.mu.Unlock()
	if own.of != nil {
		return own.of.ctx
	}
	for fr := s.last; fr != nil; fr = fr.next {
		if fr.awaits == 0 {
			return fr.ctx
		}
	}
	return &s.root
}
