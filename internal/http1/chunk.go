package http1

import "math"

// chunk judges the line before a chunk.
func (g *Guard) chunk(line []byte) *Refusal {
	size, i := int64(0), 0
	for ; i < len(line) && class[line[i]]&hexits != 0; i++ {
		// net/http counts the digits.
		if i == 16 || size > math.MaxInt64>>4 {
			return hugeChunk
		}
		size = size<<4 | hexit(line[i])
	}
	if i == 0 || i < len(line) && line[i] != ';' {
		return badChunkSize
	}
	extension := line[i:]
	if g.block += int32(len(extension)); int(g.block) > g.bounds().ChunkExtensions {
		return longExtensions
	}
	if !validExtension(extension) {
		return badExtension
	}
	switch {
	case size > g.allowed:
		return tooLarge(g.bounds().Body)
	case size > 0:
		g.allowed -= size
		g.left, g.phase = size, chunkData
	default:
		g.phase, g.block = trailers, 0
	}
	return nil
}

func hexit(c byte) int64 {
	if digit(c) {
		return int64(c - '0')
	}
	return int64(c|0x20-'a') + 10
}

// validExtension: *( BWS ";" BWS chunk-ext-name [ BWS "=" BWS chunk-ext-val ] ). The
// blank between a size and its semicolon is refused before: net/http takes none.
func validExtension(b []byte) bool {
	for len(b) > 0 {
		b = blanks(b)
		if len(b) == 0 || b[0] != ';' {
			return false
		}
		name := 0
		for b = blanks(b[1:]); name < len(b) && class[b[name]]&token != 0; name++ {
		}
		if name == 0 {
			return false
		}
		b = b[name:]
		after := blanks(b)
		if len(after) == 0 || after[0] != '=' {
			continue
		}
		value := blanks(after[1:])
		n := 0
		if len(value) > 0 && value[0] == '"' {
			n = quotedString(value)
		} else {
			for n < len(value) && class[value[n]]&token != 0 {
				n++
			}
		}
		if n == 0 {
			return false
		}
		b = value[n:]
	}
	return true
}

func blanks(b []byte) []byte {
	for len(b) > 0 && isBlank(b[0]) {
		b = b[1:]
	}
	return b
}

// quotedString is the length of the one that b begins with; 0 if it is none.
func quotedString(b []byte) int {
	for i := 1; i < len(b); i++ {
		switch {
		case b[i] == '"':
			return i + 1
		case b[i] == '\\':
			if i++; i == len(b) || !eachPrintable(b[i:i+1]) {
				return 0
			}
		case class[b[i]]&quoted == 0:
			return 0
		}
	}
	return 0
}

// chunkEnd judges an octet of the CRLF after a chunk's data.
func (g *Guard) chunkEnd(c byte) *Refusal {
	switch {
	case g.phase == chunkCR && c == '\r':
		g.phase = chunkLF
	case g.phase == chunkLF && c == '\n':
		g.phase = chunkSize
	default:
		return noChunkEnd
	}
	return nil
}

// trailer judges a field line of a trailer.
func (g *Guard) trailer(line []byte) *Refusal {
	if r := g.count(line, g.bounds().Trailers, manyTrailers); r != nil {
		return r
	}
	name, _, r := split(line)
	if r != nil {
		return r
	}
	// Framing, routing and what belongs to the connection. net/http keeps trailers
	// apart, but who merges them would take these for the header's.
	for _, never := range [...]string{"content-length", "transfer-encoding", "trailer", "te", "host", "connection", "upgrade", "expect"} {
		if is(name, never) {
			return badTrailer
		}
	}
	return nil
}
