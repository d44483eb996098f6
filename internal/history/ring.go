package history

import "unsafe"

// Seconds is how many samples are kept: an hour.
const Seconds = 3600

// Size is the memory of a history in bytes, taken whole when it is made.
const Size = Seconds * int(unsafe.Sizeof(Sample{}))

// ring is the last samples.
type ring struct {
	samples [Seconds]Sample
	next    int // where the next one goes
	n       int // how many there are
}

func (r *ring) add(s Sample) {
	r.samples[r.next] = s
	r.next = (r.next + 1) % Seconds
	r.n = min(r.n+1, Seconds)
}

// all is a copy, the oldest first.
func (r *ring) all() []Sample {
	out := make([]Sample, 0, r.n)
	first := (r.next - r.n + Seconds) % Seconds
	out = append(out, r.samples[first:min(first+r.n, Seconds)]...)
	return append(out, r.samples[:r.n-len(out)]...)
}
