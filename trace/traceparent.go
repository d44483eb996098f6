package trace

import (
	"encoding/hex"
	"errors"
	"fmt"
)

// What a traceparent of version 00 is made of: 00-TRACEID-SPANID-FLAGS.
const (
	traceAt = 3
	spanAt  = traceAt + 32 + 1
	flagsAt = spanAt + 16 + 1
	size    = flagsAt + 2
)

// ParseTraceparent reads the value of a traceparent, without the whitespace around
// it. Of a version above 00 it reads what 00 has, as long as that is where 00 has it.
// Flags that are not known are dropped. The errors have nothing of the value in them
// but its version.
func ParseTraceparent(s string) (SpanContext, error) {
	var (
		c       SpanContext
		version [1]byte
		flags   [1]byte
	)
	switch {
	case len(s) < traceAt || !digits(version[:], s[:2]) || s[2] != '-':
		return c, errors.New("traceparent: it does not begin with a version of two hexadecimal digits and a dash")
	case version[0] == 0xff:
		return c, errors.New("traceparent: version ff is forbidden")
	case len(s) < size, version[0] == 0 && len(s) > size, len(s) > size && s[size] != '-':
		return c, fmt.Errorf("traceparent: version %02x has %d bytes, then an end or, above version 00, a dash", version[0], size)
	case !digits(c.TraceID[:], s[traceAt:spanAt-1]) || s[spanAt-1] != '-' || c.TraceID == TraceID{}:
		return SpanContext{}, errors.New("traceparent: the trace's id is not 32 lower-case hexadecimal digits and a dash, or is zero")
	case !digits(c.SpanID[:], s[spanAt:flagsAt-1]) || s[flagsAt-1] != '-' || c.SpanID == SpanID{}:
		return SpanContext{}, errors.New("traceparent: the parent's id is not 16 lower-case hexadecimal digits and a dash, or is zero")
	case !digits(flags[:], s[flagsAt:size]):
		return SpanContext{}, errors.New("traceparent: the flags are not two lower-case hexadecimal digits")
	}
	c.Flags = Flags(flags[0]) & (Sampled | Random)
	return c, nil
}

// digits decodes hexadecimal digits, in lower case only.
func digits(into []byte, s string) bool {
	for i := range len(s) {
		if 'A' <= s[i] && s[i] <= 'F' {
			return false
		}
	}
	_, err := hex.Decode(into, []byte(s))
	return err == nil
}

// Traceparent is c as the value of a traceparent, of version 00. Of a c that is not
// valid it is "".
func (c SpanContext) Traceparent() string {
	if !c.Valid() {
		return ""
	}
	b := make([]byte, 0, size)
	b = hex.AppendEncode(append(b, "00-"...), c.TraceID[:])
	b = hex.AppendEncode(append(b, '-'), c.SpanID[:])
	b = hex.AppendEncode(append(b, '-'), []byte{byte(c.Flags & (Sampled | Random))})
	return string(b)
}
