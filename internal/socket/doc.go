// Package socket makes, adopts and closes the listening sockets that all
// workers share.
//
// Invariant: from Bind to Close a [Listener] is one raw descriptor, close on
// exec and with O_NONBLOCK set on the open file description that every worker
// shares. It never becomes an os.File or a net.Listener here: handing one of
// those to a child clears O_NONBLOCK for all workers at once, and they hang in
// accept.
//
// The smallest use:
//
//	a, err := socket.Parse("127.0.0.1:8000")
//	// ...
//	l, err := socket.Bind(a)
//	// ... start workers that inherit l.FD(), and at the end, when no new
//	// connection may begin but the queue is still to be served:
//	l.Refuse(true)
//	// ... wait for the workers
//	l.Close()
//
// There is one socket per address, never SO_REUSEPORT: a socket that closes
// takes the connections in its own queue with it.
package socket
