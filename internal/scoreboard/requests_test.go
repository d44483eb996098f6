package scoreboard

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"
	"unsafe"
)

func open(t testing.TB, mine *Board) *Board {
	t.Helper()
	board := Local()
	board.head, board.page = mine.head, mine.page
	board.head.writer.Store(Version)
	return board
}

func TestRequestsInFlight(t *testing.T) {
	mine := create(t)
	theirs := open(t, mine)
	made := theirs.Begin("GET", "/posts/../posts//7/", "")
	routed := theirs.Begin("POST", "/reset/secret-token", "client-1")
	routed.Route("POST /reset/{token}")
	routed.Route("again")
	strange := theirs.Begin("GET\x1b[2J-and-much-longer", "/\x00\xff\n"+strings.Repeat("é", 100), strings.Repeat("i", 300))
	ended := theirs.Begin("PUT", "/gone", "gone")
	ended.End(204)
	ended.Route("late")

	list := mine.InFlight()
	want := []Request{
		{Method: "GET", Route: "/posts/7", ID: made.ID(), Serial: 1},
		{Method: "POST", Route: "POST /reset/{token}", ID: "client-1", Serial: 2, Matched: true},
		{Method: "GET?[2J-and-much…", Route: "/???" + strings.Repeat("é", 46) + "…", ID: strings.Repeat("i", idRoom) + "…", Serial: 3},
	}
	if len(list) != len(want) {
		t.Fatalf("listed %+v", list)
	}
	for i := range want {
		if list[i].Age <= 0 || list[i].Age > time.Minute {
			t.Errorf("request %d has the age %v", i, list[i].Age)
		}
		list[i].Age = 0
		if list[i] != want[i] {
			t.Errorf("listed %+v\nwant   %+v", list[i], want[i])
		}
	}
	if len(made.ID()) != 32 || made.ID() == strange.ID() {
		t.Errorf("made the ids %q and %q", made.ID(), strange.ID())
	}
	made.End(200)
	routed.End(500)
	strange.End(0)
	if list := mine.InFlight(); list != nil {
		t.Errorf("listed %+v after the end", list)
	}
	got := mine.Read()
	counts := fmt.Sprint(got.ByCode)
	if counts != "[{GET 200 1} {POST 500 1} {PUT 204 1} {other 0 1}]" {
		t.Errorf("counted %v", counts)
	}
	if got.Duration.Count() != 4 || got.Duration.Sum <= 0 || got.InFlight != 0 {
		t.Errorf("read %+v", got)
	}
}

func TestMoreRequestsThanRoom(t *testing.T) {
	mine := create(t)
	theirs := open(t, mine)
	var all []Slot
	for range MaxRequests + 10 {
		all = append(all, theirs.Begin("GET", "/", ""))
	}
	got := mine.Read()
	if got.InFlight != MaxRequests+10 || got.Unlisted != 10 || len(mine.InFlight()) != MaxRequests {
		t.Errorf("in flight %d, listed %d, unlisted %d", got.InFlight, len(mine.InFlight()), got.Unlisted)
	}
	for _, r := range all {
		r.Route("GET /")
		r.End(200)
	}
	if got := mine.Read(); got.InFlight != 0 || len(mine.InFlight()) != 0 || got.ByCode[0].N != MaxRequests+10 {
		t.Errorf("after the end: %+v", got)
	}
	for range MaxRequests { // every slot came back
		theirs.Begin("GET", "/", "")
	}
	if got := mine.Read(); got.Unlisted != 10 {
		t.Errorf("%d requests found no room", got.Unlisted)
	}
}

// Oldest is the beginning of InFlight, whatever its length.
func TestOldest(t *testing.T) {
	mine := create(t)
	theirs := open(t, mine)
	if list := mine.Oldest(3); list != nil {
		t.Errorf("an empty board lists %+v", list)
	}
	var all []Slot
	for i := range 200 {
		all = append(all, theirs.Begin("GET", fmt.Sprintf("/%d", i), ""))
	}
	for i := 0; i < len(all); i += 3 {
		all[i].End(200)
	}
	whole := mine.InFlight()
	for _, n := range []int{0, 1, 10, len(whole), 1000} {
		got := mine.Oldest(n)
		if want := whole[:min(n, len(whole))]; len(got) != len(want) {
			t.Fatalf("of %d, the oldest %d are %d", len(whole), n, len(got))
		}
		for i := range got {
			if got[i].Serial != whole[i].Serial || got[i].Route != whole[i].Route || got[i].Age < whole[i].Age {
				t.Errorf("%d of the oldest %d is %+v, want %+v", i, n, got[i], whole[i])
			}
		}
	}
}

func TestDurations(t *testing.T) {
	mine := create(t)
	if _, ok := mine.Durations(); ok {
		t.Error("a board that nobody has opened tells of durations")
	}
	theirs := open(t, mine)
	theirs.Begin("GET", "/", "").End(200)
	theirs.Begin("GET", "/", "")
	h, ok := mine.Durations()
	if want := mine.Read().Duration; !ok || h.Count() != 1 || h.Sum != want.Sum || len(h.Counts) != len(DurationBounds)+1 {
		t.Errorf("%v %+v, want %+v", ok, h, want)
	}
}

// A reader sees a request whole or not at all, however quickly slots change
// hands.
func TestNoTornRequests(t *testing.T) {
	mine := create(t)
	theirs := open(t, mine)
	var stop atomic.Bool
	var writers sync.WaitGroup
	for g := range 4 {
		writers.Go(func() {
			for n := 0; !stop.Load(); n++ {
				text := strings.Repeat(string(rune('a'+(g*7+n)%26)), 1+n%90)
				r := theirs.Begin(text[:min(len(text), methodRoom)], "/"+text, text)
				if n%2 == 0 {
					r.Route(text)
				}
				r.End(200)
			}
		})
	}
	seen := 0
	for begun := time.Now(); seen < 2000 && time.Since(begun) < 20*time.Second; {
		for _, r := range append(mine.InFlight(), mine.Oldest(2)...) {
			seen++
			text := r.ID
			if r.Route != text && r.Route != "/"+text || r.Method != text[:min(len(text), methodRoom)] || strings.Trim(text, text[:1]) != "" {
				t.Errorf("torn: %+v", r)
			}
		}
	}
	stop.Store(true)
	writers.Wait()
	if seen == 0 {
		t.Error("no request was seen")
	}
}

func TestPermits(t *testing.T) {
	mine := create(t)
	theirs := open(t, mine)
	if got := mine.Permits(); got != nil || mine.Starving() != 0 {
		t.Errorf("a new board has permits: %+v", got)
	}
	s := Sample{Name: "blocking", Limit: 40, InUse: 41, Queue: 3, Rejected: 5, Waited: 3 * time.Second, Starving: time.Second, Abandoned: 2, AbandonedTotal: 7, OldestAbandoned: time.Minute}
	s.Waits[0], s.Waits[len(WaitBounds)] = 2, 1
	theirs.SetPermits(0, s)
	theirs.SetPermits(2, Sample{Name: "a name that is longer than its room", Limit: 1})
	theirs.SetPermits(MaxLimiters, Sample{Name: "no room", Limit: 1})
	got := mine.Read().Permits
	if len(got) != 2 {
		t.Fatalf("read %+v", got)
	}
	p := got[0]
	if p.Name != "blocking" || p.Limit != 40 || p.InUse != 41 || p.Queue != 3 || p.Rejected != 5 ||
		p.Waits.Count() != 3 || p.Waits.Sum != 3 || p.Starving != time.Second ||
		p.Abandoned != 2 || p.AbandonedTotal != 7 || p.OldestAbandoned != time.Minute {
		t.Errorf("read %+v", p)
	}
	if p := got[1]; p.Name != "a name that is l" || p.Starving != 0 {
		t.Errorf("read %+v", p)
	}
	if got := mine.Starving(); got != time.Second {
		t.Errorf("starving for %v", got)
	}
	s.Starving = 0
	theirs.SetPermits(0, s)
	if got := mine.Starving(); got != 0 {
		t.Errorf("starving for %v", got)
	}
}

func TestDurationsFallIntoTheirBuckets(t *testing.T) {
	var d durations
	for _, took := range []time.Duration{-1, 0, 500 * time.Microsecond, 500*time.Microsecond + 1, time.Minute, time.Minute + 1} {
		d.add(took)
	}
	h := newHistogram(DurationBounds[:])
	h.read(d.counts[:], &d.nanos)
	if last := len(DurationBounds); h.Counts[0] != 3 || h.Counts[1] != 1 || h.Counts[last-1] != 1 || h.Counts[last] != 1 {
		t.Errorf("counted %v", h.Counts)
	}
}

// Whatever a worker writes, its supervisor reads bounded and printable text.
func FuzzHostilePage(f *testing.F) {
	f.Add([]byte{}, uint64(1))
	f.Add([]byte{0xff}, uint64(2))
	f.Add([]byte("\x1b]0;title\x07\xc3"), uint64(3))
	f.Fuzz(func(t *testing.T, pattern []byte, seed uint64) {
		p := &page{}
		raw := unsafe.Slice((*byte)(unsafe.Pointer(p)), pageSize)
		random := rand.New(rand.NewPCG(seed, 0))
		if len(pattern) > 0 {
			for i := range raw {
				raw[i] = pattern[i%len(pattern)]
			}
		}
		for range seed % 4096 {
			raw[random.IntN(len(raw))] = byte(random.Uint32())
		}
		p.writer.Store(Version)
		board := &Board{head: &p.head, page: p, fd: -1}
		c := board.Read()
		if c.Requests > exact || c.InFlight < 0 || c.InFlight > exact || c.Connections < 0 || c.Connections > exact || len(c.ByCode) > len(methods)*codeCount || len(c.Permits) > MaxLimiters {
			t.Fatalf("read %+v", c)
		}
		if age, _ := c.Age(); age < 0 {
			t.Fatalf("age %v", age)
		}
		for _, p := range c.Permits {
			text(t, p.Name, nameRoom)
			if p.Starving < 0 || p.Abandoned < 0 || p.Abandoned > exact || p.OldestAbandoned < 0 || p.Limit < 0 || p.InUse < 0 || p.Queue < 0 || p.Limit > exact {
				t.Fatalf("permits %+v", p)
			}
		}
		list := board.InFlight()
		if len(list) > MaxRequests {
			t.Fatalf("listed %d", len(list))
		}
		for _, r := range list {
			text(t, r.Method, methodRoom)
			text(t, r.Route, routeRoom)
			text(t, r.ID, idRoom)
			if r.Age < 0 {
				t.Fatalf("age %v", r.Age)
			}
		}
		if board.Starving() < 0 {
			t.Fatal("starving for less than nothing")
		}
		// A worker that finds such a page must live, too.
		board.Begin("GET", "/", "").End(200)
	})
}

func text(t *testing.T, s string, room int) {
	t.Helper()
	if !utf8.ValidString(s) || len(s) > room+len("…") || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		t.Fatalf("text %q", s)
	}
}

func TestARequestAllocatesNothing(t *testing.T) {
	board := Local()
	if n := testing.AllocsPerRun(100, func() {
		r := board.Begin("GET", "/posts/7/", "")
		r.Route("GET /posts/{id}/")
		r.End(200)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkRequest(b *testing.B) {
	for _, c := range []struct{ name, path, route, id string }{
		{"path alone", "/", "", ""},
		{"usual", "/posts/7/", "GET /posts/{id}/", ""},
		{"client's id", "/posts/7/", "GET /posts/{id}/", "6f0c4a3e-7f1b-4a37-9a43-0d6d8f0c1b2e"},
		{"all the room", strings.Repeat("p", pathRoom), strings.Repeat("r", routeRoom), strings.Repeat("i", idRoom)},
	} {
		run := func(board *Board) {
			r := board.Begin("GET", c.path, c.id)
			r.Route(c.route)
			r.End(200)
		}
		b.Run(c.name, func(b *testing.B) {
			board := Local()
			b.ReportAllocs()
			for b.Loop() {
				run(board)
			}
		})
		b.Run(c.name+"/parallel", func(b *testing.B) {
			board := Local()
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					run(board)
				}
			})
		})
	}
}

func BenchmarkNow(b *testing.B) {
	for b.Loop() {
		Now()
	}
}

func BenchmarkRead(b *testing.B) {
	board := Local()
	for range 50 {
		board.Begin("GET", "/posts/7/", "")
	}
	b.Run("counters", func(b *testing.B) {
		for b.Loop() {
			board.Read()
		}
	})
	b.Run("50 requests", func(b *testing.B) {
		for b.Loop() {
			board.InFlight()
		}
	})
}
