package caught

import (
	"bytes"
	"os"
	"runtime"
	"syscall"
	"unsafe"
)

// ignore sets the disposition of sig to SIG_IGN, which an exec keeps.
func ignore(sig syscall.Signal) {
	// struct sigaction of the kernel: handler, flags, restorer, mask.
	action := [4]uintptr{1 /* SIG_IGN */}
	_, _, _ = syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, uintptr(sig), uintptr(unsafe.Pointer(&action)), 0, 8, 0, 0)
}

// settle waits until what was sent has been taken from the kernel, which forgets
// a pending signal when it becomes ignored. A flood that never ends is not waited
// for.
func settle() {
	for range 100 {
		status, err := os.ReadFile("/proc/self/status")
		if err != nil {
			return
		}
		_, rest, found := bytes.Cut(status, []byte("ShdPnd:"))
		pending, _, _ := bytes.Cut(rest, []byte("\n"))
		if !found || len(bytes.Trim(pending, " \t0")) == 0 {
			return
		}
		runtime.Gosched()
	}
}
