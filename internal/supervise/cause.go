package supervise

import (
	"github.com/tandem-go/tandem/internal/arbiter"
	"github.com/tandem-go/tandem/internal/postmortem"
	"github.com/tandem-go/tandem/internal/process"
)

// exitTempFail is the status by which a worker says that something which it
// needs is not there yet: EX_TEMPFAIL of sysexits.h.
const exitTempFail = 75

// causeOf is the class of a worker's end as its process shows it, and the
// evidence that the kernel killed it for want of memory.
func causeOf(e process.Exit, oom postmortem.OOMKill) arbiter.Cause {
	switch {
	case oom.Evidence != "":
		return arbiter.CauseOOM
	case e.Exec != nil || e.Err != nil:
		return arbiter.CauseExit
	case e.Status.Signaled():
		return arbiter.CauseSignal
	case e.Status.ExitStatus() == exitTempFail:
		return arbiter.CauseWait
	}
	return arbiter.CauseExit
}
