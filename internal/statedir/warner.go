package statedir

import (
	"errors"
	"log/slog"
	"sync"
)

// UnusableError says that the state directory itself is in the way: nothing can be
// kept there.
type UnusableError struct {
	Dir string
	Err error
}

func (e *UnusableError) Error() string { return e.Err.Error() }
func (e *UnusableError) Unwrap() error { return e.Err }

// Warner warns of a state directory that cannot be used: once for all kinds of
// things that are kept there.
type Warner struct {
	Log *slog.Logger

	once sync.Once
}

// Warned says that err, of [Open], is of the state directory itself, so that it
// has been warned of. It has not by a nil Warner.
func (w *Warner) Warned(err error) bool {
	var unusable *UnusableError
	if w == nil || !errors.As(err, &unusable) {
		return false
	}
	w.once.Do(func() {
		w.Log.Warn("nothing can be kept in the state directory: post-mortem records and timeline are in memory only", "directory", unusable.Dir, "error", err)
	})
	return true
}
