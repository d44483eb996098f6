package arbiter

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"
)

// again sends a core through its state as another process would get it.
func again(c *Core, was, now time.Time) (*Core, error) {
	text, err := json.Marshal(c.State(was))
	if err != nil {
		return nil, err
	}
	var s Saved
	if err := json.Unmarshal(text, &s); err != nil {
		return nil, err
	}
	return Restore(s, now)
}

// Whatever a history has come to, its core is restored field by field.
func TestRestoreIsExact(t *testing.T) {
	for seed := range uint64(60) {
		s, ops := history(seed, 150)
		w := newWorld(s, seed)
		for i, o := range ops {
			w.do(seed, o, uint64(i)+1)
			got, err := again(w.core, w.now, w.now)
			if err != nil {
				t.Fatalf("seed %d, op %d: %v", seed, i, err)
			}
			want := *w.core
			want.out, got.out = nil, nil
			if !reflect.DeepEqual(plain(got), plain(&want)) {
				t.Fatalf("seed %d, op %d: restored as\n%+v\nit was\n%+v", seed, i, plain(got), plain(&want))
			}
		}
	}
}

// plain is a copy of a core in which an empty slice is nil.
func plain(c *Core) Core {
	p := *c
	for k := range p.backoff.times {
		p.backoff.times[k] = append([]time.Time(nil), p.backoff.times[k]...)
	}
	p.workers = append([]*worker(nil), p.workers...)
	p.open = append([]generation(nil), p.open...)
	p.tickets = append([]uint64(nil), p.tickets...)
	if p.roll != nil {
		r := *p.roll
		r.tickets = append([]uint64(nil), r.tickets...)
		p.roll = &r
	}
	return p
}
