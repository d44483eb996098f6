package bridge

import "fmt"

// RequireSync is for what works in sync code alone, because it blocks without
// minding any ctx. It calls RequireSync with the scope it was made for each time it
// is used, and fails with the error. what names it in the error, such as
// "orm: Query.Get".
//
// The answer is nil while a sync frame of s is live that does not await, and in a
// job's own sync code ([NewRoot]). Else it is an error that matches
// [ErrSynchronousOnly] and says why, and what to do. As with [Await], the request's
// scope stands for the sync code below it as a whole, and the scope of
// [RunSyncScoped] for one frame alone; code awaits while any of its goroutines does.
func RequireSync(s Scoped, what string) error {
	why := s.Scope().notSync()
	if why == "" {
		return nil
	}
	return fmt.Errorf("%s: %w: %s; call it from a sync function (bridge.SyncToAsync makes one callable here), or use the form that takes a ctx", what, ErrSynchronousOnly, why)
}

// notSync says why code of the scope is not sync now; "" if it is.
func (s *Scope) notSync() string {
	own := s
	s = s.base()
	s.mu.Lock()
	defer s.mu.Unlock()
	if own.of != nil {
		switch {
		case !own.of.live || own.of.run != own.run:
			return "the sync function whose scope this is has returned"
		case own.of.awaits > 0:
			return "the sync function whose scope this is awaits"
		}
		return ""
	}
	for fr := s.last; fr != nil; fr = fr.next {
		if fr.awaits == 0 {
			return ""
		}
	}
	switch {
	case s.last != nil, s.awaits > 0:
		return "the sync code of this scope awaits"
	case s.job && !s.ending.closed.Load():
		return ""
	}
	return "no sync code of this scope is running"
}
