package budget

import "fmt"

// Connections divides the connections that a database admits among worker
// processes.
//
// Starting and ready workers are never more than Workers and Surge together.
// Those that drain come on top: in a reload as many as there are workers, where
// drains last, and more when it is followed by another at once. So a process is
// started with a part that fits a whole reload, and one that can be told is told
// a larger one for as long as fewer live.
type Connections struct {
	Limit   int // that all processes together may hold; 0: not divided
	Workers int
	Surge   int
}

// AtRest is how many processes there are at most while nobody drains, and the
// part of each.
func (c Connections) AtRest() (processes, each int) { return c.among(c.Workers + c.Surge) }

// InReload is how many there are at most in a reload that begins while nobody
// drains, and the part of each. A part of 0 says that they do not all fit.
func (c Connections) InReload() (processes, each int) { return c.among(2*c.Workers + c.Surge) }

func (c Connections) among(processes int) (int, int) { return processes, c.Limit / processes }

// Fits says whether there is one connection for each process at rest.
func (c Connections) Fits() bool {
	_, each := c.AtRest()
	return c.Limit == 0 || each > 0
}

// String is the arithmetic, for people.
func (c Connections) String() string {
	if c.Limit == 0 {
		return "not divided"
	}
	rest, each := c.AtRest()
	reload, least := c.InReload()
	text := fmt.Sprintf("%d = %d processes (%d workers + %d surge) × %d", c.Limit, rest, c.Workers, c.Surge, each)
	if left := c.Limit - rest*each; left > 0 {
		text += fmt.Sprintf(" + %d left", left)
	}
	if least == 0 {
		return text + fmt.Sprintf("; in a reload up to %d (%d more drain), which do not fit", reload, c.Workers)
	}
	return text + fmt.Sprintf("; in a reload up to %d (%d more drain) × %d", reload, c.Workers, least)
}

// First is the part that a process is started with, when so many live, itself
// included. It is 0 where nothing is divided, and else at least 1.
func (c Connections) First(processes int) int {
	if c.Limit == 0 {
		return 0
	}
	reload, each := c.InReload()
	if processes > reload {
		each = c.Limit / processes
	}
	return max(1, each)
}

// Holder is a process and its part.
type Holder struct {
	Has   int  // what it was told last, or will be started with; 0: it is told nothing
	Hears bool // it can be told another one now
}

// Deal gives the holders that hear equal parts, at least 1, of what the others
// leave, by tell, which says whether it could tell holder i. Those that give up
// some are told first: at no time is more than Limit given away, unless there is
// less than one for each. One that tell cannot reach counts as one that does not
// hear. The holders are changed as they were told.
func (c Connections) Deal(holders []Holder, tell func(i, n int) bool) {
	for c.Limit > 0 {
		each := c.each(holders)
		give := func(which func(Holder) bool) (all bool) {
			for i := range holders {
				h := &holders[i]
				switch {
				case !h.Hears || !which(*h):
				case tell(i, each):
					h.Has = each
				default:
					h.Hears = false
					return false
				}
			}
			return true
		}
		if give(func(h Holder) bool { return h.Has > each }) && give(func(h Holder) bool { return 0 < h.Has && h.Has < each }) {
			return
		}
	}
}

func (c Connections) each(holders []Holder) int {
	processes, each := c.among(max(c.Workers+c.Surge, len(holders)))
	left := c.Limit
	for _, h := range holders {
		if !h.Hears {
			processes--
			left -= h.Has
		}
	}
	if processes > 0 {
		each = min(each, left/processes)
	}
	return max(1, each)
}
