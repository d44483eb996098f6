package http1

import (
	"bytes"
	"math"
)

// split takes a field line apart.
func split(line []byte) (name, value []byte, r *Refusal) {
	i := 0
	for i < len(line) && class[line[i]]&token != 0 {
		i++
	}
	switch {
	case i < len(line) && line[i] == ':' && i > 0:
	case isBlank(line[0]):
		return nil, nil, folded
	case i == len(line) || bytes.IndexByte(line[i:], ':') < 0:
		return nil, nil, noColon
	case isBlank(line[i]) && trim(line[i:])[0] == ':':
		return nil, nil, blankColon
	default:
		return nil, nil, badName
	}
	value = line[i+1:]
	if !printable(value) {
		return nil, nil, badValue
	}
	return line[:i], trim(value), nil
}

// field judges a field line of a header.
func (g *Guard) field(line []byte) *Refusal {
	if r := g.count(line, g.bounds().Headers, manyHeaders); r != nil {
		return r
	}
	name, value, r := split(line)
	if r != nil {
		return r
	}
	switch len(name) {
	case len("host"):
		if is(name, "host") {
			return g.host(value)
		}
	case len("expect"):
		if is(name, "expect") && len(value) > 0 && !is(value, "100-continue") {
			return badExpect
		}
	case len("upgrade"):
		if is(name, "upgrade") && len(value) > 0 {
			g.seen |= sawUpgrade
		}
	case len("connection"):
		if is(name, "connection") && lists(value, "upgrade") {
			g.seen |= wantsUpgrade
		}
	case len("content-length"):
		if is(name, "content-length") {
			return g.length(value)
		}
	case len("transfer-encoding"):
		if is(name, "transfer-encoding") {
			return g.coding(value)
		}
	}
	return nil
}

// count notes one more field line.
func (g *Guard) count(line []byte, most int, tooMany *Refusal) *Refusal {
	g.block += int32(len(line) + len("\r\n"))
	if g.fields++; int(g.fields) > most {
		return tooMany
	}
	return nil
}

func (g *Guard) host(value []byte) *Refusal {
	if g.seen&sawHost != 0 {
		return severalHost
	}
	g.seen |= sawHost
	if len(value) == 0 {
		return emptyHost
	}
	if host, _, ok := authority(value); !ok || len(host) == 0 {
		return badHost
	}
	return nil
}

func (g *Guard) length(value []byte) *Refusal {
	if g.seen&sawLength != 0 {
		return severalLength
	}
	g.seen |= sawLength
	n, ok := number(value)
	if !ok {
		return badLength
	}
	g.left = n
	return nil
}

// number reads the value of a Content-Length.
func number(value []byte) (n int64, ok bool) {
	for _, c := range value {
		if !digit(c) || n > (math.MaxInt64-int64(c-'0'))/10 {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, len(value) > 0
}

func (g *Guard) coding(value []byte) *Refusal {
	switch {
	case g.seen&version11 == 0:
		return oldChunked
	case g.seen&sawChunked != 0 || len(value) == 0:
		return badCoding
	case is(value, "chunked"):
		g.seen |= sawChunked
		return nil
	case lists(value, "chunked"):
		return badCoding
	}
	return otherCoding
}

// lists reports whether the lower-case option is in a list.
func lists(list []byte, option string) bool {
	for {
		item, rest, more := bytes.Cut(list, []byte(","))
		if is(trim(item), option) {
			return true
		}
		if !more {
			return false
		}
		list = rest
	}
}

// endHead judges a head as a whole.
func (g *Guard) endHead() *Refusal {
	switch {
	case g.seen&(version11|sawHost) == version11:
		return noHost
	case g.seen&(sawLength|sawChunked) == sawLength|sawChunked:
		return bothFramings
	case g.left > g.bounds().Body:
		return tooLarge(g.bounds().Body)
	}
	g.pending++
	switch {
	case g.seen&sawChunked != 0:
		g.phase, g.allowed, g.block, g.fields = chunkSize, g.bounds().Body, 0, 0
	case g.left > 0:
		g.phase = inBody
	default:
		g.finish()
	}
	return nil
}

// tooLarge is the refusal of a body beyond most octets.
func tooLarge(most int64) *Refusal {
	r := *largeBody
	r.Limit = most
	return &r
}
