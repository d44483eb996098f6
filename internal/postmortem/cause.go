package postmortem

import (
	"fmt"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// The classes of causes.
const (
	ClassExec   = "exec"   // the program could not be executed
	ClassBoot   = "boot"   // killed: it was not ready in time
	ClassHung   = "hung"   // killed: it gave no sign of life, or held all its permits
	ClassDrain  = "drain"  // killed: it did not end in time when it was asked to
	ClassOOM    = "oom"    // killed by the kernel for want of memory
	ClassPanic  = "panic"  // a Go panic or fatal error
	ClassSignal = "signal" // another signal
	ClassExit   = "exit"   // it exited by itself
)

// Cause is why a worker ended, as far as can be known.
type Cause struct {
	Class      string `json:"class"`                 // exec, boot, hung, drain, oom, panic, signal or exit
	Text       string `json:"text"`                  // in one line
	Meaning    string `json:"meaning,omitempty"`     // what that usually means, and what to do
	Signal     string `json:"signal,omitempty"`      // "SIGSEGV"
	ExitCode   *int   `json:"exit_code"`             // null: it did not exit
	CoreDumped bool   `json:"core_dumped,omitempty"` // the kernel wrote a core
	Asked      string `json:"asked,omitempty"`       // what the supervisor had asked of it, and why
	Evidence   string `json:"evidence,omitempty"`    // what the class is concluded from
}

// Facts is what the end of one worker left behind.
type Facts struct {
	Exec       string // why it could not be executed; "": it was
	Unobserved string // why its end could not be observed; "": it was
	Signal     syscall.Signal
	CoreDumped bool
	Code       int // if there was no signal

	Ready   bool   // it had been
	Drain   bool   // it was asked to drain, with StopSignal
	Quick   bool   // it was asked to end at once, with SIGINT
	Hung    bool   // the arbiter found it hung
	Aborted string // why it was asked for a dump; "": it was not
	Killed  string // why it was killed; "": not by us

	StopSignal syscall.Signal
	OOM        OOMKill
	Panic      string // the first line of its goroutine dump
}

// Decode says why a worker ended, and whether that is worth a record: an end
// that nobody asked for, or one that took more than asking.
func Decode(f Facts) (c Cause, abnormal bool) {
	c.Asked = f.asked()
	switch {
	case f.Exec != "":
		c.Class, c.Text = ClassExec, "could not be executed: "+f.Exec
		return c, true
	case f.Unobserved != "":
		c.Class, c.Text = ClassExit, "its end could not be observed: "+f.Unobserved
		return c, true
	case f.Signal != 0:
		c.Signal, c.CoreDumped = unix.SignalName(f.Signal), f.CoreDumped
		if c.Signal == "" {
			c.Signal = fmt.Sprintf("signal %d", int(f.Signal))
		}
	default:
		c.ExitCode = &f.Code
	}
	end := "exit status " + fmt.Sprint(f.Code)
	if c.Signal != "" {
		end = "killed by " + c.Signal
	}
	if c.CoreDumped {
		end += " (core dumped)"
	}
	put := f.Aborted != "" || f.Killed != ""
	switch {
	case put && f.Hung:
		c.Class, c.Text = ClassHung, "hung: "+f.reason()
		c.Meaning = "a deadlock, a loop that never yields, or a process that was starved of CPU; the goroutines show where"
	case put && !f.Ready && !f.Drain && !f.Quick:
		c.Class, c.Text = ClassBoot, "failed to boot: "+f.reason()
		c.Meaning = "its start waits for something or takes long; --boot-timeout is the bound"
	case put:
		c.Class, c.Text = ClassDrain, "did not end when it was asked to: "+f.reason()
		c.Meaning = "a request, a stream or a goroutine goes on for longer than --graceful-timeout; what was in flight was cut"
	case f.Signal == unix.SIGKILL && f.OOM.Evidence != "":
		c.Class, c.Text, c.Evidence = ClassOOM, "killed by the kernel: out of memory", f.OOM.Evidence
		if f.OOM.Late {
			c.Text = "killed, probably by the kernel: out of memory"
		}
		c.Meaning = "the memory limit of the cgroup was reached; raise the limit, run fewer workers, or recycle them with --max-memory"
	case f.wanted():
		return c, false
	case f.Panic != "" && f.Code == 2 && f.Signal == 0:
		c.Class, c.Text = ClassPanic, shorten(f.Panic, 200)
		c.Meaning = "a panic or fatal error that the Go program did not recover from; the goroutine that it happened in comes first in the dump"
	case f.Signal != 0:
		c.Class, c.Text, c.Meaning = ClassSignal, end, signalMeaning(f.Signal)
		if f.Signal == unix.SIGKILL {
			c.Evidence = "neither this supervisor sent it nor did the kernel count an out-of-memory kill"
		}
	default:
		c.Class, c.Text, c.Meaning = ClassExit, end, codeMeaning(f.Code)
		if f.Panic != "" {
			c.Text += ": " + shorten(f.Panic, 200)
		}
	}
	if put && c.Text != end && (c.Signal != "SIGKILL" || f.Killed == "") {
		c.Text += "; " + end
	}
	if !f.Ready && c.Class != ClassBoot {
		c.Text += ", before it was ready"
	}
	return c, true
}

// wanted says whether the worker ended as it was asked to.
func (f Facts) wanted() bool {
	stop := f.StopSignal
	switch {
	case !f.Drain && !f.Quick:
		return false
	case f.Signal != 0: // of a program that does not catch it
		return f.Drain && f.Signal == stop || f.Quick && f.Signal == unix.SIGINT
	case f.Code == 0:
		return true
	case f.Drain && f.Code == 128+int(stop), f.Quick && f.Code == 128+int(unix.SIGINT):
		return true // how shells, and many programs, say the same
	}
	return false
}

func (f Facts) reason() string {
	if f.Killed != "" && f.Aborted == "" {
		return f.Killed
	}
	return f.Aborted
}

func (f Facts) asked() string {
	var asked []string
	if f.Drain {
		asked = append(asked, "drain ("+unix.SignalName(f.StopSignal)+")")
	}
	if f.Quick {
		asked = append(asked, "end at once (SIGINT)")
	}
	if f.Aborted != "" {
		asked = append(asked, "dump its goroutines (SIGABRT), because "+f.Aborted)
	}
	if f.Killed != "" {
		asked = append(asked, "killed (SIGKILL), because "+f.Killed)
	}
	return strings.Join(asked, "; ")
}

// shorten cuts text to n bytes or less, at a character.
func shorten(text string, n int) string {
	if len(text) <= n {
		return text
	}
	cut := text[:n-len("…")]
	for len(cut) > 0 && !isBoundary(text, len(cut)) {
		cut = cut[:len(cut)-1]
	}
	return cut + "…"
}

func isBoundary(text string, i int) bool { return text[i]&0xc0 != 0x80 }
