package logpipe

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// writeSize is about how much is written at once.
const writeSize = 128 << 10

// sink is one place that records are written to. Only the writer uses it, but
// for interrupt, which like all that changes w needs Fanin.mu.
type sink struct {
	name   string
	format Format
	w      io.Writer

	failure error  // of the last write; nil: it works
	missing uint64 // lines lost since it failed
	rest    []byte // of a line that a failed write has cut: to be written first

	owned bool     // it is ours to close
	next  *os.File // the file opened anew, to be swapped in by the writer

	interrupted atomic.Bool
	held        atomic.Bool // a write that was ended by its deadline goes on later
}

// outcome is what one write came to.
type outcome struct {
	lost      uint64  // lines of this write
	failed    error   // it has just begun to fail
	recovered error   // it works again; why it had failed
	missing   uint64  // lines lost in the time between
	stopped   *[]byte // hold has ended it: the whole lines that are not written
}

func newSink(name string, w io.Writer, f Format) *sink {
	if f == Auto {
		f = JSON
		if isTerminal(w) {
			f = Text
		}
	}
	return &sink{name: name, w: w, format: f}
}

// openFile never waits: without O_NONBLOCK, opening a named pipe would, for a
// reader. On a file the flag means nothing.
func openFile(name string) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_APPEND|os.O_CREATE|unix.O_NONBLOCK, 0o640)
	if errors.Is(err, unix.ENXIO) {
		return nil, fmt.Errorf("open the log file: %w; it is a socket, or a pipe that nobody reads", err)
	}
	if err != nil {
		return nil, fmt.Errorf("open the log file: %w", err)
	}
	return f, nil
}

// write writes whole lines. If it fails in the middle of one, the rest of that
// one is kept and comes before all else next time, so that no line is torn.
func (s *sink) write(lines []byte) outcome {
	n, err := 0, error(nil)
	if len(s.rest) > 0 {
		n, err = s.writeAll(s.rest)
		s.rest = s.rest[n:]
		n = 0
	}
	if err == nil {
		n, err = s.writeAll(lines)
	}
	var o outcome
	if err == nil {
		if s.failure != nil {
			o = outcome{recovered: s.failure, missing: s.missing}
			s.failure, s.missing = nil, 0
		}
		return o
	}
	left := lines[n:]
	if n > 0 && lines[n-1] != '\n' {
		end := bytes.IndexByte(left, '\n') + 1
		s.rest = bytes.Clone(left[:end])
		left = left[end:]
	}
	if s.held.Load() && errors.Is(err, os.ErrDeadlineExceeded) {
		o.stopped = &left
		return o
	}
	o.lost = countLines(left)
	s.missing += o.lost
	if s.failure == nil {
		o.failed = err
	}
	s.failure = err
	return o
}

// writeAll is w.Write, and waits where another process has made our blocking
// stdout a non-blocking one behind our back.
func (s *sink) writeAll(b []byte) (n int, err error) {
	for {
		m, err := s.w.Write(b[n:])
		n += m
		if err == nil && n < len(b) {
			err = io.ErrShortWrite
		}
		if errors.Is(err, unix.EAGAIN) && s.held.Load() {
			return n, os.ErrDeadlineExceeded
		}
		if !errors.Is(err, unix.EAGAIN) || s.interrupted.Load() || !waitWritable(s.w) {
			return n, err
		}
	}
}

// waitWritable waits for room, but not for ever, so that it can be interrupted.
func waitWritable(w io.Writer) bool {
	c, ok := w.(syscall.Conn)
	if !ok {
		return false
	}
	rc, err := c.SyscallConn()
	if err != nil {
		return false
	}
	err = rc.Control(func(fd uintptr) {
		_, _ = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}, 1000)
	})
	return err == nil
}

// interrupt ends a write that waits, if the kind of sink has a way to.
func (s *sink) interrupt() {
	s.interrupted.Store(true)
	s.deadline(time.Unix(1, 0))
}

func (s *sink) deadline(t time.Time) {
	if d, ok := s.w.(interface{ SetWriteDeadline(t time.Time) error }); ok {
		_ = d.SetWriteDeadline(t)
	}
}

// replace closes the file and goes on with another; it gives the number of
// lines that are lost by that.
func (s *sink) replace(f *os.File) uint64 {
	s.close()
	s.w = f
	lost := countLines(s.rest)
	s.missing += lost
	s.rest = nil
	return lost
}

// end is the writer's last word.
func (s *sink) end() {
	s.deadline(time.Time{}) // abort may have set one
	if s.owned {
		s.close()
	}
}

// sameFile tells whether two writers end in one file, pipe, socket or terminal.
func sameFile(a, b io.Writer) bool {
	x, ok1 := identity(a)
	y, ok2 := identity(b)
	if ok1 && ok2 {
		return x == y
	}
	return ok1 == ok2 && reflect.TypeOf(a).Comparable() && a == b
}

// identity is what tells files apart.
func identity(w io.Writer) (id [2]uint64, ok bool) {
	f, ok := w.(*os.File)
	if !ok {
		return id, false
	}
	rc, err := f.SyscallConn()
	if err != nil {
		return id, false
	}
	var st unix.Stat_t
	if e := rc.Control(func(fd uintptr) { err = unix.Fstat(int(fd), &st) }); e != nil || err != nil {
		return id, false
	}
	return [2]uint64{uint64(st.Dev), st.Ino}, true
}

func (s *sink) close() {
	if c, ok := s.w.(io.Closer); ok {
		_ = c.Close() // written without buffers: nothing can be lost by now
	}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	rc, err := f.SyscallConn()
	if err != nil {
		return false
	}
	terminal := false
	err = rc.Control(func(fd uintptr) {
		_, err := unix.IoctlGetTermios(int(fd), unix.TCGETS)
		terminal = err == nil
	})
	return err == nil && terminal
}

// wholeLines gives the lines at the beginning of b that fit in size, or the
// first one if that does not.
func wholeLines(b []byte, size int) []byte {
	if len(b) <= size {
		return b
	}
	if i := bytes.LastIndexByte(b[:size], '\n'); i >= 0 {
		return b[:i+1]
	}
	return b[:size+bytes.IndexByte(b[size:], '\n')+1]
}

func countLines(b []byte) uint64 { return uint64(bytes.Count(b, []byte{'\n'})) }
