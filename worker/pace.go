package worker

import "time"

// pace says how long a client is waited for: each second of waiting spends one of its
// stall, and rate bytes give one back, though never more than was spent. So a client may
// be silent for as long as a stall, as often as it makes up for it, and whoever
// sends less than rate, however regularly, has spent it some time.
type pace struct {
	stall time.Duration // 0: for ever
	rate  int           // bytes a second; 0: any byte gives all of it back
}

// after is what is spent when a wait has ended that brought so many bytes.
func (p pace) after(spent, waited time.Duration, bytes int) time.Duration {
	spent += waited
	switch {
	case bytes <= 0:
		return spent
	case p.rate <= 0:
		return 0
	}
	return max(0, spent-time.Duration(float64(bytes)/float64(p.rate)*float64(time.Second)))
}

// converse is the pace of who is answered while it still sends: what there is to say
// decides how much comes.
func (p pace) converse() pace {
	p.rate = 0
	return p
}
