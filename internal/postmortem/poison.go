package postmortem

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"
)

const (
	poisonWindow  = 10 * time.Minute // deaths further back say nothing
	poisonDeaths  = 5                // so many of the last ones are looked at
	poisonAtLeast = 3                // in so many of them the request must have been in flight
	poisonChance  = 0.05             // and by chance that must be rarer than this
	maxExposures  = 512
	exposureDecay = 1000 // samples; then older ones count half
)

// Kind is what requests have in common that may be poison: method and route.
type Kind struct {
	Method string `json:"method"`
	Route  string `json:"route"`
}

func (k Kind) String() string { return k.Method + " " + k.Route }

// Suspicion names a request that was in flight in several workers when they
// died, more often than can be put down to its being frequent. It is no proof.
type Suspicion struct {
	Kind
	Deaths int     `json:"deaths"` // workers that died with it in flight
	Of     int     `json:"of"`     // the last so many that died
	Chance float64 `json:"chance"` // of that, if it had nothing to do with it
}

func (s Suspicion) String() string {
	return fmt.Sprintf("%s was in flight in %d of the last %d workers that died", s.Kind, s.Deaths, s.Of)
}

// Poison looks for a request that kills workers. It compares dead workers with
// living ones: a request that the living have in flight as often is frequent,
// and under no suspicion. It keeps no clock and belongs to one goroutine; its
// zero value is ready.
type Poison struct {
	deaths  []poisonDeath // the newest last
	samples int           // living workers looked at
	seen    map[Kind]int  // in how many of them it was in flight
	named   map[Kind]bool // under suspicion and said so
}

type poisonDeath struct {
	at    time.Time
	kinds []Kind
}

// Alive takes in what one living worker has in flight.
func (p *Poison) Alive(kinds []Kind) {
	p.samples++
	for _, k := range distinct(kinds) {
		if _, known := p.seen[k]; known || len(p.seen) < maxExposures {
			if p.seen == nil {
				p.seen = make(map[Kind]int)
			}
			p.seen[k]++
		}
	}
	if p.samples < exposureDecay {
		return
	}
	p.samples /= 2
	for k, n := range p.seen {
		if n /= 2; n == 0 {
			delete(p.seen, k)
		} else {
			p.seen[k] = n
		}
	}
}

// Died takes in what a worker had in flight when it died, and gives the
// suspicions that are new, the strongest first.
func (p *Poison) Died(now time.Time, kinds []Kind) []Suspicion {
	p.deaths = append(p.deaths, poisonDeath{now, distinct(kinds)})
	if n := len(p.deaths); n > poisonDeaths {
		p.deaths = slices.Delete(p.deaths, 0, n-poisonDeaths)
	}
	var news []Suspicion
	still := make(map[Kind]bool)
	for _, s := range p.Suspects(now) {
		still[s.Kind] = true
		if !p.named[s.Kind] {
			news = append(news, s)
		}
	}
	p.named = still
	return news
}

// Suspects gives the suspicions that there are, the strongest first.
func (p *Poison) Suspects(now time.Time) []Suspicion {
	deaths := p.deaths
	for len(deaths) > 0 && now.Sub(deaths[0].at) > poisonWindow {
		deaths = deaths[1:]
	}
	in := make(map[Kind]int)
	for _, d := range deaths {
		for _, k := range d.kinds {
			in[k]++
		}
	}
	var list []Suspicion
	for k, n := range in {
		if n < poisonAtLeast {
			continue
		}
		if chance := atLeast(n, len(deaths), p.frequency(k)); chance < poisonChance {
			list = append(list, Suspicion{Kind: k, Deaths: n, Of: len(deaths), Chance: chance})
		}
	}
	slices.SortFunc(list, func(a, b Suspicion) int {
		return cmp.Or(cmp.Compare(a.Chance, b.Chance), cmp.Compare(a.Route, b.Route), cmp.Compare(a.Method, b.Method))
	})
	return list
}

// frequency estimates how likely it is that a worker has k in flight at some
// moment. When nothing is known that is a third, so that three deaths out of
// three are enough for a suspicion.
func (p *Poison) frequency(k Kind) float64 {
	return (float64(p.seen[k]) + 0.5) / (float64(p.samples) + 1.5)
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
		if !slices.Contains(list, k) {
			list = append(list, k)
		}
	}
	return list
}
