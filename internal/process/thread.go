package process

import (
	"runtime"
	"sync"
)

// The kernel sends the parent-death signal when the *thread* that forked ends,
// not when its process does. So every fork happens on a thread that outlives
// the children: the main thread where there is one to be had (an exec in place
// ends all threads but the one that calls it), a dedicated one elsewhere.
var forker struct {
	once  sync.Once
	calls chan func()
	main  bool
}

// RunMain runs f on a goroutine of its own and lends the calling thread to
// forks until f returns; it returns f's result. It must be called from main,
// at most once, with the main goroutine still locked to the main thread
// (runtime.LockOSThread in an init function).
func RunMain(f func() int) int {
	forker.once.Do(func() { forker.calls = make(chan func()); forker.main = true })
	if !forker.main {
		panic("process: RunMain after the first Start")
	}
	result := make(chan int, 1)
	go func() { result <- f() }()
	for {
		select {
		case call := <-forker.calls:
			call()
		case code := <-result:
			return code
		}
	}
}

// onForkThread runs f on the thread that forks and waits for it.
func onForkThread(f func()) {
	forker.once.Do(func() {
		forker.calls = make(chan func())
		go func() {
			runtime.LockOSThread() // and never unlocked: the thread must not end
			for call := range forker.calls {
				call()
			}
		}()
	})
	done := make(chan struct{})
	forker.calls <- func() { f(); close(done) }
	<-done
}
