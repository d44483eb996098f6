// Package budget reads what this machine or container may use and divides it
// among the workers.
//
// Invariant: the shares of N workers never add up to more than the limit,
// except that nobody gets less than one CPU.
//
// The smallest use:
//
//	limits := budget.Read()
//	share := limits.Share(4)
//	env = append(env, share.Env()...)
//
// Neither Go's runtime nor automaxprocs divides by the number of workers: each
// worker would size itself to the whole quota.
package budget

import (
	"bytes"
	"fmt"
	"io/fs"
	"math"
	"os"
	"runtime"
	"strconv"
	"strings"

	"go.uber.org/automaxprocs/maxprocs"
	"golang.org/x/sys/unix"

	"github.com/tandem-go/tandem/internal/cgroup"
)

// Limits is what the supervisor and its workers may use together.
type Limits struct {
	CPUs   float64 // the cgroup's quota, else the CPUs this process may run on
	Memory int64   // bytes: the smallest cgroup limit above us, else the machine's memory; 0: unknown
}

// Read reads the limits as they are now. It must not be called concurrently
// with itself: it looks past GOMAXPROCS in the process environment.
func Read() Limits {
	return Limits{CPUs: cpus(), Memory: memory(os.DirFS("/"), sysinfo)}
}

// cpus asks automaxprocs, which hands the exact quota only to its rounding
// function, and only where GOMAXPROCS is not set.
func cpus() float64 {
	set, was := os.LookupEnv("GOMAXPROCS")
	_ = os.Unsetenv("GOMAXPROCS")
	defer func() {
		if was {
			_ = os.Setenv("GOMAXPROCS", set)
		}
	}()
	quota := 0.0
	before := runtime.GOMAXPROCS(0)
	undo, err := maxprocs.Set(maxprocs.RoundQuotaFunc(func(q float64) int {
		quota = q
		return before
	}))
	if err == nil {
		undo()
	}
	if n := float64(runtime.NumCPU()); quota <= 0 || quota > n {
		return n
	}
	return quota
}

// Share is one worker's part.
type Share struct {
	CPUs        int   // GOMAXPROCS; 0: the operator has set it
	Memory      int64 // bytes, GOMEMLIMIT; 0: none, or the operator has set it
	Connections int   // to a database, see [Connections]; 0: they are not divided
}

// memoryUse is the part of the limit that the workers' heaps may fill: a tenth
// stays for the supervisor and for what the Go runtime does not count.
const memoryUse = 0.9

// Share divides l among n workers. It has no connections: they are not the
// machine's.
func (l Limits) Share(n int) Share {
	n = max(n, 1)
	return Share{
		CPUs:   max(1, int(math.Floor(l.CPUs/float64(n)))),
		Memory: int64(memoryUse * float64(l.Memory) / float64(n)),
	}
}

// Division is how l is divided among n workers, for people.
func (l Limits) Division(n int) string {
	n = max(n, 1)
	share := l.Share(n)
	each := fmt.Sprintf("each of %d workers has", n)
	if n == 1 {
		each = "the worker has"
	}
	text := fmt.Sprintf("%s %d of %s CPUs (GOMAXPROCS)", each, share.CPUs, strconv.FormatFloat(l.CPUs, 'f', -1, 64))
	if l.Memory == 0 {
		return text + "; how much memory there is is not known"
	}
	return text + fmt.Sprintf(" and %d of %d MiB (GOMEMLIMIT: %.0f%% of the memory, divided)", share.Memory>>20, l.Memory>>20, 100*memoryUse)
}

// Without leaves out what the operator has set: with cpus GOMAXPROCS, with memory
// GOMEMLIMIT.
func (s Share) Without(cpus, memory bool) Share {
	if cpus {
		s.CPUs = 0
	}
	if memory {
		s.Memory = 0
	}
	return s
}

// Env gives the share as the variables that Go's runtime and package worker read.
func (s Share) Env() []string {
	var env []string
	if s.CPUs > 0 {
		env = append(env, "GOMAXPROCS="+strconv.Itoa(s.CPUs))
	}
	if s.Memory > 0 {
		env = append(env, fmt.Sprintf("GOMEMLIMIT=%dB", s.Memory))
	}
	if s.Connections > 0 {
		env = append(env, "TANDEM_DB_CONNECTIONS="+strconv.Itoa(s.Connections))
	}
	return env
}

// Workers is how many workers "auto" means: one for each whole CPU of the quota.
func (l Limits) Workers() int { return max(1, int(math.Floor(l.CPUs))) }

// memory walks from our cgroup up to the root: the smallest limit counts,
// because an unlimited leaf may stand under a limited parent. machine is asked for
// the machine's memory where /proc has no meminfo, as under systemd's ProcSubset=pid;
// before that /proc, which a container's runtime may have made to say the container's.
func memory(root fs.FS, machine func() int64) int64 {
	least := int64(math.MaxInt64)
	lower := func(name string) {
		b, err := fs.ReadFile(root, name)
		if err != nil {
			return
		}
		if v, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64); err == nil && v > 0 {
			least = min(least, v)
		}
	}
	for at := range cgroup.Memory(root, "self") {
		lower(at.File("memory.max", "memory.limit_in_bytes"))
	}
	if b, err := fs.ReadFile(root, "proc/meminfo"); err != nil {
		if all := machine(); all > 0 {
			least = min(least, all)
		}
	} else {
		for line := range bytes.Lines(b) {
			var kb int64
			if n, _ := fmt.Sscanf(string(line), "MemTotal: %d kB", &kb); n == 1 {
				least = min(least, kb<<10)
				break
			}
		}
	}
	if least == math.MaxInt64 {
		return 0
	}
	return least
}

// sysinfo asks the kernel for the machine's memory, in bytes; 0: it does not say.
func sysinfo() int64 {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return 0
	}
	return int64(uint64(info.Totalram) * uint64(info.Unit))
}
