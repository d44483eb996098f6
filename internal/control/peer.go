package control

import "context"

// Peer is the process at the other end of the control socket, as the kernel says
// when it connects.
type Peer struct {
	UID int
	PID int // 0: not known, as across pid namespaces. It may have ended since
}

// PeerOf gives the process that a request came from, from the ctx that the
// Backend is called with; false if it came in another way.
func PeerOf(ctx context.Context) (Peer, bool) {
	p, ok := ctx.Value(peerKey{}).(peer)
	if !ok || p.err != nil {
		return Peer{}, false
	}
	return Peer{UID: int(p.Uid), PID: int(p.Pid)}, true
}
