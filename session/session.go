package session

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/tandem-go/tandem/view"
)

var (
	// ErrTooLarge is returned by [Set] for what would not fit. The session is as
	// it was before.
	ErrTooLarge = errors.New("the session would be too large")

	// ErrSent is returned by [Set] once the middleware has returned: the answer
	// is on its way without it.
	ErrSent = errors.New("the session was saved already: the view has returned")
)

type stateKey struct{}

// of finds the session of a request.
func of(r *view.Request) *state {
	s, ok := view.Value[*state](r, stateKey{})
	if !ok {
		panic(fmt.Sprintf("session: no session middleware around %s %s: add Sealed, Stored or StoredSync", r.Method(), r.Pattern()))
	}
	return s
}

// Get returns what was Set under a key. What is not there, or is no T, as what an
// older version of the program may have set, is false.
//
// Get, Set, Delete, Clear and Rotate may be called from code of either colour and from several
// goroutines of a request at once. They panic if there is no session middleware
// around the view: that is a mistake in the program.
func Get[T any](r *view.Request, key string) (T, bool) {
	var v, zero T
	raw, ok := of(r).get(key)
	if !ok || json.Unmarshal(raw, &v) != nil {
		return zero, false
	}
	return v, true
}

// Set keeps v, as JSON, under a key. It returns [ErrTooLarge] where that would be
// more than a cookie or the store's bound can take, [ErrSent] after the view has
// returned, or the error of encoding v.
func Set[T any](r *view.Request, key string, v T) error {
	s := of(r)
	raw, err := json.Marshal(v)
	if err == nil {
		err = s.set(key, raw)
	}
	if err != nil {
		return fmt.Errorf("session: set %q: %w", key, err)
	}
	return nil
}

// Delete forgets a key. Like Clear and Rotate it does nothing once the view has returned.
func Delete(r *view.Request, key string) { of(r).delete(key) }

// Clear forgets all, and the session's id: what is Set afterwards is a new session.
func Clear(r *view.Request) { of(r).clear() }

// Rotate gives the session a new id and begins its lifetime anew; its values stay.
// Whoever gains a right rotates, so that an id somebody else may know, or have
// planted, gains nothing. A stored session's old id ends at once; an old sealed
// cookie keeps what it had, which is less.
func Rotate(r *view.Request) { of(r).rotate() }
