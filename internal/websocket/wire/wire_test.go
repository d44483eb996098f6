package wire

import (
	"bufio"
	"bytes"
	"io"
	"strings"
	"testing"
)

// The examples of RFC 6455, section 5.7.
func TestFramesAreThoseOfTheStandard(t *testing.T) {
	for name, test := range map[string]struct {
		made []byte
		want string
	}{
		"masked":     {Raw(Fin|Text, 5, []byte{0x37, 0xfa, 0x21, 0x3d}, "Hello"), "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"},
		"not masked": {Raw(Fin|Text, 5, nil, "Hello"), "\x81\x05Hello"},
		"16 bits":    {Raw(Fin|Binary, 256, nil, ""), "\x82\x7e\x01\x00"},
		"64 bits":    {Raw(Fin|Binary, 65536, nil, ""), "\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00"},
		"close":      {Closing(1000, "x"), "\x88\x83\xa1\x02\xf3\x54\xa2\xea\x8b"},
	} {
		if string(test.made) != test.want {
			t.Errorf("%s: %x, want %x", name, test.made, test.want)
		}
	}
}

func TestFramesSayWhatTheyAre(t *testing.T) {
	for sent, want := range map[string]string{
		"\x81\x05Hello":      `fin text "Hello"`,
		"\x01\x03Hel":        `text "Hel"`,
		"\xc1\x00":           `fin rsv100 text ""`,
		"\x88\x00":           "fin close",
		"\x88\x01\x03":       `fin close "\x03"`,
		"\x88\x04\x03\xe8by": `fin close 1000 "by"`,
		"\x8b\x00":           `fin kind 11 ""`,
		"\x82\x7e\x01\x01" + strings.Repeat("x", 257): "fin binary of 257 bytes, 9118e8fd",
		"\x82\x7f\x00\x00\x00\x00\x00\x00\x00\x01x":   `fin binary "x"`,
	} {
		f, err := Read(bufio.NewReader(strings.NewReader(sent)))
		if err != nil || f.String() != want {
			t.Errorf("%.20q: %s, %v; want %s", sent, f, err, want)
		}
	}
}

func TestHalfAFrameIsNone(t *testing.T) {
	whole := Raw(Fin|Text, 300, nil, strings.Repeat("x", 300))
	for n := 1; n < len(whole); n++ {
		if _, err := Read(bufio.NewReader(bytes.NewReader(whole[:n]))); err != io.ErrUnexpectedEOF && (n > 1 || err != io.EOF) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	for _, refused := range [][]byte{Raw(Fin|Text, 1<<40, nil, ""), Frame(Fin|Text, "masked")} {
		if f, err := Read(bufio.NewReader(bytes.NewReader(refused))); err == nil || err == io.ErrUnexpectedEOF {
			t.Errorf("%x was taken: %s, %v", refused, f, err)
		}
	}
}
