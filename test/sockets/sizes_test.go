package sockets

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/tandem-go/tandem/internal/websocket/wire"
	"github.com/tandem-go/tandem/test/served"
)

// content is n bytes of either kind. It repeats itself, but at no border of frames or
// writes.
func content(kind byte, n int) string {
	r := rand.New(rand.NewPCG(1, uint64(n)))
	b := make([]byte, min(n, 65521))
	for i := range b {
		if b[i] = byte(r.Uint32()); kind == text {
			b[i] = ' ' + b[i]%('~'-' ')
		}
	}
	return strings.Repeat(string(b), n/65521+1)[:n]
}

// inFragments is a message in frames of so many bytes of payload.
func inFragments(kind byte, message string, size int) (frames [][]byte) {
	for part := range slices.Chunk([]byte(message), size) {
		frames = append(frames, wire.Frame(kind, string(part)))
		kind = cont
	}
	frames[len(frames)-1][0] |= fin
	return frames
}

const (
	kib = 1 << 10
	mib = 1 << 20
)

// 9.1 to 9.6: large messages, in one frame and in many, and chopped on the wire.
func TestLargeMessages(t *testing.T) {
	var all []dialogue
	add := func(kind byte, size, fragment, chop int) {
		message := content(kind, size)
		d := dialogue{
			name: fmt.Sprintf("kind %d, %d bytes, fragments of %d, writes of %d", kind, size, fragment, chop), chop: chop,
			sent: append(inFragments(kind, message, fragment), bye), want: []string{echoed(fin|kind, message), bidden},
		}
		all = append(all, d)
	}
	// Autobahn's 9.*, with fewer steps between the ends: the time goes into the largest.
	for _, kind := range []byte{text, binary} {
		for _, size := range []int{64 * kib, mib, served.ReadLimit} {
			add(kind, size, size, 0)
		}
		for _, fragment := range []int{64, kib, 64 * kib, mib} {
			add(kind, 4*mib, fragment, 64*kib)
		}
		add(kind, served.ReadLimit, 256*kib, 0)
		for _, chop := range []int{64, 512, 2 * kib} {
			add(kind, 256*kib, 256*kib, chop)
		}
		// 10.1: what a library's automatic fragmentation sends.
		add(kind, 65536, 1300, 0)
		// Sizes around the borders of the length's three forms, and of buffers.
		for _, size := range []int{1, 2, 124, 125, 126, 127, 128, 255, 256, 257, 4095, 4096, 4097, 65534, 65535, 65536, 65537} {
			add(kind, size, size, 0)
			add(kind, size, max(1, size-1), 0)
		}
	}
	everywhere(t, all)
}

// One byte more than the limit is refused when it is announced, in whatever frame.
func TestTheLimitIsExact(t *testing.T) {
	const refused = `fin close 1009 "message longer than 16777216 bytes"`
	whole := strings.Repeat("*", served.ReadLimit)
	everywhere(t, []dialogue{
		{name: "announced", sent: [][]byte{wire.Raw(fin|binary, served.ReadLimit+1, make([]byte, 4), "")}, want: []string{refused}},
		{name: "by a second frame", sent: [][]byte{wire.Frame(text, whole), wire.Raw(fin|cont, 1, make([]byte, 4), "")}, want: []string{refused}},
		{name: "by none", sent: [][]byte{wire.Frame(text, whole), wire.Frame(fin|cont, ""), bye}, want: []string{echoed(fin|text, whole), bidden}},
		{
			name: "of a default", path: "/ws/plain", sent: [][]byte{wire.Raw(fin|text, mib+1, make([]byte, 4), "")},
			want: []string{`fin close 1009 "message longer than 1048576 bytes"`},
		},
	})
}

// 9.7 and 9.8: a thousand messages of each size, all on their way at once.
func TestManyMessages(t *testing.T) {
	var all []dialogue
	for _, kind := range []byte{text, binary} {
		for _, size := range []int{0, 16, 64, 256, kib, 4 * kib} {
			d := dialogue{name: fmt.Sprintf("kind %d, %d bytes", kind, size)}
			for i := range 1000 {
				message := content(kind, size+i%2)
				d.sent = append(d.sent, wire.Frame(fin|kind, message))
				d.want = append(d.want, echoed(fin|kind, message))
			}
			d.sent = append(d.sent, bye)
			d.want = append(d.want, bidden)
			all = append(all, d)
			slow := d
			slow.chop, slow.name = 700, d.name+", in writes of 700 bytes" // so that frames are cut anywhere
			all = append(all, slow)
		}
	}
	everywhere(t, all)
}
