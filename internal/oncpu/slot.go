package oncpu

import "sync/atomic"

// slots bounds how many calls are sampled at the same time, each with a thread
// for itself, and tells them apart: the function of its slot is on the stack of a
// sampled call, which is how the call's goroutine is found among all others.
// Profiler labels would do, were they not the program's own to set.
var slots = [...]func(func()){slot0, slot1, slot2, slot3, slot4, slot5, slot6, slot7}

var slotsTaken [len(slots)]atomic.Bool

// takeSlot returns the number of a free slot, -1 where there is none.
func takeSlot() int {
	for i := range slotsTaken {
		if !slotsTaken[i].Load() && slotsTaken[i].CompareAndSwap(false, true) {
			return i
		}
	}
	return -1
}

func giveSlot(i int) { slotsTaken[i].Store(false) }

//go:noinline
func slot0(f func()) { f() }

//go:noinline
func slot1(f func()) { f() }

//go:noinline
func slot2(f func()) { f() }

//go:noinline
func slot3(f func()) { f() }

//go:noinline
func slot4(f func()) { f() }

//go:noinline
func slot5(f func()) { f() }

//go:noinline
func slot6(f func()) { f() }

//go:noinline
func slot7(f func()) { f() }
