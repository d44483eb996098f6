package worker

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/tandem-go/tandem/bridge"
	"github.com/tandem-go/tandem/internal/channel"
)

// share is this process's part of the machine, as the supervisor last said it.
type share struct {
	cpus   int
	memory int64 // bytes
}

// atStart is what the environment said, taken before main can change it.
var atStart = share{cpus: runtime.GOMAXPROCS(0), memory: debug.SetMemoryLimit(-1)}

// connections is this process's part of the connections to a database, and who
// follows it.
type connections struct {
	mu        sync.Mutex // held while followers are told: one call at a time
	n         atomic.Int64
	followers map[*func(int)]struct{}
}

// database is the process's, as the environment said it until Run says more.
var database = &connections{followers: map[*func(int)]struct{}{}}

// connectionsVariable is how the supervisor says the part that a process begins
// with.
const connectionsVariable = "TANDEM_DB_CONNECTIONS"

func startingConnections() (int, error) {
	text := os.Getenv(connectionsVariable)
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("%s=%q is not a number of connections from 1 up", connectionsVariable, text)
	}
	return int(n), nil
}

// DatabaseConnections is how many connections to its database this process may
// hold now, all its pools together: its part of the supervisor's
// --db-connections. It is 0 where nobody says, and more than 0 everywhere else.
// It is known from init on.
func DatabaseConnections() int { return int(database.n.Load()) }

// OnDatabaseConnections calls set with the number of [DatabaseConnections], now
// and whenever the supervisor says another; it is what keeps a pool's size right:
//
//	stop := worker.OnDatabaseConnections(db.SetMaxOpenConns)
//
// Where nobody says a number set is not called. Calls come one at a time, also
// those of several functions, the last with the number of now. A smaller number
// is told before a sibling gets what is given up, so set should not wait. It must
// not call this function or stop. After stop has returned set is not called any
// more.
func OnDatabaseConnections(set func(n int)) (stop func()) { return database.follow(set) }

func (c *connections) follow(set func(n int)) (stop func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := &set
	c.followers[key] = struct{}{}
	if n := c.n.Load(); n > 0 {
		set(int(n))
	}
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.followers, key)
	}
}

func (c *connections) become(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n <= 0 || c.n.Swap(int64(n)) == int64(n) {
		return
	}
	for set := range c.followers {
		(*set)(n)
	}
}

// become takes a new share in. What the program has set otherwise meanwhile is
// the program's decision, and stays. One goroutine at a time calls it.
func (s *share) become(log *slog.Logger, m channel.Message) {
	was := *s
	if m.CPUs > 0 && bridge.Share() == s.cpus {
		bridge.SetShare(m.CPUs)
		s.cpus = m.CPUs
	}
	if m.Memory > 0 && debug.SetMemoryLimit(-1) == s.memory {
		debug.SetMemoryLimit(m.Memory)
		s.memory = m.Memory
	}
	database.become(m.DatabaseConnections)
	level := slog.LevelDebug // a reload changes the connections several times
	if *s != was {
		level = slog.LevelInfo
	}
	log.Log(context.Background(), level, "another share", "cpus", s.cpus, "memory_bytes", s.memory, "db_connections", DatabaseConnections())
}
