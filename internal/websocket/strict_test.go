package websocket_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tandem-go/tandem/internal/websocket"
)

// mask is one of all zeros, so that a payload is on the wire as it is.
var mask = make([]byte, 4)

// Each client sends its frames and no more: an answer to an unfinished message is
// one that did not wait for its end. The cases follow Autobahn's numbering in what they ask.
func TestFramesAreTakenAsTheProtocolHasThem(t *testing.T) {
	const kappa = "\u03ba\u1f79\u03c3\u03bc\u03b5" // of two and three bytes each
	bye := closing(1000, "")
	long := strings.Repeat("*", 127)
	tests := map[string]struct {
		sent [][]byte
		want []string
	}{
		// 1 and 2: echo, pings.
		"text":                  {f(frame(fin|text, "hello"), bye), w(`fin text "hello"`, closed(1000))},
		"empty text":            {f(frame(fin|text, ""), bye), w(`fin text ""`, closed(1000))},
		"binary":                {f(frame(fin|binary8, "\xff\x00"), bye), w(`fin binary "\xff\x00"`, closed(1000))},
		"of 126 bytes":          {f(frame(fin|text, long[:126]), bye), w(fmt.Sprintf("fin text %q", long[:126]), closed(1000))},
		"of 127 bytes":          {f(frame(fin|text, long[:127]), bye), w(fmt.Sprintf("fin text %q", long[:127]), closed(1000))},
		"ping":                  {f(frame(fin|ping8, "are you there"), bye), w(`fin pong "are you there"`, closed(1000))},
		"ping of 125 bytes":     {f(frame(fin|ping8, long[:125]), bye), w(fmt.Sprintf("fin pong %q", long[:125]), closed(1000))},
		"pong nobody asked for": {f(frame(fin|pong, "hi"), bye), w(closed(1000))},
		"ping of 126 bytes":     {f(frame(fin|ping8, long[:126])), w(`fin close 1002 "control frame payload limit exceeded"`)},

		// 3 and 4: reserved bits and codes.
		"reserved bit 1":         {f(frame(fin|rsv1|text, "x")), w(rsv)},
		"reserved bit 2":         {f(frame(fin|rsv2|text, "x")), w(rsv)},
		"reserved bit 3 of ping": {f(frame(fin|text, "x"), frame(fin|rsv3|ping8, "")), w(`fin text "x"`, rsv)},
		"data frame of kind 3":   {f(frame(fin|0x3, "x")), w(`fin close 1002 "use of reserved op code"`)},
		"control frame of 11":    {f(frame(fin|0xb, "")), w(`fin close 1002 "use of reserved op code"`)},
		"not masked":             {f(raw(fin|text, 1, nil, "x")), w(`fin close 1002 "frames from client to server must be masked"`)},
		"length not its shortest, 16": {
			f([]byte{fin | text, 0x80 | 126, 0, 125, 0, 0, 0, 0}), w(`fin close 1002 "payload length not in its shortest form"`),
		},
		"length not its shortest, 64": {
			f([]byte{fin | text, 0x80 | 127, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0}), w(`fin close 1002 "payload length not in its shortest form"`),
		},
		"length with the highest bit": {
			f([]byte{fin | text, 0x80 | 127, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}), w(`fin close 1002 "header error: the most significant bit must be 0"`),
		},

		// 5: fragments.
		"fragmented ping":                  {f(frame(ping8, "x")), w(`fin close 1002 "control frame is not final"`)},
		"two fragments":                    {f(frame(text, "hel"), frame(fin|cont, "lo"), bye), w(`fin text "hello"`, closed(1000))},
		"ping between them":                {f(frame(text, "hel"), frame(fin|ping8, "!"), frame(fin|cont, "lo"), bye), w(`fin pong "!"`, `fin text "hello"`, closed(1000))},
		"empty fragments":                  {f(frame(text, ""), frame(cont, ""), frame(fin|cont, ""), bye), w(`fin text ""`, closed(1000))},
		"close between them":               {f(frame(text, "hel"), bye), w(closed(1000))},
		"no beginning":                     {f(frame(fin|cont, "x")), w(`fin close 1002 "unexpected continuation data frame"`)},
		"no beginning, no fin":             {f(frame(cont, "x")), w(`fin close 1002 "unexpected continuation data frame"`)},
		"no end":                           {f(frame(text, "x"), frame(fin|text, "y")), w(`fin close 1002 "unexpected non-continuation data frame"`)},
		"a reserved bit on a continuation": {f(frame(text, "x"), frame(fin|rsv1|cont, "y")), w(rsv)},

		// 6: UTF-8.
		"code point over fragments":                    {f(frame(text, kappa[:3]), frame(cont, kappa[3:4]), frame(fin|cont, kappa[4:]), bye), w(fmt.Sprintf("fin text %q", kappa), closed(1000))},
		"code point of four bytes":                     {f(frame(text, "\xf4\x8f"), frame(fin|cont, "\xbf\xbf"), bye), w("fin text \"\\U0010ffff\"", closed(1000))},
		"code point cut by the end":                    {f(frame(fin|text, kappa[:3])), w(notUTF8)},
		"invalid in one frame":                         {f(frame(fin|text, kappa+"\xed\xa0\x80edited")), w(notUTF8)},
		"invalid in a first fragment, which is no end": {f(frame(text, kappa+"\xff")), w(notUTF8)},
		"invalid in the middle of a frame":             {f(raw(fin|text, 100, mask, kappa+"\xf4\x90")), w(notUTF8)},
		"invalid by what comes next":                   {f(frame(text, "\xf4"), frame(cont, "\x90")), w(notUTF8)},
		"surrogate":                                    {f(frame(text, "\xed\xa0")), w(notUTF8)},
		"overlong":                                     {f(frame(text, "\xc0\xaf")), w(notUTF8)},
		"no text, in binary":                           {f(frame(binary8, "\xed"), frame(fin|cont, "\xa0"), bye), w(`fin binary "\xed\xa0"`, closed(1000))},

		// 7: closing.
		"close without a code":           {f(frame(fin|closing8, "")), w("fin close")},
		"close with half a code":         {f(frame(fin|closing8, "\x03")), w(`fin close 1002 "close frame with half a code"`)},
		"close with a reason":            {f(closing(1000, kappa)), w(closed(1000))},
		"close with the longest reason":  {f(closing(1000, long[:123])), w(closed(1000))},
		"close with too long a reason":   {f(closing(1000, long[:124])), w(`fin close 1002 "control frame payload limit exceeded"`)},
		"close with a reason not UTF-8":  {f(closing(1000, "\xce\xba\xff")), w(`fin close 1007 "close reason is not UTF-8"`)},
		"nothing is read behind a close": {f(bye, frame(fin|text, "late"), frame(fin|ping8, "")), w(closed(1000))},
	}
	for _, code := range []int{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999} {
		tests[fmt.Sprint("close ", code)] = struct {
			sent [][]byte
			want []string
		}{f(closing(code, "")), w(closed(code))}
	}
	for _, code := range []int{0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535} {
		tests[fmt.Sprint("close ", code)] = struct {
			sent [][]byte
			want []string
		}{f(closing(code, "")), w(fmt.Sprintf(`fin close 1002 "close code %d is not one to be sent"`, code))}
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := start(t, websocket.Config{}, nil, echo)
			p.send(test.sent...)
			if got := p.all(t); !slices.Equal(got, test.want) {
				t.Errorf("got  %.200q\nwant %.200q", got, test.want)
			}
		})
		t.Run(name+", byte by byte", func(t *testing.T) {
			t.Parallel()
			p := start(t, websocket.Config{}, nil, echo)
			go func() {
				for _, b := range slices.Concat(test.sent...) {
					if _, err := p.Write([]byte{b}); err != nil {
						return
					}
				}
			}()
			if got := p.all(t); !slices.Equal(got, test.want) {
				t.Errorf("got  %.200q\nwant %.200q", got, test.want)
			}
		})
	}
}

const (
	rsv     = `fin close 1002 "non-zero rsv bits with no extension negotiated"`
	notUTF8 = `fin close 1007 "text is not UTF-8"`
)

func f(frames ...[]byte) [][]byte { return frames }
func w(frames ...string) []string { return frames }
func closed(code int) string      { return fmt.Sprintf(`fin close %d ""`, code) }

func TestWhoReadsIsToldHowItEnded(t *testing.T) {
	result := make(chan error, 1)
	read := func(c *websocket.Conn) {
		_, _, err := c.Read(context.Background())
		result <- err
	}
	var got error
	for name, test := range map[string]struct {
		sent []byte
		is   func() bool
	}{
		"closed by the client": {closing(4001, "enough"), func() bool {
			var e *websocket.CloseError
			return errors.As(got, &e) && *e == websocket.CloseError{Code: 4001, Reason: "enough"}
		}},
		"closed without a code": {frame(fin|closing8, ""), func() bool {
			var e *websocket.CloseError
			return errors.As(got, &e) && *e == websocket.CloseError{Code: 1005}
		}},
		"a violation": {frame(fin|text, "\xff"), func() bool {
			var e *websocket.Violation
			return errors.As(got, &e) && *e == websocket.Violation{Code: 1007, Message: "text is not UTF-8"}
		}},
	} {
		p := start(t, websocket.Config{}, nil, read)
		p.send(test.sent)
		p.all(t)
		got = <-result
		if ended := <-p.ended; !test.is() || ended.Error() != got.Error() {
			t.Errorf("%s: Read said %v, Run %v", name, got, ended)
		}
	}
	p := start(t, websocket.Config{}, nil, read)
	if _, err := p.Write([]byte{fin | text, 0x80 | 5}); err != nil {
		t.Fatal(err)
	}
	_ = p.Close()
	<-result
	if err := <-p.ended; !strings.Contains(err.Error(), "the WebSocket's connection was lost: ") {
		t.Errorf("cut: %v", err)
	}
}
