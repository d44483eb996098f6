package process

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// shimName is argv[0] of the shim, by which it knows itself.
const shimName = "tandem-shim"

// order is what the supervisor tells the shim, as JSON in argv[1]. Descriptors
// are numbers in the shim's own table. Paths and arguments are bytes, because
// the system takes any and a JSON string only UTF-8.
type order struct {
	Path   []byte   `json:"path"`
	Exe    int      `json:"exe"` // -1: start by Path
	Report int      `json:"report"`
	Args   [][]byte `json:"args"`
	Dir    []byte   `json:"dir,omitempty"`
	Umask  int      `json:"umask"`           // -1: keep
	Slack  int64    `json:"slack,omitempty"` // of timers, ns; 0: keep
	Death  int      `json:"death"`           // signal at the parent's death; 0: none
	Parent int      `json:"parent"`

	Credential *Credential `json:"credential,omitempty"`
	NoNewPrivs bool        `json:"no_new_privs,omitempty"`
	Limits     []Limit     `json:"limits,omitempty"`
}

// report is what the shim says when it cannot become the worker.
type report struct {
	Doing string `json:"doing"`
	Errno int    `json:"errno"`
}

// Shim becomes the worker if this process was started as a shim by [Start],
// and returns at once otherwise. A program that calls Start must call Shim
// first thing in main.
func Shim() {
	if len(os.Args) != 2 || os.Args[0] != shimName {
		return
	}
	runtime.LockOSThread()
	var o order
	if err := json.Unmarshal([]byte(os.Args[1]), &o); err != nil {
		fmt.Fprintf(os.Stderr, "%s: not an order of the supervisor: %v\n", shimName, err)
		os.Exit(127)
	}
	unix.CloseOnExec(o.Report)
	if o.Exe >= 0 {
		unix.CloseOnExec(o.Exe)
	}
	doing, err := become(o)
	errno := syscall.EIO
	errors.As(err, &errno)
	b, _ := json.Marshal(report{Doing: doing, Errno: int(errno)})
	_, _ = unix.Write(o.Report, b)
	os.Exit(127)
}

// become returns only when it fails, with what it was doing.
func become(o order) (doing string, err error) {
	// What may take a privilege comes first, what a change of user undoes after it.
	if doing, err := setLimits(o.Limits); err != nil {
		return doing, err
	}
	as := ""
	if o.Credential != nil {
		if doing, err := o.Credential.assume(); err != nil {
			return doing, err
		}
		as = " as " + o.Credential.String()
	}
	if o.NoNewPrivs {
		if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
			return "give up new privileges", err
		}
	}
	if o.Death != 0 {
		if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(o.Death), 0, 0, 0); err != nil {
			return "set the parent-death signal", err
		}
		// A parent that died before the prctl sends nothing any more. (Inside
		// another pid namespace its number reads as 0, and is no evidence.)
		if ppid := os.Getppid(); ppid != o.Parent && ppid != 0 {
			os.Exit(127)
		}
	}
	if o.Umask >= 0 {
		unix.Umask(o.Umask)
	}
	if o.Slack > 0 {
		// It is this thread's, as the mask of signals below, and all that the worker will
		// have begin with it. It changes what things cost, not what they do: a kernel that
		// cannot is no reason not to start.
		_ = unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(o.Slack), 0, 0, 0)
	}
	if dir := string(o.Dir); dir != "" {
		if err := unix.Chdir(dir); err != nil {
			return "change to directory " + dir + as, err
		}
	}
	// Whoever started the supervisor may have blocked signals. That is nothing
	// to the worker, which is asked to go by them. (The mask
	// is this thread's, and Shim has locked it.)
	if err := unix.PthreadSigmask(unix.SIG_SETMASK, new(unix.Sigset_t), nil); err != nil {
		return "unblock the signals", err
	}
	defaultSignals()
	args := make([]string, len(o.Args))
	for i, arg := range o.Args {
		args[i] = string(arg)
	}
	env := ownPID(os.Environ(), os.Getpid())
	path := string(o.Path)
	// By path as long as it names the very file that was opened, so that ps and
	// pgrep show its name; by descriptor once it was replaced.
	if o.Exe >= 0 && replaced(path, o.Exe) {
		path = "/proc/self/fd/" + strconv.Itoa(o.Exe)
	}
	return "execute " + string(o.Path) + as, syscall.Exec(path, args, env)
}

// replaced says whether path does not lead to the open file any more. A path on
// which the worker's user may not walk is not that: to execute it says so.
func replaced(path string, fd int) bool {
	var byPath, byFD unix.Stat_t
	if err := unix.Stat(path, &byPath); err != nil {
		return !errors.Is(err, unix.EACCES)
	}
	return unix.Fstat(fd, &byFD) != nil || byPath.Dev != byFD.Dev || byPath.Ino != byFD.Ino
}

// ownPID adds the variables that name the worker's own pid, for the protocols
// that the environment announces.
func ownPID(env []string, pid int) []string {
	listens, watched := false, false
	for _, kv := range env {
		listens = listens || strings.HasPrefix(kv, "LISTEN_FDS=")
		watched = watched || strings.HasPrefix(kv, "WATCHDOG_USEC=")
	}
	if listens {
		env = append(env, "LISTEN_PID="+strconv.Itoa(pid))
	}
	if watched {
		env = append(env, "WATCHDOG_PID="+strconv.Itoa(pid))
	}
	return env
}

// defaultSignals undoes what is ignored, which an exec would keep: by whoever
// started the supervisor, or because it was just being upgraded. (What Go handles
// becomes the default by the exec itself.)
func defaultSignals() {
	const ignored = 1            // SIG_IGN
	var was, standard [4]uintptr // struct sigaction of the kernel: handler, flags, restorer, mask
	for sig := uintptr(1); sig <= 64; sig++ {
		_, _, errno := syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, sig, 0, uintptr(unsafe.Pointer(&was)), 8, 0, 0)
		if errno == 0 && was[0] == ignored {
			_, _, _ = syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, sig, uintptr(unsafe.Pointer(&standard)), 0, 8, 0, 0)
		}
	}
}
