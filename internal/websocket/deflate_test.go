package websocket_test

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/tandem-go/tandem/internal/websocket"
)

// agreed is permessage-deflate with the client's window of so many bits; 0: any.
func agreed(t *testing.T, bits int) *websocket.Deflate {
	t.Helper()
	offer := "Sec-WebSocket-Extensions: permessage-deflate"
	if bits > 0 {
		offer += fmt.Sprint("; server_max_window_bits=", bits)
	}
	a, refusal := websocket.Check(handshake(t, offer), websocket.Options{Compress: true})
	if refusal != nil || a.Deflate == nil {
		t.Fatalf("%v, %+v", a, refusal)
	}
	return a.Deflate
}

// deflated is what a client sends for s.
func deflated(s string) string {
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, flate.BestSpeed)
	_, _ = io.WriteString(w, s)
	_ = w.Flush()
	return strings.TrimSuffix(b.String(), "\x00\x00\xff\xff")
}

// ended is s as a deflate stream that says that it ends, which a client may send too.
func ended(s string) string {
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, flate.BestSpeed)
	_, _ = io.WriteString(w, s)
	_ = w.Close()
	return b.String()
}

func inflated(t *testing.T, payload []byte) string {
	t.Helper()
	b, err := io.ReadAll(flate.NewReader(strings.NewReader(string(payload) + "\x00\x00\xff\xff\x01\x00\x00\xff\xff")))
	if err != nil {
		t.Fatalf("inflate %d bytes: %v", len(payload), err)
	}
	return string(b)
}

func TestCompressedMessagesAreTakenAsTheProtocolHasThem(t *testing.T) {
	const malformed = `fin close 1007 "compressed message is malformed"`
	hello, bye := deflated("hello"), closing(1000, "")
	tests := map[string]struct {
		sent [][]byte
		want []string
	}{
		"compressed":                   {f(frame(fin|rsv1|text, hello), bye), w(`fin text "hello"`, closed(1000))},
		"not compressed":               {f(frame(fin|text, "hello"), bye), w(`fin text "hello"`, closed(1000))},
		"empty":                        {f(frame(fin|rsv1|text, "\x00"), bye), w(`fin text ""`, closed(1000))},
		"one after the other":          {f(frame(fin|rsv1|text, hello), frame(fin|rsv1|text, hello), bye), w(`fin text "hello"`, `fin text "hello"`, closed(1000))},
		"fragments":                    {f(frame(rsv1|text, hello[:2]), frame(cont, ""), frame(fin|ping8, "!"), frame(fin|cont, hello[2:]), bye), w(`fin pong "!"`, `fin text "hello"`, closed(1000))},
		"a stream that says it ends":   {f(frame(fin|rsv1|text, ended("hello")+"\x00"), bye), w(`fin text "hello"`, closed(1000))},
		"two streams in a message":     {f(frame(fin|rsv1|text, ended("hel")+deflated("lo")), bye), w(`fin text "hello"`, closed(1000))},
		"cut":                          {f(frame(fin|rsv1|text, hello[:3])), w(malformed)},
		"no deflate":                   {f(frame(fin|rsv1|text, "\xff\xff\xff")), w(malformed)},
		"nothing":                      {f(frame(fin|rsv1|text, "")), w(malformed)},
		"not UTF-8":                    {f(frame(fin|rsv1|text, deflated("a\xff"))), w(notUTF8)},
		"the bit on a continuation":    {f(frame(rsv1|text, hello[:2]), frame(fin|rsv1|cont, hello[2:])), w(rsv)},
		"the bit on a ping":            {f(frame(fin|rsv1|ping8, "")), w(rsv)},
		"another bit beside it":        {f(frame(fin|rsv1|rsv2|text, hello)), w(rsv)},
		"a continuation of no message": {f(frame(fin|rsv1|cont, hello)), w(rsv)},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := start(t, websocket.Config{}, agreed(t, 0), echo)
			p.send(test.sent...)
			if got := p.all(t); !slices.Equal(got, test.want) {
				t.Errorf("got  %q\nwant %q", got, test.want)
			}
		})
	}
}

// What is answered is compressed if it is worth it, and never refers back further
// than the client has said it can see.
func TestAnswersAreCompressedWithinTheClientsWindow(t *testing.T) {
	random := make([]byte, 700)
	for i := range random {
		random[i] = byte('!' + rand.N(90))
	}
	twice := strings.Repeat(string(random), 2) // 700 bytes apart
	long := strings.Repeat("All work and no play makes Jack a dull boy. ", 2000)
	for bits, saves := range map[int]bool{0: true, 8: false, 9: false, 10: true, 15: true} {
		p := start(t, websocket.Config{}, agreed(t, bits), echo)
		for _, message := range []string{"short", twice, long} {
			p.send(frame(fin|rsv1|text, deflated(message)))
			f := p.frame(t)
			compressed := f.First&rsv1 != 0
			if f.First&^rsv1 != fin|text || compressed != (len(message) >= 512) {
				t.Errorf("%d bits, %d bytes: %s", bits, len(message), f)
				continue
			}
			got := string(f.Payload)
			if compressed {
				got = inflated(t, f.Payload)
			}
			if got != message {
				t.Errorf("%d bits: %d bytes came back as %d others", bits, len(message), len(got))
			}
			if message == twice && (len(f.Payload) < 1000) != saves {
				t.Errorf("%d bits: a text of two halves that are the same, 700 bytes apart, takes %d bytes", bits, len(f.Payload))
			}
		}
		p.send(closing(1000, ""))
		if got := p.all(t); !slices.Equal(got, w(closed(1000))) {
			t.Errorf("%d bits: %q", bits, got)
		}
	}
}

func TestABombIsRefusedForThePriceOfTheLimit(t *testing.T) {
	bomb := deflated(strings.Repeat("\x00", 32<<20)) // 32 KiB, of 32 MiB
	p := start(t, websocket.Config{ReadLimit: 1 << 20}, agreed(t, 0), echo)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	p.send(frame(rsv1|binary8, bomb)) // and it says that there is more
	if got, want := p.all(t), w(`fin close 1009 "message longer than 1048576 bytes"`); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; took > 12<<20 {
		t.Errorf("it took %d bytes of memory", took)
	}
}
