package middleware

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// history is what was let through of a key.
type history []time.Duration

// fits checks every window: no more than the burst, and the even rate besides.
func (h history) fits(t *testing.T, b *buckets) {
	t.Helper()
	for i := range h {
		for j := i; j < len(h); j++ {
			if n, most := j-i+1, b.burst+int((h[j]-h[i])/b.every); n > most {
				t.Fatalf("%d requests from %v to %v, at most %d may be", n, h[i], h[j], most)
			}
		}
	}
}

// However many keys share however little memory, none gets more than its rate.
// Where there is a place for each, each gets exactly that.
func TestNoKeyEverGetsMoreThanItsRate(t *testing.T) {
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 1))
		names, burst := 1+random.IntN(40), 1+random.IntN(6)
		b := newBuckets(time.Duration(1+random.IntN(1000)), burst, 1+random.IntN(16))
		exact := newBuckets(b.every, burst, 1)
		apart := map[uint64]*buckets{}
		through := map[uint64]history{}
		enough := names <= ways
		now := time.Duration(random.IntN(10))
		for range 2000 {
			if random.IntN(3) > 0 {
				now += time.Duration(random.Int64N(int64(b.every) * 2))
			}
			key := uint64(random.IntN(names))
			got := b.take(key, now)
			if got.wait == 0 {
				through[key] = append(through[key], now)
			}
			if got.left < 0 || got.left >= burst || got.full < 0 || got.full > b.every*time.Duration(burst) {
				t.Fatalf("seed %d: %+v of a burst of %d", seed, got, burst)
			}
			if !enough {
				continue
			}
			if apart[key] == nil {
				apart[key] = newBuckets(exact.every, burst, 1)
			}
			if want := apart[key].take(key, now); got != want {
				t.Fatalf("seed %d: key %d at %v: %+v, alone it would be %+v", seed, key, now, got, want)
			}
		}
		for _, h := range through {
			h.fits(t, b)
		}
	}
}

// What it says of waiting is so: a moment sooner is too early, and then is not.
func TestWaitingIsAsLongAsItSays(t *testing.T) {
	for seed := range uint64(100) {
		random := rand.New(rand.NewPCG(seed, 2))
		b := newBuckets(time.Duration(1+random.IntN(1000)), 1+random.IntN(6), 8)
		now := time.Duration(0)
		for range 200 {
			now += time.Duration(random.Int64N(int64(b.every)))
			got := b.take(7, now)
			if got.wait == 0 {
				continue
			}
			if again := b.take(7, now+got.wait-1); again.wait != 1 {
				t.Fatalf("seed %d: a nanosecond too early: %+v", seed, again)
			}
			now += got.wait
			if again := b.take(7, now); again.wait != 0 {
				t.Fatalf("seed %d: in time: %+v", seed, again)
			}
		}
	}
}

// A flood of other keys does not make a spent one new.
func TestAFloodOfKeysIsNoWayToBeForgotten(t *testing.T) {
	b := newBuckets(time.Second, 10, 64)
	for range 10 {
		if got := b.take(1, 0); got.wait != 0 {
			t.Fatal(got)
		}
	}
	for key := range uint64(100_000) {
		b.take(key+2, time.Millisecond)
	}
	if got := b.take(1, 2*time.Millisecond); got.wait == 0 {
		t.Error("it was let through")
	}
}

func TestManyAtOnceAreCountedOnce(t *testing.T) {
	const burst, clients = 100, 8
	b := newBuckets(time.Hour, burst, 8)
	var through atomic.Int64
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			for range burst {
				if b.take(5, time.Minute).wait == 0 {
					through.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if n := through.Load(); n != burst {
		t.Errorf("%d were let through", n)
	}
}

func BenchmarkBuckets(b *testing.B) {
	for name, keys := range map[string]uint64{"one key": 1, "a million keys": 1 << 20} {
		b.Run(name, func(b *testing.B) {
			l, began := newBuckets(time.Millisecond, 100, 1<<16), time.Now()
			random := rand.New(rand.NewPCG(1, 1))
			for b.Loop() {
				l.take(random.Uint64N(keys)*0x9e3779b97f4a7c15, time.Since(began))
			}
		})
	}
}
