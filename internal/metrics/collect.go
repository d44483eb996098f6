package metrics

import (
	"maps"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("tandem_"+name, help, labels, nil)
}

// What there is. docs/metrics.md says the same, with more words; a test compares
// the two.
var (
	descBuild      = desc("build_info", "Always 1; what the supervisor was built from.", "version", "goversion")
	descState      = desc("service_state", "1 for the state that the service is in, 0 for the others.", "state")
	descGeneration = desc("generation", "The generation of workers in force.")
	descWanted     = desc("workers_wanted", "Workers that there should be.")
	descWorkers    = desc("workers", "Workers that there are, by state.", "state")
	descUncounted  = desc("workers_uncounted", "Workers without a scoreboard: their requests are in no series here.")
	descStarts     = desc("worker_starts_total", "Workers started, failed attempts included.")
	descExits      = desc("worker_exits_total", "Workers ended, by cause.", "cause")
	descMemory     = desc("worker_resident_memory_bytes", "Resident memory of a worker's process.", "worker", "generation")
	descEachFlight = desc("worker_requests_in_flight", "Requests of one worker that are begun and not ended.", "worker", "generation")
	descEachConns  = desc("worker_connections", "Connections that one worker has open.", "worker", "generation")
	descFaults     = desc("worker_scoreboard_faults_total", "Workers whose scoreboard said what cannot be; that was left out of the totals.")

	descReloads    = desc("reloads_total", "Reloads ended, by result.", "result")
	descReloadGood = desc("last_reload_success", "1 if the last reload went well, 0 if it was undone.")
	descReloadTime = desc("last_reload_timestamp_seconds", "When the last reload ended.")

	descRequests    = desc("requests_total", "Requests ended, by method and status code.", "method", "code")
	descAbandoned   = desc("requests_abandoned_total", "Requests in flight in workers that ended: nobody has answered them.")
	descUnlisted    = desc("requests_unlisted_total", "Requests that found no room in a worker's list of requests in flight.")
	descDuration    = desc("request_duration_seconds", "Time from a request's header to the end of its handler.")
	descInFlight    = desc("requests_in_flight", "Requests begun and not ended.")
	descConnections = desc("connections", "Connections that workers have open.")
	descParked      = desc("connections_parked", "Of the open connections, idle ones that wait outside of net/http.")
	descRefused     = desc("connections_refused_total", "Connections beyond the bound of a worker: answered 503, or closed.")
	descAcceptCalls = desc("accept_calls_total", "Accept calls of workers, those in vain among them.")
	descAccepted    = desc("connections_accepted_total", "Connections that workers have accepted.")
	descPassed      = desc("connections_passed_total", "Connections given to a sibling before anything was read of them.")
	descMoved       = desc("connections_moved_total", "Idle connections that draining workers gave to siblings.")
	descReceived    = desc("connections_received_total", "Connections that workers took from siblings.")

	descPermits  = desc("sync_permits", "Permits for sync code that there are.", "limiter")
	descInUse    = desc("sync_permits_in_use", "Permits for sync code that are taken.", "limiter")
	descQueue    = desc("sync_queue_length", "Who waits for a permit.", "limiter")
	descWait     = desc("sync_queue_wait_seconds", "How long those waited who had to wait for a permit.", "limiter")
	descRejected = desc("sync_rejected_total", "Who got no permit: the queue was full, or the wait too long.", "limiter")
	descLeft     = desc("sync_abandoned", "Sync code that goes on past its request's deadline.", "limiter")
	descLeftAll  = desc("sync_abandoned_total", "Sync code that went on past its request's deadline.", "limiter")

	descPool      = desc("database_connections", "Connections to databases that the workers' pools have open.", "state")
	descPoolLimit = desc("database_connections_limit", "Connections that the workers' pools may open together.")
	descPoolWaits = desc("database_waits_total", "Who had to wait for a connection of a pool.")
	descPoolTime  = desc("database_wait_seconds_total", "For how long they waited, together.")

	descLines   = desc("log_lines_total", "Log records of workers that were read.")
	descDropped = desc("log_lines_dropped_total", "Log records dropped because the sink was slower than they came.")
	descLost    = desc("log_lines_lost_total", "Log lines that the sink did not take.")

	descAccept      = desc("accept_queue_length", "Connections that no worker has accepted yet.", "listener")
	descAcceptLimit = desc("accept_queue_limit", "Connections that the queue takes before the kernel drops new ones.", "listener")
)

// collector shows one snapshot.
type collector struct{ Snapshot }

// Describe says nothing beforehand: what is shown depends on the workers.
func (collector) Describe(chan<- *prometheus.Desc) {}

// Collect implements [prometheus.Collector].
func (c collector) Collect(out chan<- prometheus.Metric) {
	s := sender{out}
	s.gauge(descBuild, 1, c.Version, runtime.Version())
	for _, state := range c.States {
		s.gauge(descState, truth(state == c.State), state)
	}
	s.gauge(descGeneration, float64(c.Generation))
	s.gauge(descWanted, float64(c.Wanted))
	for _, state := range slices.Sorted(maps.Keys(c.Workers)) {
		s.gauge(descWorkers, float64(c.Workers[state]), state)
	}
	s.gauge(descUncounted, float64(c.Present.Uncounted))
	c.collectEach(s)
	t := c.Totals
	s.counter(descStarts, t.Starts)
	for _, cause := range slices.Sorted(maps.Keys(t.Exits)) {
		s.counter(descExits, t.Exits[cause], string(cause))
	}
	s.counter(descFaults, t.Faults)
	s.counter(descReloads, t.Reloads.OK, "ok")
	s.counter(descReloads, t.Reloads.Failed, "failed")
	if last := t.Reloads.Last; !last.IsZero() {
		s.gauge(descReloadGood, truth(t.Reloads.LastGood))
		s.gauge(descReloadTime, float64(last.UnixMilli())/1e3)
	}
	s.counter(descLines, c.Logs.Lines)
	s.counter(descDropped, c.Logs.Dropped)
	s.counter(descLost, c.Logs.Lost)
	c.collectQueues(s)
	if t.Counted {
		c.collectRequests(s)
	}
}

// collectQueues adds up what has one name: a socket may have been passed twice.
func (c collector) collectQueues(s sender) {
	sums := map[string]Queue{}
	for _, q := range c.Queues {
		sum := sums[q.Listener]
		sums[q.Listener] = Queue{q.Listener, sum.Length + q.Length, sum.Limit + q.Limit}
	}
	for name, q := range sums {
		s.gauge(descAccept, float64(q.Length), name)
		s.gauge(descAcceptLimit, float64(q.Limit), name)
	}
}

// collectRequests shows what is known from scoreboards. A service that never had
// a worker with one has no such series: 0 would be a lie.
func (c collector) collectRequests(s sender) {
	t := c.Totals
	for _, r := range t.Requests {
		s.counter(descRequests, r.N, r.Method, statusLabel(r.Status))
	}
	s.counter(descAbandoned, t.Abandoned)
	s.counter(descUnlisted, t.Unlisted)
	s.histogram(descDuration, t.Duration)
	s.gauge(descInFlight, float64(c.Present.inFlight))
	s.gauge(descConnections, float64(c.Present.connections))
	s.gauge(descParked, float64(c.Present.parked))
	s.counter(descRefused, t.Resources.Refused)
	s.counter(descAcceptCalls, t.Handovers.AcceptCalls)
	s.counter(descAccepted, t.Handovers.Accepted)
	s.counter(descPassed, t.Handovers.Passed)
	s.counter(descMoved, t.Handovers.Moved)
	s.counter(descReceived, t.Handovers.Received)
	if t.Resources.Pools {
		c.collectPools(s)
	}
	for _, l := range t.Limiters {
		var now permits // a limiter of which there is no worker now has no permits
		if p := c.Present.limiters[l.Name]; p != nil {
			now = *p
		}
		s.gauge(descPermits, float64(now.limit), l.Name)
		s.gauge(descInUse, float64(now.inUse), l.Name)
		s.gauge(descQueue, float64(now.queue), l.Name)
		s.histogram(descWait, l.Waits, l.Name)
		s.counter(descRejected, l.Rejected, l.Name)
		s.gauge(descLeft, float64(now.abandoned), l.Name)
		s.counter(descLeftAll, l.Abandoned, l.Name)
	}
}

// collectEach shows what is of one worker alone.
func (c collector) collectEach(s sender) {
	for _, w := range c.Each {
		id, generation := strconv.FormatUint(w.ID, 10), strconv.Itoa(w.Generation)
		for d, n := range map[*prometheus.Desc]*int64{descMemory: w.Memory, descEachFlight: w.InFlight, descEachConns: w.Connections} {
			if n != nil {
				s.gauge(d, float64(*n), id, generation)
			}
		}
	}
}

// collectPools shows the pools of database connections, which not every program has.
func (c collector) collectPools(s sender) {
	p := c.Present
	s.gauge(descPool, float64(p.poolInUse), "in_use")
	s.gauge(descPool, float64(p.poolOpen-p.poolInUse), "idle")
	s.gauge(descPoolLimit, float64(p.poolLimit))
	s.counter(descPoolWaits, c.Totals.Resources.Waits)
	s.seconds(descPoolTime, time.Duration(c.Totals.Resources.Waited)*time.Microsecond)
}

func statusLabel(status int) string {
	switch status {
	case 0:
		return "none"
	case -1:
		return rest
	}
	return strconv.Itoa(status)
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// sender makes metrics of values.
type sender struct{ out chan<- prometheus.Metric }

func (s sender) gauge(d *prometheus.Desc, v float64, labels ...string) {
	for i, l := range labels {
		labels[i] = strings.ToValidUTF8(l, "\uFFFD") // the path of a socket may be any bytes
	}
	s.out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}

func (s sender) counter(d *prometheus.Desc, n uint64, labels ...string) {
	s.out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
}

func (s sender) seconds(d *prometheus.Desc, n time.Duration) {
	s.out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, n.Seconds())
}

func (s sender) histogram(d *prometheus.Desc, h Histogram, labels ...string) {
	buckets := make(map[float64]uint64, len(h.Bounds))
	var sum uint64
	for i, n := range h.Counts {
		sum += n
		if i < len(h.Bounds) {
			buckets[h.Bounds[i]] = sum
		}
	}
	s.out <- prometheus.MustNewConstHistogram(d, sum, h.Sum, buckets, labels...)
}
