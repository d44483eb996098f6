package postmortem

import (
	"bytes"
	"cmp"
	"hash/maphash"
	"slices"
	"strconv"
	"strings"
	"sync"
)

const (
	maxGroups     = 1000
	maxStackBytes = 512 << 10 // of all groups together
	maxOneStack   = 64 << 10  // Go itself leaves out what is deeper than 100 calls
	maxDumpLine   = 4 << 10
	maxAround     = 64      // lines before the first goroutine, and behind the last
	maxAroundSize = 8 << 10 // bytes of each
	maxIDs        = 5
)

// Dump is the goroutine dump of a Go program, with goroutines that stand at the
// same place in the same state folded into one group.
type Dump struct {
	Head       []string `json:"head"`           // what it said before: "panic: …", "[signal …"
	Groups     []Group  `json:"groups"`         // the first is that of the goroutine it began with; then the largest first
	Tail       []string `json:"tail,omitempty"` // what it said behind them
	Goroutines int      `json:"goroutines"`     // how many there were
	Bytes      int64    `json:"bytes"`          // as it was printed

	// What went beyond the bounds of a record.

	OmittedGoroutines int   `json:"omitted_goroutines,omitempty"`  // whose stack is in no group
	OmittedStackBytes int64 `json:"omitted_stack_bytes,omitempty"` // cut off the stacks in the groups
	OmittedLines      int   `json:"omitted_lines,omitempty"`       // around the groups
}

// Group is goroutines that are alike.
type Group struct {
	State      string   `json:"state"`                      // "chan receive"
	Count      int      `json:"count"`                      // how many they are
	MinMinutes int      `json:"min_wait_minutes"`           // how long the shortest of them has waited; 0: less than one
	MaxMinutes int      `json:"max_wait_minutes"`           // the longest of them
	Locked     int      `json:"locked_to_thread,omitempty"` // how many of them are
	IDs        []uint64 `json:"ids"`                        // of the first few
	Stack      string   `json:"stack"`                      // of the first, as it was printed
}

// Folder folds a goroutine dump while it is being printed, line by line, so
// that one of megabytes takes no more memory than its different stacks. It
// takes any text; what is no dump makes none. Its methods may be called from
// any goroutine.
type Folder struct {
	mu     sync.Mutex
	seed   maphash.Seed
	dump   Dump
	groups map[uint64]int // hash of state and stack to index
	kept   int            // bytes of stacks
	around int            // bytes of Head, then of Tail

	inside  bool // a goroutine
	current Group
	hash    maphash.Hash
	stack   []byte
	cut     int64
}

// Begin forgets what was gathered: another dump begins.
func (f *Folder) Begin() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.dump, f.groups, f.kept, f.around = Dump{}, nil, 0, 0
	f.inside, f.current, f.stack, f.cut = false, Group{}, nil, 0
}

// Line takes the next line, without its newline. It keeps no reference to it.
func (f *Folder) Line(l []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.dump.Bytes += int64(len(l)) + 1
	if g, ok := goroutineHeader(l); ok {
		f.end()
		f.dump.Goroutines++
		f.inside, f.current, f.cut = true, g, 0
		f.stack = f.stack[:0]
		if f.seed == (maphash.Seed{}) {
			f.seed = maphash.MakeSeed()
		}
		f.hash.SetSeed(f.seed)
		_, _ = f.hash.WriteString(g.State)
		return
	}
	switch {
	case f.inside && len(l) == 0:
		f.end()
	case f.inside:
		f.stackLine(l)
	case len(l) == 0:
	case f.dump.Goroutines == 0:
		f.aside(&f.dump.Head, l)
	default:
		f.aside(&f.dump.Tail, l)
	}
}

// Dump gives what was folded so far; nil if there was no goroutine in it. It is
// the caller's.
func (f *Folder) Dump() *Dump {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.end()
	if f.dump.Goroutines == 0 {
		return nil
	}
	d := f.dump
	d.Head, d.Tail, d.Groups = slices.Clone(d.Head), slices.Clone(d.Tail), slices.Clone(d.Groups)
	for i := range d.Groups {
		d.Groups[i].IDs = slices.Clone(d.Groups[i].IDs)
	}
	if len(d.Groups) > 1 {
		slices.SortStableFunc(d.Groups[1:], func(a, b Group) int { return cmp.Compare(b.Count, a.Count) })
	}
	return &d
}

// aside keeps a line that belongs to no goroutine.
func (f *Folder) aside(to *[]string, l []byte) {
	if len(*to) == 0 {
		f.around = 0
	}
	text := clean(l, maxDumpLine)
	if len(*to) >= maxAround || f.around+len(text) > maxAroundSize {
		f.dump.OmittedLines++
		return
	}
	f.around += len(text)
	*to = append(*to, text)
}

func (f *Folder) stackLine(l []byte) {
	_ = f.hash.WriteByte('\n')
	_, _ = f.hash.Write(place(l))
	if room := min(maxOneStack-len(f.stack)-1, maxDumpLine); len(l) > room {
		f.cut += int64(len(l) - max(room, 0))
		l = l[:max(room, 0)]
	}
	if len(l) > 0 {
		f.stack = append(append(f.stack, l...), '\n')
	}
}

// end puts the goroutine being read into its group.
func (f *Folder) end() {
	if !f.inside {
		return
	}
	f.inside = false
	key, g := f.hash.Sum64(), f.current
	if i, ok := f.groups[key]; ok {
		into := &f.dump.Groups[i]
		into.Count++
		into.Locked += g.Locked
		into.MinMinutes, into.MaxMinutes = min(into.MinMinutes, g.MinMinutes), max(into.MaxMinutes, g.MaxMinutes)
		if len(into.IDs) < maxIDs {
			into.IDs = append(into.IDs, g.IDs...)
		}
		return
	}
	if len(f.dump.Groups) >= maxGroups || f.kept+len(f.stack) > maxStackBytes {
		f.dump.OmittedGoroutines++
		return
	}
	g.Stack = clean(bytes.TrimSuffix(f.stack, []byte("\n")), len(f.stack))
	f.kept += len(f.stack)
	f.dump.OmittedStackBytes += f.cut
	if f.groups == nil {
		f.groups = make(map[uint64]int)
	}
	f.groups[key] = len(f.dump.Groups)
	f.dump.Groups = append(f.dump.Groups, g)
}

// goroutineHeader reads "goroutine 7 [chan receive, 3 minutes, locked to
// thread]:" and the form with "gp=0x… m=0 mp=0x… " before the bracket.
func goroutineHeader(l []byte) (g Group, ok bool) {
	rest, ok := bytes.CutPrefix(l, []byte("goroutine "))
	if !ok || len(l) > maxDumpLine {
		return g, false
	}
	number, rest, ok := bytes.Cut(rest, []byte(" "))
	id, err := strconv.ParseUint(string(number), 10, 64)
	if !ok || err != nil {
		return g, false
	}
	if !bytes.HasPrefix(rest, []byte("[")) && !bytes.HasPrefix(rest, []byte("gp=")) {
		return g, false
	}
	begin, end := bytes.IndexByte(rest, '['), bytes.LastIndexByte(rest, ']')
	if begin < 0 || end < begin {
		return g, false
	}
	g = Group{Count: 1, IDs: []uint64{id}}
	var states []string
	for part := range strings.SplitSeq(string(rest[begin+1:end]), ", ") {
		number, isWait := strings.CutSuffix(part, " minutes")
		minutes, err := strconv.Atoi(number)
		switch {
		case isWait && err == nil && minutes >= 0:
			g.MinMinutes, g.MaxMinutes = minutes, minutes
		case part == "locked to thread":
			g.Locked = 1
		default:
			states = append(states, part)
		}
	}
	g.State = clean([]byte(strings.Join(states, ", ")), 200)
	return g, true
}

// place is what two stacks that stand at the same place have in common: of a
// call its function without the arguments, of a position file and line.
func place(l []byte) []byte {
	switch {
	case len(l) == 0:
	case l[0] == '\t':
		for _, mark := range []string{" +0x", " fp=0x"} {
			if i := bytes.Index(l, []byte(mark)); i > 0 {
				l = l[:i]
			}
		}
	case bytes.HasPrefix(l, []byte("created by ")):
		if i := bytes.LastIndex(l, []byte(" in goroutine ")); i > 0 {
			l = l[:i]
		}
	case l[len(l)-1] == ')':
		depth := 0
		for i := len(l) - 1; i > 0; i-- {
			switch l[i] {
			case ')':
				depth++
			case '(':
				depth--
			}
			if depth == 0 {
				return l[:i]
			}
		}
	}
	return l
}

// clean makes valid text of at most n bytes, and a little for a mark.
func clean(b []byte, n int) string {
	if len(b) > n {
		return strings.ToValidUTF8(string(b[:n]), "\ufffd") + " [cut]"
	}
	return strings.ToValidUTF8(string(b), "\ufffd")
}
