package main

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// ledger is the workers' side of the account: which requests began in a handler,
// and which process holds which connection.
type ledger struct {
	path    string
	conn    *net.UnixConn
	settled chan struct{} // gets one when all that was sent before settle has been read

	mu      sync.Mutex
	began   map[string]int
	holders map[string][]holding // by the client's address, which the system gives again to a later connection
	dead    map[int]bool         // killed by a fault
	deaths  []time.Time          // when those were
}

// holding is that a process holds a connection from a time on.
type holding struct {
	pid  int
	from time.Time
}

const settleWord = "settle"

func openLedger(dir string) (*ledger, error) {
	l := &ledger{
		path: filepath.Join(dir, "ledger"), settled: make(chan struct{}, 1),
		began: map[string]int{}, holders: map[string][]holding{}, dead: map[int]bool{},
	}
	var err error
	if l.conn, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: l.path, Net: "unixgram"}); err != nil {
		return nil, err
	}
	go l.read()
	return l, nil
}

func (l *ledger) read() {
	b := make([]byte, 4096)
	for {
		n, err := l.conn.Read(b)
		if errors.Is(err, net.ErrClosed) || errors.Is(err, os.ErrClosed) {
			return
		}
		if string(b[:n]) == settleWord {
			l.settled <- struct{}{}
			continue
		}
		f := strings.Fields(string(b[:n]))
		if err != nil || len(f) != 3 {
			continue
		}
		pid, _ := strconv.Atoi(f[1])
		l.mu.Lock()
		switch f[0] {
		case "began":
			l.began[f[2]]++
		case "holds":
			l.holders[f[2]] = append(l.holders[f[2]], holding{pid, time.Now()})
		case "dies":
			l.dead[pid] = true
			l.deaths = append(l.deaths, time.Now())
		}
		l.mu.Unlock()
	}
}

func (l *ledger) dial() (net.Conn, error) { return net.Dial("unixgram", l.path) }

// settle waits until everything that the workers have said so far is in the books.
func (l *ledger) settle() error {
	c, err := l.dial()
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := c.Write([]byte(settleWord)); err != nil {
		return err
	}
	<-l.settled
	return nil
}

// killed notes that a fault ended these processes.
func (l *ledger) killed(pids ...int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, pid := range pids {
		l.dead[pid] = true
		l.deaths = append(l.deaths, time.Now())
	}
}

// excused says whether the connection with that client address was held by a
// process that a fault ended. One that nobody ever said to hold was accepted by a
// process in the instant of its death, if it was lost when one died.
func (l *ledger) excused(lost loss) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if pid := l.heldBy(lost.client, lost.at); pid != 0 || lost.client == "" {
		return l.dead[pid]
	}
	return slices.ContainsFunc(l.deaths, func(at time.Time) bool { return at.Sub(lost.at).Abs() < instant })
}

// instant is how far apart the death of a process and the loss of what it held
// are noticed.
const instant = time.Second

// holder is the process that held the client's connection at the time, 0 if none
// had said so.
func (l *ledger) holder(client string, at time.Time) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.heldBy(client, at)
}

func (l *ledger) heldBy(client string, at time.Time) (pid int) {
	for _, h := range l.holders[client] {
		if !h.from.After(at) {
			pid = h.pid
		}
	}
	return pid
}

// twice is how many requests began more than once.
func (l *ledger) twice() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, times := range l.began {
		if times > 1 {
			n++
		}
	}
	return n
}

func (l *ledger) close() { _ = l.conn.Close() }
