package postmortem

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

var (
	bad  = Kind{"POST", "/poison/"}
	busy = Kind{"GET", "/"}
)

func TestThreeDeathsAreASuspicion(t *testing.T) {
	var p Poison
	now := time.Unix(0, 0)
	for n := 1; n <= 4; n++ {
		p.Died(now, uint64(n), []Kind{bad, bad}, true)
		for other := uint64(10); other < 13; other++ {
			p.Alive(now, other, []Kind{busy})
		}
		news := p.News(now)
		if (len(news) > 0) != (n == 3) {
			t.Errorf("after %d deaths the news are %v", n, news)
		}
		if n == 3 {
			if got := news[0].String(); got != "POST /poison/ was in flight in 3 of the last 3 workers that died" {
				t.Error(got)
			}
		}
	}
	if got := p.Suspects(now.Add(poisonWindow + time.Second)); len(got) != 0 {
		t.Errorf("still suspected long after: %v", got)
	}
}

func TestOneWorkerAloneIsEnough(t *testing.T) {
	var p Poison
	now := time.Unix(0, 0)
	for n := range 3 {
		p.Died(now, uint64(n), []Kind{bad}, true)
	}
	if got := p.Suspects(now); len(got) != 1 || got[0].Kind != bad {
		t.Error(got)
	}
}

// A busy route is in flight in whoever dies, and in whoever lives.
func TestABusyRouteIsNotSuspected(t *testing.T) {
	var p Poison
	now := time.Unix(0, 0)
	for n := range 5 {
		p.Died(now, uint64(n), []Kind{busy}, true)
		for other := uint64(10); other < 13; other++ {
			p.Alive(now, other, []Kind{busy})
		}
		if got := p.Suspects(now); len(got) != 0 {
			t.Fatalf("after %d deaths: %v", n+1, got)
		}
		now = now.Add(samplePause)
	}
	// The poison beside it is.
	for n := range 3 {
		p.Died(now, uint64(20+n), []Kind{busy, bad}, true)
	}
	if got := p.Suspects(now); len(got) != 1 || got[0].Kind != bad {
		t.Error(got)
	}
}

// Paths without a route, each of them another, leave no room for a route that
// becomes busy later. It is not suspected for being new.
func TestABusyRouteAmongManyPathsIsNotSuspected(t *testing.T) {
	var p Poison
	now := time.Unix(0, 0)
	for n := range 2 * maxSeen {
		kinds := []Kind{{"GET", fmt.Sprint("/", n)}, {"GET", fmt.Sprint("//", n)}}
		if n > maxSeen/2 {
			kinds = append(kinds, busy)
		}
		p.Alive(now, 1, kinds)
		now = now.Add(samplePause)
	}
	for n := range 4 {
		p.Died(now, uint64(20+n), []Kind{busy}, true)
	}
	if got := p.Suspects(now); len(got) != 0 {
		t.Errorf("in half of what was seen of the living: %v", got)
	}
}

// Workers that hang of a request have it in flight for as long as they are
// looked at: that is not what makes it frequent.
func TestAHangThatLastsIsSuspected(t *testing.T) {
	var p Poison
	now := time.Unix(0, 0)
	for range 6 {
		for w := uint64(1); w <= 4; w++ {
			p.Alive(now, w, []Kind{bad})
		}
		now = now.Add(samplePause)
	}
	for w := uint64(1); w <= 4; w++ {
		p.Died(now, w, []Kind{bad}, true)
	}
	if got := p.Suspects(now); len(got) != 1 || got[0].Deaths != 4 {
		t.Error(got)
	}
}

func TestOtherDeathsInBetween(t *testing.T) {
	var p Poison
	now := time.Unix(0, 0)
	for w := uint64(10); w < 20; w++ {
		p.Alive(now, w, nil)
	}
	for n, kinds := range [][]Kind{{bad}, nil, {bad}, {busy}, {bad}} {
		p.Died(now, uint64(n), kinds, true)
	}
	p.Died(now, 9, nil, false) // at boot: no request did that
	if got := p.Suspects(now); len(got) != 1 || got[0].Deaths != 3 || got[0].Of != 5 {
		t.Error(got)
	}
}

// Routes that are in flight at random are rarely suspected, however workers die.
func TestFalseAlarmsAreRare(t *testing.T) {
	alarms, deaths := 0, 0
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 1))
		var p Poison
		now := time.Unix(0, 0)
		flight := func() (kinds []Kind) {
			for n := range 8 {
				if r.Float64() < 0.1*float64(n+1) {
					kinds = append(kinds, Kind{"GET", fmt.Sprintf("/%d/", n)})
				}
			}
			return kinds
		}
		for step := range 400 {
			now = now.Add(samplePause)
			for w := range uint64(4) {
				p.Alive(now, w, flight())
			}
			if step%20 == 19 {
				deaths++
				p.Died(now, r.Uint64N(4), flight(), true)
				alarms += len(p.News(now))
			}
		}
	}
	// Eight routes are looked at, each with a chance of 0.05.
	if rate := float64(alarms) / float64(deaths); rate > 0.2 {
		t.Errorf("%d alarms of %d deaths", alarms, deaths)
	}
}

func TestPoisonIsBounded(t *testing.T) {
	var p Poison
	now := time.Unix(0, 0)
	n := 0
	many := func() (kinds []Kind) {
		for range 100 {
			n++
			kinds = append(kinds, Kind{"GET", fmt.Sprint(n)})
		}
		return kinds
	}
	for range 1200 {
		p.Alive(now, 1, many())
		p.Died(now, uint64(n), many(), true)
		now = now.Add(samplePause)
	}
	if len(p.Seen) > maxSeen || len(p.Deaths) > poisonDeaths || p.Samples > decayAt || len(p.Held[1]) > maxSamples || len(p.Deaths[0].Kinds) > maxKinds {
		t.Errorf("%d kinds, %d deaths, %d samples, %d held", len(p.Seen), len(p.Deaths), p.Samples, len(p.Held[1]))
	}
}

func TestPoisonSurvivesJSON(t *testing.T) {
	var p Poison
	now := time.Unix(0, 0).UTC()
	p.Alive(now, 1, []Kind{busy})
	p.Left(1)
	p.Alive(now, 2, []Kind{busy})
	for n := range 3 {
		p.Died(now, uint64(n+5), []Kind{bad}, true)
	}
	p.News(now)
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	var q Poison
	if err := json.Unmarshal(text, &q); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(p) != fmt.Sprint(q) || !strings.Contains(string(text), `"GET /":1`) || len(q.News(now)) != 0 {
		t.Errorf("%+v\n%+v\n%s", p, q, text)
	}
}

func TestSuspectsOfRecords(t *testing.T) {
	now := time.Unix(1000, 0)
	ready := 1.0
	death := func(count int) Record {
		return Record{Time: now, Count: count, ReadySeconds: &ready, Counters: &Counters{}, Requests: []Request{{Method: "POST", Route: "/poison/"}}}
	}
	if got := Suspects([]Record{death(1), death(1)}, now); len(got) != 0 {
		t.Error(got)
	}
	if got := Suspects([]Record{death(2), death(1)}, now); len(got) != 1 || got[0].Kind != bad {
		t.Error(got)
	}
}
