package worker

import "time"

// StallTimeout sets how long a client may stand still.
func StallTimeout(d time.Duration) Option { return func(o *options) { o.stall = d } }

// Telling is how many connections beyond the bound are let in.
const Telling = telling
