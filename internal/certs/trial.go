package certs

import "time"

// settle is how long files may be bad before that is said: who replaces several
// is in the middle of it.
const settle = 5 * time.Second

// retry is how often bad files that were said to be bad are tried again: a certificate may have been
// put in place before the time from which it is valid.
const retry = time.Minute

// trial is what is known of a few files that belong together. The zero value has
// not tried them.
type trial struct {
	print string    // of the files, as they were tried last
	since time.Time // when they were found bad first; zero: they are good
	said  bool      // that they are
	last  time.Time // when they were tried
}

// due reports whether files of this print are to be tried: they are others, or
// they are bad and may become good without a sign of it.
func (t *trial) due(print string, now time.Time) bool {
	return print != t.print || !t.since.IsZero() && (!t.said || now.Sub(t.last) >= retry)
}

// tried notes what came of it. say asks for a word: about err, or, where that is
// nil, about files that are good again.
func (t *trial) tried(print string, now time.Time, err error) (say bool) {
	if err == nil {
		say = t.said
		*t = trial{print: print}
		return say
	}
	if t.since.IsZero() || t.said && print != t.print { // a change of its own
		t.since, t.said = now, false
	}
	t.print, t.last = print, now
	if t.said || now.Sub(t.since) < settle {
		return false
	}
	t.said = true
	return true
}

// again has the files tried at the next look, as if they had changed.
func (t *trial) again() { *t = trial{} }
