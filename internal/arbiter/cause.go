package arbiter

// Cause is the class of a worker's end, as far as the caller can tell it. The
// arbiter adds what only it knows: that a worker was not ready yet, and that it
// was put down because it was hung.
type Cause string

// The causes. An Exited without one counts as CauseExit.
const (
	CauseExit   Cause = "exit"   // by itself, with whatever status
	CauseSignal Cause = "signal" // killed by a signal
	CauseOOM    Cause = "oom"    // killed for want of memory
	CauseWait   Cause = "wait"   // exit status 75, EX_TEMPFAIL: something that it needs is not there yet
	CauseBoot   Cause = "boot"   // never became ready
	CauseHung   Cause = "hung"   // silent, or all its permits held, for too long
)
