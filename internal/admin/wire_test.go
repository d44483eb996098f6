package admin

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/tandem-go/tandem/internal/history"
)

// undelta is what the page's script does.
func undelta(list []any) (out []int64) {
	n := int64(0)
	for _, d := range list {
		switch d := d.(type) {
		case []any:
			for range int(d[0].(float64)) {
				out = append(out, n)
			}
		case float64:
			n += int64(d)
			out = append(out, n)
		}
	}
	return out
}

func TestHourByColumn(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	samples := make([]history.Sample, 500)
	for i := range samples {
		s := &samples[i]
		s.At, s.Span, s.Counted, s.P50, s.P99 = int64(i)*1000+rng.Int64N(500), 1000, i > 3, history.None, 10_000_000
		if i%50 < 9 {
			s.Ended[history.Successful], s.P50 = rng.Uint32N(1000), rng.Uint32N(1000)
		}
		s.Workers[0] = history.Memory{ID: 1 + uint32(i/100), KiB: 1000 + uint32(i/7)}
		if i > 200 && i < 300 {
			s.Workers[1], s.Others = history.Memory{ID: 9, KiB: 5}, history.Memory{ID: 3, KiB: 77}
		}
	}
	text := appendHour(nil, samples, 500_000, time.UnixMilli(12345))
	var got map[string]any
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	if got["now"] != 500_000.0 || got["wall"] != 12345.0 || got["n"] != 500.0 {
		t.Errorf("now %v, wall %v, n %v", got["now"], got["wall"], got["n"])
	}
	for c, name := range columns {
		column := undelta(got[name].([]any))
		if len(column) != len(samples) {
			t.Fatalf("%s has %d numbers", name, len(column))
		}
		for i, n := range column {
			if c == 0 {
				n += int64(i) * 1000
			}
			if want := numbers(&samples[i])[c]; n != want {
				t.Fatalf("%s of %d: %d, want %d", name, i, n, want)
			}
		}
	}
	memory := map[int]map[int]int64{}
	for _, m := range got["memory"].([]any) {
		m := m.(map[string]any)
		id := int(m["id"].(float64))
		if memory[id] == nil {
			memory[id] = map[int]int64{}
		}
		for i, kib := range undelta(m["kib"].([]any)) {
			memory[id][int(m["from"].(float64))+i] = kib
		}
	}
	if len(memory) != 7 || len(memory[9]) != 99 || memory[0][201] != 77 || memory[1][99] != 1014 || memory[5][499] != 1071 {
		t.Errorf("memory: %d series", len(memory))
	}
}

// The script knows the columns by the same names, in the same order.
func TestTheScriptKnowsTheColumns(t *testing.T) {
	if want := `const COLUMNS = ["` + strings.Join(columns[:], `", "`) + `"];`; !strings.Contains(script, want) {
		t.Errorf("the script has no %s", want)
	}
}

func TestAnHourOfNothingIsSmall(t *testing.T) {
	samples := make([]history.Sample, history.Seconds)
	for i := range samples {
		samples[i].At, samples[i].P50, samples[i].P99 = int64(i)*1000, history.None, history.None
	}
	if n := len(appendHour(nil, samples, 0, time.Now())); n > 1024 {
		t.Errorf("%d bytes", n)
	}
}

// An event is placed by the clock of the history; of one whose place is not known the
// page is told none.
func TestEventsHaveAPlace(t *testing.T) {
	moment := time.Now()
	at := func(m time.Time) int64 { return m.Sub(moment).Milliseconds() }
	text := appendEvents(nil, []Event{
		{Seq: 1, Time: moment.Add(-time.Hour), Moment: moment},
		{Seq: 2, Time: moment},
		{Seq: 3, Time: moment, Moment: moment.Add(-time.Second)},
	}, at)
	var got []struct {
		Seq uint64
		At  *int64
	}
	if err := json.Unmarshal(text, &got); err != nil || len(got) != 3 {
		t.Fatalf("%v: %s", err, text)
	}
	if got[0].At == nil || *got[0].At != 0 || got[1].At != nil || got[2].At == nil || *got[2].At != -1000 || strings.Contains(string(text), "Moment") {
		t.Errorf("%s", text)
	}
}
