// Package supervise is the shell around the arbiter: it turns what happens in
// the operating system into events, and the arbiter's actions into system calls.
//
// Invariant: one goroutine, the one that runs [Supervisor.Run], owns the
// arbiter, the workers and the generations. Everybody else, the watchers of
// workers, the control socket and the signals, sends it messages and waits, if
// at all, for an answer. The loop never blocks on a worker: what can take long
// (resolving a generation, reading a worker's pipes, telling the service
// manager) happens on a goroutine that sends a message when it is done. Workers
// are started by the loop itself, one between two messages.
//
// The smallest use:
//
//	s, err := supervise.New(supervise.Options{Config: loaded, Listeners: lns, Logs: logs, Log: log})
//	if err != nil {
//		return err
//	}
//	result := s.Run(ctx)
//	os.Exit(result.Code)
package supervise
