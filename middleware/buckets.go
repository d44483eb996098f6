package middleware

import (
	"hash/maphash"
	"math"
	"math/bits"
	"sync"
	"time"
)

// buckets limit the rates of many keys in a fixed memory, by the generic cell rate
// algorithm: of a key nothing is kept but the time until which it has used its even
// rate, its debt. That is a token bucket which need not be filled.
//
// The invariant: no key gets more than its rate. When there is no place for
// another one the key with the least debt of its set makes room, and whoever is not
// there begins with the least debt that is: who has been forgotten gains nothing.
type buckets struct {
	seed  maphash.Seed
	every time.Duration // of the even rate
	burst int
	mask  uint64
	sets  []set
}

// ways is how many keys are looked for in one place.
const ways = 8

type set struct {
	mu   sync.Mutex
	keys [ways]uint64
	debt [ways]time.Duration // until then its rate is used; 0: nobody's
}

// maxDebt leaves room to add to the time.
const maxDebt = time.Duration(math.MaxInt64 / 4)

func newBuckets(every time.Duration, burst, keys int) *buckets {
	sets := uint64(1) << bits.Len64(uint64((keys-1)/ways)) // a power of two
	return &buckets{seed: maphash.MakeSeed(), every: every, burst: burst, mask: sets - 1, sets: make([]set, sets)}
}

// taken is what became of a request.
type taken struct {
	left int           // how many could follow at once
	full time.Duration // until the burst would be whole again
	wait time.Duration // how long it comes too early; 0: it was let through
}

// take lets a request of a key through at a time, or not; now does not go back.
func (b *buckets) take(key uint64, now time.Duration) taken {
	s := &b.sets[key&b.mask]
	s.mu.Lock()
	defer s.mu.Unlock()
	at, least := -1, 0
	for i := range s.keys {
		if s.keys[i] == key && s.debt[i] > 0 {
			at = i
			break
		}
		if s.debt[i] < s.debt[least] {
			least = i
		}
	}
	if at < 0 {
		at = least
	}
	most := b.every * time.Duration(b.burst)
	debt := max(s.debt[at], now)
	if early := debt + b.every - now - most; early > 0 {
		return taken{full: debt - now, wait: early}
	}
	debt += b.every
	s.keys[at], s.debt[at] = key, debt
	return taken{left: int((most - (debt - now)) / b.every), full: debt - now}
}
