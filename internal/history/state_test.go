package history

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"testing"
)

func random(rng *rand.Rand, n int) []Sample {
	out := make([]Sample, n)
	at := int64(0)
	for i := range out {
		s := &out[i]
		at += 1 + rng.Int64N(2000)
		s.At, s.Span, s.Counted = at, rng.Uint32(), rng.IntN(2) == 0
		for j := range s.Ended {
			s.Ended[j] = rng.Uint32()
		}
		s.P50, s.P99 = rng.Uint32(), None
		s.Present = Present{rng.Uint32(), rng.Uint32(), rng.Uint32(), rng.Uint32(), rng.Uint32(), uint16(rng.Uint32()), uint16(rng.Uint32()), rng.Uint32()}
		for j := range rng.IntN(Named + 1) {
			s.Workers[j] = Memory{1 + rng.Uint32N(1<<31), rng.Uint32()}
		}
		s.Others = Memory{rng.Uint32(), rng.Uint32()}
	}
	return out
}

func TestStateGoesRound(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{0, 1, 2, Seconds} {
		want := random(rng, n)
		text := encode(want)
		if len(text) > MaxState {
			t.Fatalf("%d samples are %d bytes, more than %d", n, len(text), MaxState)
		}
		got, err := decode(text)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%d samples: %v, or they differ", n, err)
		}
	}
}

// Whatever is read, what comes of it is sound, or it is refused.
func TestStateOfAnotherKind(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	good := encode(random(rng, 50))
	refused := 0
	for range 800 {
		bad := slices.Clone(good)
		for range 1 + rng.IntN(4) {
			bad[rng.IntN(len(bad))] = byte(rng.Uint32())
		}
		bad = bad[:rng.IntN(len(bad)+1)]
		got, err := decode(bad)
		if err != nil {
			refused++
			continue
		}
		for i := 1; i < len(got); i++ {
			if got[i].At <= got[i-1].At {
				t.Fatalf("time stands still at %d", i)
			}
		}
	}
	if refused == 0 {
		t.Error("nothing was refused")
	}
	if r := New(Options{Was: State{Now: 5, Samples: []byte{99, 1, 2}}}); r.ring.n != 0 || r.Now() > 1000 {
		t.Errorf("a format of the future: %d samples, at %d", r.ring.n, r.Now())
	}
}

func TestRingKeepsAnHour(t *testing.T) {
	var r ring
	for i := range 3*Seconds + 7 {
		r.add(Sample{At: int64(i)})
		if i != 0 && i != Seconds-1 && i%1000 != 0 {
			continue
		}
		got := r.all()
		if want := min(i+1, Seconds); len(got) != want || got[len(got)-1].At != int64(i) || got[0].At != int64(i+1-want) {
			t.Fatalf("after %d: %d samples", i+1, len(got))
		}
	}
	if Size > 1<<20 {
		t.Errorf("an hour takes %d bytes", Size)
	}
}

// An hour of a service that works is much less than it may be at most.
func TestAnHourIsSmall(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	samples := make([]Sample, Seconds)
	for i := range samples {
		s := &samples[i]
		s.At, s.Span, s.Counted = int64(i)*1000+rng.Int64N(20), 990+rng.Uint32N(20), true
		s.Ended[Successful], s.Ended[Refused] = 900+rng.Uint32N(200), rng.Uint32N(5)
		s.P50, s.P99, s.InFlight = 400+rng.Uint32N(100), 9000+rng.Uint32N(5000), rng.Uint32N(30)
		for j := range 4 {
			s.Workers[j] = Memory{uint32(j + 1), 40_000 + rng.Uint32N(64)*4}
		}
	}
	text, err := json.Marshal(State{Samples: encode(samples)})
	if err != nil || len(text) > 200<<10 {
		t.Errorf("an hour is %d bytes in the state, %v", len(text), err)
	}
}
