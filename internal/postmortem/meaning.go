package postmortem

import (
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// signalMeaning says what it usually means that a process was ended by sig.
func signalMeaning(sig syscall.Signal) string {
	switch sig {
	case unix.SIGKILL:
		return "somebody sent it: an operator, the container's runtime, a tool that watches memory (systemd-oomd, earlyoom) or a limit such as RLIMIT_CPU"
	case unix.SIGSEGV:
		return "memory was touched that is not there: a bug in C code (an extension, cgo), or a stack that was too small"
	case unix.SIGBUS:
		return "memory was touched that has nothing behind it: a mapped file was cut short, or its disk is full"
	case unix.SIGABRT:
		return "it called abort(): a failed assertion, or damage that malloc noticed; in Go, a crash with GOTRACEBACK=crash"
	case unix.SIGILL:
		return "it ran an instruction that this processor does not have: a build for another kind of machine, or a trap of the compiler"
	case unix.SIGFPE:
		return "an integer was divided by zero in C code"
	case unix.SIGSYS:
		return "it made a system call that a seccomp filter forbids"
	case unix.SIGTRAP:
		return "a breakpoint or a trap of the compiler, with no debugger there"
	case unix.SIGPIPE:
		return "it wrote to a pipe or connection whose reader was gone, and does not ignore SIGPIPE"
	case unix.SIGXCPU:
		return "it used more CPU time than RLIMIT_CPU allows"
	case unix.SIGXFSZ:
		return "it wrote a file larger than RLIMIT_FSIZE allows"
	case unix.SIGTERM, unix.SIGINT, unix.SIGQUIT, unix.SIGHUP, unix.SIGUSR1, unix.SIGUSR2:
		return "somebody other than the supervisor sent it to the worker, and the worker does not catch it"
	}
	return ""
}

// codeMeaning says what it usually means that a program exited by itself with
// code: conventions of shells, Go, gunicorn, sysexits.h and systemd.
func codeMeaning(code int) string {
	switch {
	case code == 0:
		return "it ended by itself, as if its work were done; a worker should serve until it is asked to go"
	case code == 1:
		return "the program gave up; its last lines say why"
	case code == 2:
		return "a Go panic, or a usage error"
	case code == 3:
		return "gunicorn's WORKER_BOOT_ERROR: the application failed while it was loaded"
	case code == 4:
		return "gunicorn's APP_LOAD_ERROR: the application was not found"
	case code == 126:
		return "a shell found the program but could not execute it"
	case code == 127:
		return "a shell did not find the program"
	case 128 < code && code <= 128+64:
		if name := unix.SignalName(syscall.Signal(code - 128)); name != "" {
			return fmt.Sprintf("a shell's way to say that its program was ended by %s", name)
		}
	}
	if m := sysexits[code]; m != "" {
		return m
	}
	if m := systemd[code]; m != "" {
		return "systemd's EXIT_" + m + ": the step before the program is started failed"
	}
	return ""
}

// sysexits are the codes of sysexits.h that servers use.
var sysexits = map[int]string{
	64: "EX_USAGE: wrong arguments",
	65: "EX_DATAERR: wrong input",
	66: "EX_NOINPUT: an input file is missing",
	69: "EX_UNAVAILABLE: a service that it needs is not there",
	70: "EX_SOFTWARE: an internal error",
	71: "EX_OSERR: an error of the operating system, such as too few processes or descriptors",
	73: "EX_CANTCREAT: an output file cannot be made",
	74: "EX_IOERR: an error while reading or writing",
	75: "EX_TEMPFAIL: a failure that may pass",
	77: "EX_NOPERM: it may not do what it must",
	78: "EX_CONFIG: a wrong configuration",
}

// systemd are the codes that a program started by systemd's executor ends with
// when it could not be set up.
var systemd = map[int]string{
	200: "CHDIR", 201: "NICE", 202: "FDS", 203: "EXEC", 204: "MEMORY", 205: "LIMITS", 206: "OOM_ADJUST",
	207: "SIGNAL_MASK", 208: "STDIN", 209: "STDOUT", 210: "CHROOT", 211: "IOPRIO", 214: "SETSCHEDULER",
	216: "GROUP", 217: "USER", 218: "CAPABILITIES", 219: "CGROUP", 226: "NAMESPACE", 227: "NO_NEW_PRIVILEGES",
	228: "SECCOMP", 233: "RUNTIME_DIRECTORY", 238: "STATE_DIRECTORY", 243: "CREDENTIALS",
}
