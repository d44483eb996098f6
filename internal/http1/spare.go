package http1

// begun is the beginning of a line that is not whole; nil if there is none.
func (g *Guard) begun() []byte {
	if g.spare == nil {
		return nil
	}
	return g.spare.line
}

func (g *Guard) keepLine(line []byte) { g.keep(line, g.heldNow()) }

func (g *Guard) keepHeld(held []byte) { g.keep(g.begun(), held) }

// heldNow is what is kept aside; nil if it is nothing.
func (g *Guard) heldNow() []byte {
	if g.spare == nil {
		return nil
	}
	return g.spare.held
}

// keep holds no memory for nothing.
func (g *Guard) keep(line, held []byte) {
	switch {
	case len(line) == 0 && len(held) == 0:
		g.spare = nil
	case g.spare == nil:
		g.spare = &spare{line, held}
	default:
		g.spare.line, g.spare.held = line, held
	}
}

// hold keeps b aside, after what is there or before it.
func (g *Guard) hold(b []byte, after bool) *Refusal {
	held := g.heldNow()
	if len(held)+len(b) > maxHeld {
		return heldTooMuch
	}
	if after {
		g.keepHeld(append(held, b...))
	} else {
		g.keepHeld(append(append([]byte(nil), b...), held...))
	}
	return nil
}

// preface judges what b has of the rest of HTTP/2's preface, and keeps it aside: net/http
// would take the empty line in it for the end of a head. When it is whole, all
// passes.
func (g *Guard) preface(b []byte) *Refusal {
	held := append(g.heldNow(), b...)
	n := min(len(held), len(prefaceRest))
	if string(held[:n]) != prefaceRest[:n] {
		return badPreface
	}
	if g.keepHeld(held); n == len(prefaceRest) {
		g.phase = unguarded
	}
	return nil
}
