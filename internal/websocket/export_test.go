package websocket

import "time"

// Quiet has the client unheard for so long.
func (c *Conn) Quiet(d time.Duration) { c.heard.Store(time.Now().Add(-d).UnixNano()) }
