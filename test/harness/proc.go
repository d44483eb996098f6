package harness

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Strays lists the live processes of this run, other than the supervisor
// itself: workers, and whatever else was started below it. Zombies do not
// count.
func (s *Supervisor) Strays() []int {
	return slices.DeleteFunc(marked(s.mark), func(pid int) bool { return pid == s.PID })
}

func marked(mark string) []int {
	var found []int
	for _, pid := range pids() {
		env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
		if err == nil && slices.Contains(strings.Split(string(env), "\x00"), mark) && Alive(pid) {
			found = append(found, pid)
		}
	}
	return found
}

func pids() []int {
	names, _ := filepath.Glob("/proc/[0-9]*")
	all := make([]int, 0, len(names))
	for _, name := range names {
		if pid, err := strconv.Atoi(filepath.Base(name)); err == nil {
			all = append(all, pid)
		}
	}
	return all
}

// stat returns the fields of /proc/PID/stat from the third (the state) on.
func stat(pid int) []string {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil
	}
	return strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
}

// Alive says whether the process exists and is not a zombie.
func Alive(pid int) bool {
	f := stat(pid)
	return len(f) > 0 && f[0] != "Z" && f[0] != "X"
}

// Children lists the processes whose parent is pid, zombies included.
func Children(pid int) []int {
	return slices.DeleteFunc(pids(), func(p int) bool {
		f := stat(p)
		return len(f) < 2 || f[1] != strconv.Itoa(pid)
	})
}

// Group is the process group of pid, 0 when it is gone.
func Group(pid int) int {
	f := stat(pid)
	if len(f) < 3 {
		return 0
	}
	n, _ := strconv.Atoi(f[2])
	return n
}

// Kill sends sig to one process.
func Kill(pid int, sig syscall.Signal) error { return syscall.Kill(pid, sig) }

// FDs counts the open descriptors of pid.
func FDs(pid int) (int, error) {
	d, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	return len(d), err
}

// FDList names the open descriptors of pid, for a message about a leak.
func FDList(pid int) string {
	names, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	var b strings.Builder
	for _, n := range names {
		to, _ := os.Readlink(n)
		fmt.Fprintf(&b, "%s -> %s\n", filepath.Base(n), to)
	}
	return b.String()
}

// Parked counts the idle connections of a worker of Tandem's that wait in its poller and
// not in net/http: those that it watches by level, where Go's runtime watches by edge.
func Parked(pid int) (n int) {
	fds, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	for _, fd := range fds {
		if to, _ := os.Readlink(fd); to != "anon_inode:[eventpoll]" {
			continue
		}
		info, _ := os.ReadFile(fmt.Sprintf("/proc/%d/fdinfo/%s", pid, filepath.Base(fd)))
		for line := range strings.Lines(string(info)) {
			var watched int
			var events uint32
			if _, err := fmt.Sscanf(line, "tfd: %d events: %x", &watched, &events); err == nil &&
				events&syscall.EPOLLRDHUP != 0 && events&(1<<31) == 0 { // 1<<31 is EPOLLET
				n++
			}
		}
	}
	return n
}

// RSS is the resident memory of pid in bytes.
func RSS(pid int) (int64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kb << 10, err
		}
	}
	return 0, fmt.Errorf("process %d has no VmRSS", pid)
}

// CPU is the time that pid has had of the CPUs, in steps of 10 ms; 0 when it is gone.
func CPU(pid int) time.Duration {
	f := stat(pid)
	if len(f) < 13 {
		return 0
	}
	user, _ := strconv.ParseInt(f[11], 10, 64)
	system, _ := strconv.ParseInt(f[12], 10, 64)
	return time.Duration(user+system) * 10 * time.Millisecond // USER_HZ is 100 on all that Go runs on
}
