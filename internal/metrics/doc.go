// Package metrics keeps the totals of a service and shows them to Prometheus.
//
// Invariant: a total never goes down. What a worker has counted is added to the
// totals as the difference to what it had counted when it was last read, each
// difference once, so nothing depends on the worker being there later, and
// nothing that a worker writes to its scoreboard (it may be broken, or hostile)
// can lower a total or give it a value that no worker of its age can have
// reached.
//
// Smallest use:
//
//	totals := metrics.NewTotals()
//	totals.Read(id, age, board.Read())                 // now and then
//	totals.Ended(id, metrics.CauseAsked, age, board.Read()) // once, when its process is gone
//
//	handler := metrics.Handler(func(ctx context.Context) (metrics.Snapshot, error) {
//		return metrics.Snapshot{Totals: totals.State()}, nil
//	})
package metrics
