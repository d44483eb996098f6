// Package handover is the queue through which the workers of one supervisor
// give each other connections.
//
// Invariant: a connection is in one place. Whoever has sent it without an error
// has it no more, whoever has received it serves it, and between the two it is
// in the queue, which lives as long as the supervisor and outlives every worker:
// one that dies leaves what it has not received to the others.
//
// Smallest use:
//
//	in, out, err := handover.Pair()              // supervisor: once, kept, handed to every worker
//	queue, err := handover.Open(in, out)         // worker
//	err = queue.Send(record, fd)                 // the one that goes
//	record, fd, err := queue.Receive(family)     // the ones that stay
//
// It is one SOCK_SEQPACKET pair for all of them: each message is a [Record] with
// one descriptor. The kernel bounds it, at some hundred connections.
package handover
