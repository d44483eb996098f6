package process

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
)

// Standstill is why a process does not run though it could.
type Standstill uint8

// The kinds of standstill.
const (
	Running Standstill = iota // or sleeping, or ending: what processes do
	Stopped                   // by SIGSTOP or job control, until SIGCONT
	Traced                    // held by a tracer: at a breakpoint, or for a moment at a system call
)

// Standstill looks whether the process is held up by a signal or a tracer. After
// its end it is Running, and the error os.ErrProcessDone. It does not block.
//
// It looks, instead of being told, because nobody tells: a pidfd is not readable
// when a process stops, SIGCHLD and waitid say nothing of a child that somebody
// else traces.
func (p *Process) Standstill() (Standstill, error) {
	var stat []byte
	looked := false
	err := control(p.pidfd, func(int) (err error) {
		looked = true
		stat, err = os.ReadFile("/proc/" + strconv.Itoa(p.pid) + "/stat")
		return err
	})
	switch {
	case !looked, errors.Is(err, os.ErrNotExist):
		return Running, os.ErrProcessDone
	case err != nil:
		return Running, fmt.Errorf("look whether pid %d is stopped: %w", p.pid, err)
	}
	return standstill(stat)
}

// standstill reads the state from a line of /proc/PID/stat: the letter behind the
// name in parentheses, which may hold anything, parentheses too.
func standstill(stat []byte) (Standstill, error) {
	i := bytes.LastIndexByte(stat, ')')
	if i < 0 || len(stat) < i+3 {
		return Running, fmt.Errorf("/proc/PID/stat reads %.80q", stat)
	}
	switch stat[i+2] {
	case 'T':
		return Stopped, nil
	case 't':
		return Traced, nil
	}
	return Running, nil
}
