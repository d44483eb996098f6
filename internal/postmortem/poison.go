package postmortem

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

const (
	poisonWindow  = 10 * time.Minute // deaths further back say nothing
	poisonDeaths  = 5                // so many of the last ones are looked at
	poisonAtLeast = 3                // in so many of them the request must have been in flight
	poisonChance  = 0.05             // and by chance that must be rarer than this

	samplePause  = 5 * time.Second // between two samples of one worker
	sampleProven = time.Minute     // who lived on for so long was not dying
	maxSamples   = 16              // of one worker that are not proven yet
	maxKinds     = 32              // in one sample
	maxSeen      = 512             // kinds that are counted
	decayAt      = 1000            // samples; then all of them count half
)

// Kind is what requests have in common that may be poison: method and route.
type Kind struct{ Method, Route string }

func (k Kind) String() string { return k.Method + " " + k.Route }

// MarshalText makes Kind the key of a map in JSON.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText is its counterpart: a method has no space in it.
func (k *Kind) UnmarshalText(text []byte) error {
	k.Method, k.Route, _ = strings.Cut(string(text), " ")
	return nil
}

// Suspicion names a request that was in flight in several workers when they
// died, more often than can be put down to its being frequent. It is no proof.
type Suspicion struct {
	Kind   Kind    `json:"request"` // "POST /orders/"
	Deaths int     `json:"deaths"`  // workers that died with it in flight
	Of     int     `json:"of"`      // the last so many that died
	Chance float64 `json:"chance"`  // of that, if it had nothing to do with it
}

func (s Suspicion) String() string {
	return fmt.Sprintf("%s was in flight in %d of the last %d workers that died", s.Kind, s.Deaths, s.Of)
}

// Poison looks for a request that kills workers. It compares the dead with the
// living: a request that those who live on have in flight as often is frequent,
// and under no suspicion. What a worker had in flight in its last minute says
// nothing of the living, for it may have been dying of it. Poison keeps no clock
// and belongs to one goroutine; its zero value is ready, and it goes into JSON
// and back.
type Poison struct {
	Deaths  []Death             `json:"deaths"`  // the newest last
	Samples int                 `json:"samples"` // of workers that lived on
	Seen    map[Kind]int        `json:"seen"`    // in how many of them it was in flight
	Held    map[uint64][]Sample `json:"held"`    // by worker: not proven yet
	Named   []Kind              `json:"named"`   // under suspicion, and said so
}

// Sample is what a worker had in flight at one moment.
type Sample struct {
	Time  time.Time `json:"time"`
	Kinds []Kind    `json:"kinds"`
}

// Death is what a worker had in flight when it died.
type Death = Sample

// Due says whether Alive has a use for what a worker has in flight now.
func (p *Poison) Due(now time.Time, worker uint64) bool {
	held := p.Held[worker]
	return len(held) == 0 || now.Sub(held[len(held)-1].Time) >= samplePause
}

// Alive takes in what a living worker has in flight; often is harmless.
func (p *Poison) Alive(now time.Time, worker uint64, kinds []Kind) {
	if !p.Due(now, worker) {
		return
	}
	held := p.Held[worker]
	held = append(held, Sample{now, distinct(kinds)})
	for len(held) > maxSamples || now.Sub(held[0].Time) >= sampleProven {
		p.count(held[0])
		held = slices.Delete(held, 0, 1)
	}
	if p.Held == nil {
		p.Held = make(map[uint64][]Sample)
	}
	p.Held[worker] = held
}

// Left takes note of a worker that has ended as it should.
func (p *Poison) Left(worker uint64) {
	for _, s := range p.Held[worker] {
		p.count(s)
	}
	delete(p.Held, worker)
}

// Died takes in what a worker had in flight when it died; counts says whether a
// request may have killed it at all.
func (p *Poison) Died(now time.Time, worker uint64, kinds []Kind, counts bool) {
	delete(p.Held, worker)
	if !counts {
		return
	}
	p.Deaths = append(p.Deaths, Death{now, distinct(kinds)})
	if n := len(p.Deaths); n > poisonDeaths {
		p.Deaths = slices.Delete(p.Deaths, 0, n-poisonDeaths)
	}
}

// News gives the suspicions that it has not given before, the strongest first.
func (p *Poison) News(now time.Time) []Suspicion {
	var news []Suspicion
	var still []Kind
	for _, s := range p.Suspects(now) {
		still = append(still, s.Kind)
		if !slices.Contains(p.Named, s.Kind) {
			news = append(news, s)
		}
	}
	p.Named = still
	return news
}

func (p *Poison) count(s Sample) {
	if p.Seen == nil {
		p.Seen = make(map[Kind]int)
	}
	p.Samples++
	for _, k := range s.Kinds {
		p.see(k)
	}
	if p.Samples < decayAt {
		return
	}
	p.Samples /= 2
	for k, n := range p.Seen {
		if n /= 2; n == 0 {
			delete(p.Seen, k)
		} else {
			p.Seen[k] = n
		}
	}
}

// see counts a kind. Where there is no room it takes the place of one that was
// seen least, and its count: a kind may then seem more frequent than it is, which
// spares it a suspicion, and never less.
func (p *Poison) see(k Kind) {
	if _, known := p.Seen[k]; !known && len(p.Seen) >= maxSeen {
		var least Kind
		fewest := math.MaxInt
		for other, n := range p.Seen {
			if n < fewest {
				least, fewest = other, n
			}
			if n <= 1 {
				break
			}
		}
		delete(p.Seen, least)
		p.Seen[k] = fewest
	}
	p.Seen[k] = min(p.Seen[k]+1, p.Samples)
}

// Suspects gives the suspicions that there are, the strongest first.
func (p *Poison) Suspects(now time.Time) []Suspicion {
	deaths := p.Deaths
	for len(deaths) > 0 && now.Sub(deaths[0].Time) > poisonWindow {
		deaths = deaths[1:]
	}
	in := make(map[Kind]int)
	for _, d := range deaths {
		for _, k := range d.Kinds {
			in[k]++
		}
	}
	var list []Suspicion
	for k, n := range in {
		if n < poisonAtLeast {
			continue
		}
		if chance := atLeast(n, len(deaths), p.frequency(k)); chance < poisonChance {
			list = append(list, Suspicion{Kind: k, Deaths: n, Of: len(deaths), Chance: math.Round(chance*1e6) / 1e6})
		}
	}
	slices.SortFunc(list, func(a, b Suspicion) int {
		return cmp.Or(cmp.Compare(a.Chance, b.Chance), cmp.Compare(a.Kind.Route, b.Kind.Route), cmp.Compare(a.Kind.Method, b.Kind.Method))
	})
	return list
}

// Suspects gives the suspicions that records give rise to, of which the newest
// comes first, when nothing is known of the living.
func Suspects(records []Record, now time.Time) []Suspicion {
	var p Poison
	for _, r := range slices.Backward(records) {
		kinds, ok := r.Kinds()
		for range min(r.Count, poisonDeaths) {
			p.Died(r.Last(), r.Worker, kinds, ok)
		}
	}
	return append([]Suspicion{}, p.Suspects(now)...)
}

// Kinds is what was in flight, if the record is of a worker that a request may
// have killed: one that served and could say what.
func (r *Record) Kinds() ([]Kind, bool) {
	if r.Counters == nil || r.ReadySeconds == nil || r.Cause.Class == ClassDrain {
		return nil, false
	}
	var kinds []Kind
	for _, q := range r.Requests {
		kinds = append(kinds, Kind{q.Method, q.Route})
	}
	return distinct(kinds), true
}

// frequency estimates how likely it is that a worker has k in flight at some
// moment. When nothing is known that is a third, so that three deaths out of
// three are enough for a suspicion.
func (p *Poison) frequency(k Kind) float64 {
	all, with := p.Samples, p.Seen[k]
	for _, held := range p.Held {
		for _, s := range held {
			all++
			if slices.Contains(s.Kinds, k) {
				with++
			}
		}
	}
	return (float64(with) + 0.5) / (float64(all) + 1.5)
}

// atLeast is the chance of n or more of all, when each has the chance f.
func atLeast(n, all int, f float64) (sum float64) {
	for i := n; i <= all; i++ {
		sum += choose(all, i) * math.Pow(f, float64(i)) * math.Pow(1-f, float64(all-i))
	}
	return sum
}

func choose(n, k int) float64 {
	c := 1.0
	for i := range k {
		c = c * float64(n-i) / float64(i+1)
	}
	return c
}

func distinct(kinds []Kind) []Kind {
	var list []Kind
	for _, k := range kinds {
		if len(list) < maxKinds && !slices.Contains(list, k) {
			list = append(list, k)
		}
	}
	return list
}
