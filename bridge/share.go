package bridge

import (
	"fmt"
	"runtime"
	"slices"
	"weak"
)

// Share is the process's number of CPUs: GOMAXPROCS without what is raised on top
// of it while CPU frames run.
func Share() int {
	procs.mu.Lock()
	defer procs.mu.Unlock()
	return procs.share()
}

// SetShare says that the process's number of CPUs is n from now on. GOMAXPROCS
// becomes n, and n with the raise while CPU frames run; limiters of [Auto] permits
// follow. The runtime follows the cgroup's quota by itself no longer. A worker's
// supervisor has it called when the number of workers changes. It panics if n is
// less than one.
func SetShare(n int) {
	if n < 1 {
		panic(fmt.Sprintf("bridge.SetShare: %d CPUs: a process has at least one", n))
	}
	procs.mu.Lock()
	defer procs.mu.Unlock()
	set := procs.set()
	procs.base, procs.auto = n, false
	procs.lead(n)
	set()
}

// CPUPermits is the default number of permits for code that computes: the
// process's share of CPUs less one, at least one.
func CPUPermits() int { return spared(Share()) }

func spared(share int) int { return max(1, share-1) }

func (p *processors) share() int {
	if p.extra > 0 {
		return p.base
	}
	return runtime.GOMAXPROCS(0)
}

// ours says whether GOMAXPROCS is still what it was raised to.
func (p *processors) ours() bool { return runtime.GOMAXPROCS(0) == p.base+p.extra }

// set returns what makes GOMAXPROCS follow changes of base and extra, at once,
// unless it is somebody else's by now. A change stops the world.
func (p *processors) set() func() {
	if p.extra > 0 && !p.ours() {
		return func() {}
	}
	return func() {
		if !p.ours() {
			runtime.GOMAXPROCS(p.base + p.extra)
		}
	}
}

// allow sets the permits of a CPU limiter, and the Ps that are raised for it.
func (p *processors) allow(l *Limiter, n int) {
	if int(l.permits.Load()) == n {
		return
	}
	l.allow(n)
	if l.computing.raised > 0 {
		p.extra += n - l.computing.raised
		l.computing.raised = n
	}
}

// follow has l's permits follow the share from now on, for as long as anybody
// else holds l.
func (p *processors) follow(l *Limiter) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.followers = append(p.followers, weak.Make(l))
	p.lead(p.share()) // it may have changed since l's permits were counted
}

func (p *processors) unfollow(l *Limiter) {
	p.followers = slices.DeleteFunc(p.followers, func(w weak.Pointer[Limiter]) bool { return w.Value() == l })
}

// lead gives those that follow the permits of a share.
func (p *processors) lead(share int) {
	p.followers = slices.DeleteFunc(p.followers, func(w weak.Pointer[Limiter]) bool {
		l := w.Value()
		if l == nil {
			return true
		}
		p.allow(l, spared(share))
		return false
	})
}
