package sockets

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tandem-go/tandem/internal/websocket/wire"
	"github.com/tandem-go/tandem/test/served"
)

// mayBeSent is RFC 6455's section 7.4 with IANA's registry.
func mayBeSent(code int) bool {
	switch {
	case code >= 3000 && code <= 4999: // of libraries, and private ones
		return true
	case code == 1004, code == 1005, code == 1006: // reserved, and for local use
		return false
	}
	return code >= 1000 && code <= 1014
}

func answerTo(code int) string {
	if mayBeSent(code) {
		return fmt.Sprintf(`fin close %d ""`, code)
	}
	return fmt.Sprintf(`fin close 1002 "close code %d is not one to be sent"`, code)
}

// All codes up to where there are none, and some beyond.
func TestEveryCloseCode(t *testing.T) {
	one := func(code int) dialogue {
		return dialogue{name: fmt.Sprint(code), sent: [][]byte{wire.Closing(code, "")}, want: []string{answerTo(code)}}
	}
	var all, some []dialogue
	for code := range 5100 {
		all = append(all, one(code))
	}
	for _, code := range []int{0, 999, 1000, 1003, 1004, 1005, 1006, 1007, 1014, 1015, 1016, 1100, 2000, 2999, 3000, 3999, 4000, 4999, 5000, 65535} {
		some = append(some, one(code))
	}
	hold(t, served.Start(t, served.Clear), append(all, one(5999), one(32768), one(65535)))
	hold(t, served.Start(t, served.TLS), some)
}

func TestCloseFrames(t *testing.T) {
	const refused = `fin close 1007 "close reason is not UTF-8"`
	var all []dialogue
	for n := range 131 { // of any length
		d := dialogue{name: fmt.Sprintf("of %d bytes", n), sent: [][]byte{wire.Frame(fin|closing, ("\x03\xe8" + strings.Repeat("r", 130))[:n])}}
		switch {
		case n == 0:
			d.want = []string{"fin close"}
		case n == 1:
			d.want = []string{`fin close 1002 "close frame with half a code"`}
		case n > 125:
			d.want = []string{controlTooLong}
		default:
			d.want = []string{bidden}
		}
		slow := d
		slow.chop, slow.name = 1, d.name+", byte by byte"
		all = append(all, d, slow)
	}
	for _, v := range valid() {
		all = append(all, dialogue{name: fmt.Sprintf("reason %+q", v), sent: [][]byte{wire.Closing(1000, v)}, want: []string{bidden}})
	}
	for _, v := range invalid() {
		all = append(all, dialogue{name: fmt.Sprintf("reason %q", v), sent: [][]byte{wire.Closing(1000, "because "+v)}, want: []string{refused}})
	}
	for name, late := range map[string][]byte{
		"a text":         wire.Frame(fin|text, "late"),
		"a ping":         wire.Frame(fin|ping8, "late"),
		"a close":        wire.Closing(1001, "again"),
		"a violation":    wire.Frame(fin|0xb, ""),
		"half a frame":   {fin | text},
		"no frame":       []byte("GET / HTTP/1.1\r\n\r\n"),
		"a long message": wire.Frame(fin|binary, strings.Repeat("late", 1<<18)),
	} {
		all = append(
			all,
			dialogue{name: "behind it " + name, sent: [][]byte{bye, late}, want: []string{bidden}},
			dialogue{name: "behind a message, and behind it " + name, sent: [][]byte{wire.Frame(fin|text, "hello"), bye, late}, want: []string{`fin text "hello"`, bidden}},
			dialogue{name: "in a message, and behind it " + name, sent: [][]byte{wire.Frame(text, "hel"), bye, late}, want: []string{bidden}},
			dialogue{name: "a violation, and behind it " + name, sent: [][]byte{wire.Frame(fin|0x3, ""), late}, want: []string{`fin close 1002 "use of reserved op code"`}},
		)
	}
	everywhere(t, all)
}
