package budget

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func TestTheArithmeticIsOneLine(t *testing.T) {
	for _, c := range []struct {
		connections Connections
		fits        bool
		want        string
	}{
		{Connections{0, 4, 1}, true, "not divided"},
		{Connections{100, 4, 1}, true, "100 = 5 processes (4 workers + 1 surge) × 20; in a reload up to 9 (4 more drain) × 11"},
		{Connections{97, 4, 1}, true, "97 = 5 processes (4 workers + 1 surge) × 19 + 2 left; in a reload up to 9 (4 more drain) × 10"},
		{Connections{8, 4, 1}, true, "8 = 5 processes (4 workers + 1 surge) × 1 + 3 left; in a reload up to 9 (4 more drain), which do not fit"},
		{Connections{5, 4, 1}, true, "5 = 5 processes (4 workers + 1 surge) × 1; in a reload up to 9 (4 more drain), which do not fit"},
		{Connections{4, 4, 1}, false, "4 = 5 processes (4 workers + 1 surge) × 0 + 4 left; in a reload up to 9 (4 more drain), which do not fit"},
	} {
		if got := c.connections.String(); got != c.want {
			t.Errorf("%+v: %s\nwant %s", c.connections, got, c.want)
		}
		if got := c.connections.Fits(); got != c.fits {
			t.Errorf("%+v fits: %v", c.connections, got)
		}
	}
}

func TestWhatProcessesBeginWithFitsAReload(t *testing.T) {
	for _, c := range []struct {
		connections     Connections
		processes, want int
	}{
		{Connections{0, 4, 1}, 1, 0},
		{Connections{100, 4, 1}, 1, 11},
		{Connections{100, 4, 1}, 9, 11},
		{Connections{100, 4, 1}, 10, 10}, // of another reload before have not ended
		{Connections{100, 4, 1}, 13, 7},
		{Connections{3, 4, 1}, 5, 1},
	} {
		if got := c.connections.First(c.processes); got != c.want {
			t.Errorf("%+v: one of %d begins with %d, want %d", c.connections, c.processes, got, c.want)
		}
	}
}

// hears and deaf are holders.
func hears(has int) Holder { return Holder{Has: has, Hears: true} }
func deaf(has int) Holder  { return Holder{Has: has} }

func TestDealGivesEqualPartsOfWhatIsLeft(t *testing.T) {
	c := Connections{Limit: 100, Workers: 4, Surge: 1}
	for name, tc := range map[string]struct {
		holders []Holder
		full    []int // cannot be told
		want    []int // what each has then
	}{
		"a start":                       {holders: []Holder{hears(11), hears(11), deaf(11), deaf(11)}, want: []int{20, 20, 11, 11}},
		"at rest":                       {holders: []Holder{hears(11), hears(20), hears(11), hears(11)}, want: []int{20, 20, 20, 20}},
		"the first of a new generation": {holders: []Holder{hears(20), hears(20), hears(20), hears(20), deaf(11)}, want: []int{20, 20, 20, 20, 11}},
		"one drains, one starts":        {holders: []Holder{hears(20), hears(20), hears(20), hears(20), hears(20), deaf(11)}, want: []int{16, 16, 16, 16, 16, 11}},
		"a killed one holds more":       {holders: []Holder{deaf(50), hears(20), hears(20), hears(20), hears(20)}, want: []int{50, 12, 12, 12, 12}},
		"told nothing":                  {holders: []Holder{hears(0), hears(20), hears(20), hears(20), hears(20), hears(20)}, want: []int{0, 16, 16, 16, 16, 16}},
		"a full queue holds all back":   {holders: []Holder{hears(60), hears(30), hears(5), hears(5), hears(5)}, full: []int{0}, want: []int{60, 10, 10, 10, 10}},
		"a raise that is not heard":     {holders: []Holder{hears(5), hears(5), hears(5), hears(5)}, full: []int{3}, want: []int{20, 20, 20, 5}},
		"less than one for each":        {holders: []Holder{deaf(60), deaf(60), hears(20)}, want: []int{60, 60, 1}},
		"nobody hears":                  {holders: []Holder{deaf(11), deaf(11), deaf(11), deaf(11), deaf(11)}, want: []int{11, 11, 11, 11, 11}},
	} {
		c.Deal(tc.holders, func(i, _ int) bool { return !slices.Contains(tc.full, i) })
		for i, h := range tc.holders {
			if h.Has != tc.want[i] {
				t.Errorf("%s: %+v, want %v", name, tc.holders, tc.want)
				break
			}
		}
	}
	Connections{Workers: 4, Surge: 1}.Deal([]Holder{hears(11)}, func(int, int) bool {
		t.Error("told something though nothing is divided")
		return true
	})
}

// TestPartsNeverAddUpToMore lets processes start, begin to hear, drain, be killed, stop
// reading and end, and their wanted number change, as it comes.
func TestPartsNeverAddUpToMore(t *testing.T) {
	type process struct {
		Holder
		active, killed, full bool
	}
	for seed := range uint64(2000) {
		r := rand.New(rand.NewPCG(seed, 0))
		c := Connections{Workers: 1 + r.IntN(6), Surge: 1 + r.IntN(2)}
		c.Limit = 2*c.Workers + c.Surge + r.IntN(200)
		var ps []*process
		sum := func() (all, heard, n int) {
			for _, p := range ps {
				all += p.Has
				if p.Hears && !p.killed && !p.full {
					heard += p.Has
					n++
				}
			}
			return all, heard, n
		}
		deal := func() {
			holders := make([]Holder, len(ps))
			for i, p := range ps {
				holders[i] = Holder{Has: p.Has, Hears: p.Hears && !p.killed}
			}
			bound := c.Limit
			if all, heard, n := sum(); all-heard > c.Limit-n {
				bound = all - heard + n // who hears nothing has more than it should
			}
			before, _, _ := sum()
			c.Deal(holders, func(i, n int) bool {
				if n < 1 {
					t.Fatalf("seed %d: told %d", seed, n)
				}
				if ps[i].full {
					return false
				}
				ps[i].Has = n
				if all, _, _ := sum(); all > max(bound, before) {
					t.Fatalf("seed %d: %+v gave away %d on the way from %d", seed, c, all, before)
				}
				return true
			})
			all, heard, n := sum()
			if all > bound {
				t.Fatalf("seed %d: %+v gave away %d of %d", seed, c, all, bound)
			}
			if n == len(ps) && n > 0 && heard != n*max(1, c.Limit/max(n, c.Workers+c.Surge)) {
				t.Fatalf("seed %d: %+v gave %d processes that hear %d in all", seed, c, n, heard)
			}
		}
		for range 60 {
			switch op := r.IntN(8); {
			case op < 2:
				active := 0
				for _, p := range ps {
					if p.active {
						active++
					}
				}
				if active < c.Workers+c.Surge {
					p := &process{active: true}
					p.Has = c.First(len(ps) + 1)
					ps = append(ps, p)
				}
			case op == 2:
				c.Workers = 1 + r.IntN(6)
				c.Limit = max(c.Limit, 2*c.Workers+c.Surge)
			case len(ps) > 0:
				at := r.IntN(len(ps))
				switch p := ps[at]; op {
				case 3, 4:
					p.Hears = true
				case 5:
					p.active = false
				case 6:
					p.killed, p.full = r.IntN(4) == 0, r.IntN(4) == 0
				case 7:
					ps = slices.Delete(ps, at, at+1)
				}
			}
			deal()
		}
	}
}

func TestAWholeReloadOfProgramsThatHearNothingFits(t *testing.T) {
	for workers := 1; workers < 20; workers++ {
		for surge := 1; surge < 4; surge++ {
			for limit := 2*workers + surge; limit < 200; limit++ {
				c := Connections{limit, workers, surge}
				all := 0
				for n := range 2*workers + surge {
					all += c.First(n + 1)
				}
				if all > limit {
					t.Fatalf("%+v: they hold %d", c, all)
				}
			}
		}
	}
}
