package history

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// State is a history for the program that takes over in an upgrade in place.
type State struct {
	Now     int64  `json:"now"`     // its clock, in milliseconds
	Samples []byte `json:"samples"` // see encode; at most MaxState bytes
}

const (
	// format is the first byte of encoded samples. One that is not known is no
	// history, and no reason not to take over.
	format = 1
	// numbers is how many a sample has at least, each at most ten bytes.
	numbers = 3 + int(Classes) + 2 + 8 + 1 + 2
	// MaxState bounds the encoded samples of an hour.
	MaxState = 1 + Seconds*(numbers+2*Named)*binary.MaxVarintLen64
)

// columns are the numbers of a sample but for its workers, in the order in which
// they are written; a later format adds at the end.
func (s *Sample) columns(visit func(get int64, set func(int64))) {
	whole := func(p *uint32) { visit(int64(*p), func(n int64) { *p = clip(n) }) }
	visit(s.At, func(n int64) { s.At = n })
	whole(&s.Span)
	counted := int64(0)
	if s.Counted {
		counted = 1
	}
	visit(counted, func(n int64) { s.Counted = n == 1 })
	for i := range s.Ended {
		whole(&s.Ended[i])
	}
	for _, p := range []*uint32{&s.P50, &s.P99, &s.InFlight, &s.Connections, &s.Permits, &s.InUse, &s.Queue, &s.Generation} {
		whole(p)
	}
	for _, p := range []*uint16{&s.Ready, &s.Wanted} {
		visit(int64(*p), func(n int64) { *p = uint16(min(max(n, 0), 1<<16-1)) })
	}
	whole(&s.Others.ID)
	whole(&s.Others.KiB)
}

// encode writes each number as its difference to the sample before: most are one
// byte.
func encode(samples []Sample) []byte {
	out := make([]byte, 1, 1+len(samples)*64)
	out[0] = format
	var was Sample
	var before []int64
	for i := range samples {
		s := samples[i]
		before = before[:0]
		was.columns(func(n int64, _ func(int64)) { before = append(before, n) })
		at := 0
		s.columns(func(n int64, _ func(int64)) {
			out = binary.AppendVarint(out, n-before[at])
			at++
		})
		n := s.named()
		out = binary.AppendUvarint(out, uint64(n))
		for j, m := range s.Workers[:n] {
			out = binary.AppendVarint(out, int64(m.ID)-int64(was.Workers[j].ID))
			out = binary.AppendVarint(out, int64(m.KiB)-int64(was.Workers[j].KiB))
		}
		was = s
	}
	return out
}

// named is how many workers s names.
func (s *Sample) named() int {
	for i, m := range s.Workers {
		if m.ID == 0 {
			return i
		}
	}
	return Named
}

// decode is the reverse of encode. What it gives is sound, whatever it was given:
// times ascend, and there are at most [Seconds] samples, the last ones.
func decode(in []byte) ([]Sample, error) {
	if len(in) == 0 {
		return nil, nil
	}
	if in[0] != format {
		return nil, fmt.Errorf("samples of format %d, this program reads format %d", in[0], format)
	}
	if len(in) > MaxState {
		return nil, fmt.Errorf("%d bytes of samples, an hour has at most %d", len(in), MaxState)
	}
	d := decoder{in: in[1:]}
	var out []Sample
	var was Sample
	for len(d.in) > 0 {
		s := was
		s.columns(func(n int64, set func(int64)) { set(n + d.signed()) })
		n := d.unsigned()
		if n > Named {
			return nil, fmt.Errorf("a sample of %d workers, there are at most %d", n, Named)
		}
		s.Workers = [Named]Memory{}
		for j := range int(n) {
			s.Workers[j] = Memory{
				clip(int64(was.Workers[j].ID) + d.signed()),
				clip(int64(was.Workers[j].KiB) + d.signed()),
			}
		}
		if d.short {
			return nil, errors.New("samples end in the middle of one")
		}
		if len(out) > 0 && s.At <= was.At {
			return nil, errors.New("samples are not in the order of time")
		}
		out, was = append(out, s), s
	}
	return out[max(0, len(out)-Seconds):], nil
}

type decoder struct {
	in    []byte
	short bool
}

func (d *decoder) signed() int64 {
	n, size := binary.Varint(d.in)
	return take(d, n, size)
}

func (d *decoder) unsigned() uint64 {
	n, size := binary.Uvarint(d.in)
	return take(d, n, size)
}

func take[T int64 | uint64](d *decoder, n T, size int) T {
	if size <= 0 {
		d.short, d.in = true, nil
		return 0
	}
	d.in = d.in[size:]
	return n
}
