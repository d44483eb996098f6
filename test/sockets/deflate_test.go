package sockets

import (
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/tandem-go/tandem/internal/websocket/wire"
	"github.com/tandem-go/tandem/test/served"
)

// offers are what a client may offer of extensions, and what it must be answered;
// "": without any, which is right too when an offer cannot be kept.
var offers = map[string]string{
	// 13.1 to 13.7: all parameters, and several offers.
	"permessage-deflate":                                                                                                                        deflateAnswer,
	"permessage-deflate; client_no_context_takeover":                                                                                            deflateAnswer,
	"permessage-deflate; server_no_context_takeover":                                                                                            deflateAnswer,
	"permessage-deflate; server_no_context_takeover; client_no_context_takeover":                                                                deflateAnswer,
	"permessage-deflate; client_max_window_bits":                                                                                                deflateAnswer,
	"permessage-deflate; server_no_context_takeover; server_max_window_bits=9":                                                                  deflateAnswer + "; server_max_window_bits=9",
	"permessage-deflate; server_max_window_bits=15; client_max_window_bits=15":                                                                  deflateAnswer + "; server_max_window_bits=15",
	"permessage-deflate; client_max_window_bits=9; server_max_window_bits=9; client_no_context_takeover":                                        deflateAnswer + "; server_max_window_bits=9",
	"permessage-deflate; server_max_window_bits=10, permessage-deflate":                                                                         deflateAnswer + "; server_max_window_bits=10",
	"permessage-deflate; client_no_context_takeover; client_max_window_bits, permessage-deflate; client_no_context_takeover":                    deflateAnswer,
	"permessage-deflate; server_max_window_bits=7, permessage-deflate; server_max_window_bits=12, permessage-deflate":                           deflateAnswer + "; server_max_window_bits=12",
	"x-webkit-deflate-frame, permessage-bzip2; client_max_compress_level=9, permessage-deflate;server_max_window_bits=8;client_max_window_bits": deflateAnswer + "; server_max_window_bits=8",
	"permessage-deflate; server_max_window_bits=\"10\"":                                                                                         deflateAnswer + "; server_max_window_bits=10",

	// RFC 7692, section 7.1: what is no valid offer is declined.
	"permessage-deflate; server_max_window_bits":                                 "",
	"permessage-deflate; server_max_window_bits=":                                "malformed",
	"permessage-deflate; server_max_window_bits=0":                               "",
	"permessage-deflate; server_max_window_bits=08":                              "",
	"permessage-deflate; server_max_window_bits=+9":                              "",
	"permessage-deflate; server_max_window_bits=9x":                              "",
	"permessage-deflate; server_max_window_bits=16":                              "",
	"permessage-deflate; server_max_window_bits=256":                             "",
	"permessage-deflate; server_max_window_bits=265":                             "",
	"permessage-deflate; client_max_window_bits=7":                               "",
	"permessage-deflate; client_max_window_bits=16":                              "",
	"permessage-deflate; client_max_window_bits=09":                              "",
	"permessage-deflate; server_no_context_takeover=":                            "malformed",
	"permessage-deflate; server_no_context_takeover=true":                        "",
	"permessage-deflate; client_no_context_takeover=1":                           "",
	"permessage-deflate; unknown":                                                "",
	"permessage-deflate; server_max_window_bits=9; server_max_window_bits=9":     "",
	"permessage-deflate; client_max_window_bits; client_max_window_bits=9":       "",
	"permessage-deflate; client_no_context_takeover; client_no_context_takeover": "",
	"permessage-deflate-2":                                                       "",
	"permessage":                                                                 "",
}

func TestOffersOfCompression(t *testing.T) {
	message := strings.Repeat("compressible ", 100)
	s := served.Start(t, served.Clear)
	for offer, want := range offers {
		c, answer, err := open(s, "/ws", offer)
		if want == "malformed" {
			if err == nil || !strings.Contains(err.Error(), "400 Bad Request") {
				t.Errorf("%q: %q, %v", offer, answer, err)
			}
			continue
		}
		if err != nil || answer != want {
			t.Errorf("%q was answered %q, %v; want %q", offer, answer, err, want)
			continue
		}
		c.send([][]byte{wire.Frame(fin|text, message), bye}, 0)
		first := byte(fin | text)
		if want != "" {
			first |= rsv1
		}
		if got, err := c.all(); err != nil || len(got) != 2 || got[0] != echoed(first, message) || got[1] != bidden {
			t.Errorf("%q: %.200q, %v", offer, got, err)
		}
		_ = c.Close()
	}
	t.Logf("%d cases", len(offers))
}

// deflated is a message as a client sends it, in blocks of so many bytes.
func deflated(level int, message string, block int) string {
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, level)
	for part := message; err == nil; part = part[min(block, len(part)):] {
		if _, err = w.Write([]byte(part[:min(block, len(part))])); err == nil {
			err = w.Flush()
		}
		if len(part) <= block {
			break
		}
	}
	if err != nil {
		panic(errors.Join(errors.New("deflate"), err))
	}
	return strings.TrimSuffix(b.String(), "\x00\x00\xff\xff")
}

// 12.x: sizes by counts, at every level of compression, whole and in fragments. The
// server's answers are compressed where that pays.
func TestCompressedMessages(t *testing.T) {
	var all []dialogue
	for _, size := range []int{0, 16, 64, 256, 511, 512, kib, 4 * kib, 8 * kib, 16 * kib, 32 * kib, 64 * kib, 128 * kib} {
		for _, fragment := range []int{0, 256, 16 * kib} {
			for _, level := range []int{flate.HuffmanOnly, flate.NoCompression, flate.BestSpeed, flate.BestCompression} {
				kind := byte(text)
				if level < 0 {
					kind = binary
				}
				d := dialogue{name: fmt.Sprintf("%d bytes, level %d, fragments of %d", size, level, fragment), offer: deflateOffer}
				message := strings.Repeat("all work and no play. ", size/22+1)[:size]
				payload := deflated(level, message, 4*kib)
				frames := [][]byte{wire.Frame(fin|rsv1|kind, payload)}
				if fragment > 0 && payload != "" {
					frames = inFragments(rsv1|kind, payload, fragment)
				}
				first := byte(fin | kind)
				if size >= 512 {
					first |= rsv1
				}
				for range max(2, min(25, mib/8/(size+1))) {
					d.sent = append(d.sent, frames...)
					d.want = append(d.want, echoed(first, message))
				}
				d.sent = append(d.sent, bye)
				d.want = append(d.want, bidden)
				all = append(all, d)
			}
		}
	}
	everywhere(t, all)
}

// What the extension allows of a message's form, and what it forbids.
func TestFormsOfCompressedMessages(t *testing.T) {
	const malformed = `fin close 1007 "compressed message is malformed"`
	hello := deflated(flate.BestSpeed, "hello", kib)
	stored := deflated(flate.NoCompression, "hello", kib)
	ping := wire.Frame(fin|ping8, "?")
	big := strings.Repeat("\x00", served.ReadLimit)
	tests := []dialogue{
		{name: "an empty message", sent: [][]byte{wire.Frame(fin|rsv1|text, "\x00"), bye}, want: []string{`fin text ""`, bidden}},
		{name: "not compressed all the same", sent: [][]byte{wire.Frame(fin|text, "hello"), bye}, want: []string{`fin text "hello"`, bidden}},
		{name: "stored", sent: [][]byte{wire.Frame(fin|rsv1|text, stored), bye}, want: []string{`fin text "hello"`, bidden}},
		{name: "empty stored blocks before it", sent: [][]byte{wire.Frame(fin|rsv1|text, strings.Repeat("\x00\x00\x00\xff\xff", 50)+stored), bye}, want: []string{`fin text "hello"`, bidden}},
		{name: "empty fixed blocks before it", sent: [][]byte{wire.Frame(fin|rsv1|text, "\x02\x00\x00\x00\xff\xff"+stored), bye}, want: []string{`fin text "hello"`, bidden}},
		{name: "a byte a fragment, pings between", sent: append(between(inFragments(rsv1|text, hello, 1), ping), bye), want: append(repeat(`fin pong "?"`, len(hello)-1), `fin text "hello"`, bidden)},
		{name: "an empty first fragment", sent: [][]byte{wire.Frame(rsv1|text, ""), wire.Frame(fin|cont, hello), bye}, want: []string{`fin text "hello"`, bidden}},
		{name: "an empty last fragment", sent: [][]byte{wire.Frame(rsv1|text, hello), wire.Frame(fin|cont, ""), bye}, want: []string{`fin text "hello"`, bidden}},
		{name: "by turns", sent: [][]byte{wire.Frame(fin|rsv1|text, hello), wire.Frame(fin|text, "plain"), wire.Frame(fin|rsv1|binary, hello), bye}, want: []string{`fin text "hello"`, `fin text "plain"`, `fin binary "hello"`, bidden}},
		{name: "as long as may be", sent: [][]byte{wire.Frame(fin|rsv1|binary, deflated(flate.BestSpeed, big, mib)), bye}, want: []string{echoed(fin|rsv1|binary, big), bidden}},

		{name: "a past that was declined", sent: [][]byte{wire.Frame(fin|rsv1|text, "\xf2\x48\xcd\xc9\xc9\x07\x00"), wire.Frame(fin|rsv1|text, "\xf2\x00\x11\x00\x00")}, want: []string{`fin text "Hello"`, malformed}},
		{name: "nothing", sent: [][]byte{wire.Frame(fin|rsv1|text, "")}, want: []string{malformed}},
		{name: "cut", sent: [][]byte{wire.Frame(fin|rsv1|text, hello[:len(hello)-2])}, want: []string{malformed}},
		{name: "a block of no kind", sent: [][]byte{wire.Frame(fin|rsv1|text, "\x06")}, want: []string{malformed}},
		{name: "a length that is none", sent: [][]byte{wire.Frame(fin|rsv1|text, "\x00\x01\x00\x00\x00x")}, want: []string{malformed}},
		{name: "a fault in an unfinished message", sent: [][]byte{wire.Frame(rsv1|text, "\x06")}, want: []string{malformed}},
		{name: "no text inside", sent: [][]byte{wire.Frame(fin|rsv1|text, deflated(1, "a\xff", kib))}, want: []string{textRefused}},
		{name: "no text inside of an unfinished message", sent: [][]byte{wire.Frame(rsv1|text, deflated(0, "a\xff"+strings.Repeat("b", 64*kib), kib))}, want: []string{textRefused}},
		{name: "one byte too long inside", sent: [][]byte{wire.Frame(fin|rsv1|binary, deflated(1, big+"\x00", mib))}, want: []string{`fin close 1009 "message longer than 16777216 bytes"`}},
		{name: "the bit on a continuation", sent: [][]byte{wire.Frame(rsv1|text, hello[:3]), wire.Frame(fin|rsv1|cont, hello[3:])}, want: []string{rsvRefused}},
		{name: "the bit on a ping", sent: [][]byte{wire.Frame(fin|rsv1|ping8, "")}, want: []string{rsvRefused}},
		{name: "the bit on a close", sent: [][]byte{wire.Frame(fin|rsv1|closing, "")}, want: []string{rsvRefused}},
	}
	for bits := byte(1); bits < 8; bits++ { // the bits that no extension has, with each kind of frame
		for _, kind := range []byte{text, binary, closing, ping8, pong} {
			if bits == 4 && kind < closing {
				continue
			}
			d := dialogue{name: fmt.Sprintf("bits %03b on kind %d", bits, kind), sent: [][]byte{wire.Frame(fin|bits<<4|kind, "")}, want: []string{rsvRefused}}
			tests = append(tests, d)
		}
	}
	for i := range tests {
		tests[i].offer = deflateOffer
	}
	for bits := byte(1); bits < 8; bits++ {
		tests = append(tests, dialogue{name: fmt.Sprintf("not agreed on, bits %03b", bits), sent: [][]byte{wire.Frame(fin|bits<<4|text, "x")}, want: []string{rsvRefused}})
	}
	everywhere(t, tests)
}

func between(frames [][]byte, f []byte) (all [][]byte) {
	for i, one := range frames {
		if i > 0 {
			all = append(all, f)
		}
		all = append(all, one)
	}
	return all
}

func repeat(s string, n int) (all []string) {
	for range n {
		all = append(all, s)
	}
	return all
}
