package arbiter

import (
	"strings"
	"testing"
	"time"
)

// FuzzStep turns bytes into a history: the first eight choose the settings,
// then each four are one op. All invariants of the simulation hold.
func FuzzStep(f *testing.F) {
	f.Add([]byte("\x02\x01\x03\x00\x02\x00\x01\x09"))
	f.Add([]byte("\x03\x01\x02\x03\x01\x02\x01\x00" + "\x01\x01\x00\x00\x01\x01\x01\x00\x01\x01\x02\x00\x01\x0a\x00\x01\x01\x0b\x00\x07\x05\x01\x03\x00\xff\x01\x00\x00"))
	f.Add([]byte("\x01\x02\x01\x04\x00\x03\x00\x02" + "\x00\x01\x00\x00\x10\x07\x00\x00\xf0\x13\x00\xff\x02\x0f\x00\x00\x01\x0f\x00\x00\x00\x02\x00\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) < 8 || len(data) > 8+4*400 {
			return
		}
		seconds := func(b byte) time.Duration { return time.Duration(b%16) * time.Second / 2 }
		s := Settings{
			Workers: int(data[0] % 6), Surge: int(data[1] % 4), BootTimeout: seconds(data[2]), Timeout: seconds(data[3]),
			GracefulTimeout: seconds(data[4]), LameDuck: seconds(data[5]), Bake: seconds(data[6]), ReloadTimeout: seconds(data[7]),
		}
		ops := []op{{kind: "start"}}
		for b := data[8:]; len(b) >= 4; b = b[4:] {
			ops = append(ops, op{
				dt: time.Duration(b[0]) * time.Duration(b[0]) * time.Millisecond / 4, kind: kinds[int(b[1])%len(kinds)].name,
				pick: int(b[2]), arg: int(b[3]),
			})
		}
		seed := uint64(data[0]) + uint64(data[7])<<8
		if w := play(seed, s, ops, true); w.err != nil {
			t.Errorf("%v\n%s", w.err, strings.Join(w.trace, "\n"))
		}
	})
}

// BenchmarkStep measures an event that changes nothing but a fact, among 64
// workers that are watched.
func BenchmarkStep(b *testing.B) {
	c := New(Settings{Workers: 64, Timeout: 30 * time.Second}, 1)
	now := time.Unix(0, 0)
	c.Step(now, Start{})
	for id := range WorkerID(64) {
		c.Step(now, WorkerReady{id + 1})
		c.Step(now, Beat{id + 1})
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		now = now.Add(time.Millisecond)
		if acts := c.Step(now, Beat{WorkerID(i%64) + 1}); len(acts) > 0 {
			b.Fatal(acts)
		}
	}
}
