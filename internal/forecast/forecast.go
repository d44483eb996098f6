// Package forecast says what a supervisor with some settings will do on this machine,
// and warns of what will hurt. Its invariant: [Of] is a function of its argument; who calls it
// finds the facts out.
//
// The smallest use:
//
//	for _, line := range forecast.Of(facts).Lines { … }
package forecast

import (
	"fmt"
	"strconv"
	"time"

	"github.com/tandem-go/tandem/internal/budget"
)

// Facts are the settings and the machine.
type Facts struct {
	Workers     int
	WorkersFrom string // "flag --workers", "auto"
	Surge       int
	Limits      budget.Limits
	Connections budget.Connections
	Database    *Database // nil: none is known of

	Files     uint64 // that a worker may have open; 0: not known
	MaxMemory int64  // --max-memory in bytes; 0: off

	LameDuck, GracefulTimeout time.Duration
	// Unit is the service manager's unit that this runs in, and StopTimeout what it gives
	// a stop; "" and 0: none, or not known.
	Unit        string
	StopTimeout time.Duration

	// Running is the control socket behind which a supervisor answers; "": none does.
	Running string
	// Problems are places that cannot be had: "--bind tcp://…: …, so …".
	Problems []string
}

// Database is the server that the workers' environment names.
type Database struct {
	Where string // "db.example:5432/shop": never with a password
	From  string // the variable
	Limit int    // connections that it admits; 0: it could not be asked
	Why   string // why it could not
}

// Forecast is what will be.
type Forecast struct {
	Lines    []string // "workers: …"
	Warnings []string // what will hurt, with what to do
}

// Bounds of package worker that a forecast speaks of.
const (
	mostConnections = 1 << 15 // of a worker, where its descriptors allow
	fewConnections  = 1 << 12 // below that it warns
	smallest        = 32 << 20
	// stopMargin is what a stop takes beside lame duck and drain.
	stopMargin = 10 * time.Second
)

// Of says what the facts come to.
func Of(f Facts) Forecast {
	var o Forecast
	for _, say := range []func(Facts, *Forecast){running, workers, files, memory, connections, stop} {
		say(f, &o)
	}
	o.Warnings = append(o.Warnings, f.Problems...)
	return o
}

func (o *Forecast) line(format string, args ...any) {
	o.Lines = append(o.Lines, fmt.Sprintf(format, args...))
}

func (o *Forecast) warn(format string, args ...any) {
	o.Warnings = append(o.Warnings, fmt.Sprintf(format, args...))
}

func running(f Facts, o *Forecast) {
	if f.Running != "" {
		o.line("running: a supervisor answers at %s; this is what another start with these settings would do", f.Running)
	}
}

func workers(f Facts, o *Forecast) {
	from := f.WorkersFrom
	if from == "auto" {
		from = "auto: one for each whole CPU of " + strconv.FormatFloat(f.Limits.CPUs, 'f', -1, 64)
	}
	o.line("workers: %d (%s), and up to %d while they are replaced", f.Workers, from, f.Workers+f.Surge)
	o.line("shares: %s", f.Limits.Division(f.Workers))
	if share := f.Limits.Share(f.Workers); share.Memory > 0 && share.Memory < smallest {
		o.warn("each worker has %d MiB of memory, and one without load takes 15 to 30: fewer --workers, or a higher limit", share.Memory>>20)
	}
}

func files(f Facts, o *Forecast) {
	if f.Files == 0 {
		return
	}
	can := int64(mostConnections)
	if f.Files < mostConnections/7*8 {
		can = max(1, int64(f.Files)/8*7)
	}
	o.line("descriptors: %s for each worker, which serves up to %d connections", count(f.Files), can)
	if can < fewConnections {
		o.warn("a worker may have %d descriptors open and turns connections beyond %d away: raise LimitNOFILE= or ulimit -n to %d, for %d of them", f.Files, can, mostConnections/7*8+8, mostConnections)
	}
}

// count shows a number that may be without a bound.
func count(n uint64) string {
	if n > 1<<62 {
		return "unlimited"
	}
	return strconv.FormatUint(n, 10)
}

func memory(f Facts, o *Forecast) {
	if f.MaxMemory == 0 {
		return
	}
	all := f.MaxMemory * int64(f.Workers+f.Surge)
	o.line("memory: --max-memory %d MiB × %d processes (%d workers + %d surge) = %d MiB", f.MaxMemory>>20, f.Workers+f.Surge, f.Workers, f.Surge, all>>20)
	if f.Limits.Memory > 0 && all > f.Limits.Memory {
		o.warn("workers that have grown to --max-memory take %d MiB together, and there are %d: the kernel may kill one before it is recycled; a lower --max-memory, fewer --workers, or a higher limit", all>>20, f.Limits.Memory>>20)
	}
}

func connections(f Facts, o *Forecast) {
	if f.Connections.Limit > 0 {
		o.line("database connections: %s", f.Connections)
		if _, each := f.Connections.InReload(); each == 0 {
			o.warn("--db-connections %d is less than one for each process of a reload: those that drain and those that start may hold more together for a while; raise it, or run fewer --workers", f.Connections.Limit)
		}
	}
	db := f.Database
	if db == nil {
		return
	}
	switch {
	case db.Limit == 0:
		o.line("database: %s (%s), which could not be asked from here: %s", db.Where, db.From, db.Why)
		o.warn("%s could not be asked from here (%s): workers that cannot reach it either will not become ready; see that it is up and lets their user in, or correct %s", db.Where, db.Why, db.From)
	default:
		o.line("database: %s (%s) admits %d connections", db.Where, db.From, db.Limit)
	}
	switch {
	case f.Connections.Limit == 0:
		o.warn("--db-connections is not set, so each of %d processes has a pool of its own size at %s: set it below what the server admits", f.Workers+f.Surge, db.Where)
	case db.Limit > 0 && f.Connections.Limit >= db.Limit:
		o.warn("--db-connections %d leaves none of the %d that %s admits to migrations, people and backups: set it lower, or raise the server's max_connections", f.Connections.Limit, db.Limit, db.Where)
	}
}

func stop(f Facts, o *Forecast) {
	takes := f.LameDuck + f.GracefulTimeout + stopMargin
	text := fmt.Sprintf("stop: up to %s (%s lame duck + %s to drain + %s)", takes, f.LameDuck, f.GracefulTimeout, stopMargin)
	if f.Unit == "" || f.StopTimeout == 0 {
		o.line("%s: TimeoutStopSec=, or a pod's grace period, must not be less", text)
		return
	}
	o.line("%s; %s gives it %s", text, f.Unit, f.StopTimeout)
	if f.StopTimeout < takes {
		o.warn("a stop takes up to %s, and %s kills everything after %s: TimeoutStopSec=%d, or a shorter --lame-duck or --graceful-timeout", takes, f.Unit, f.StopTimeout, int(takes.Seconds()+.5))
	}
}
