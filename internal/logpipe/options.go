package logpipe

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"
)

// Format is how records are written.
type Format uint8

// The formats.
const (
	Auto Format = iota // Journal if stderr is its, Text on a terminal, else JSON; for stdout and stderr each
	Text
	JSON
	Journal // the journal's native fields; it takes both streams
)

// ParseFormat reads the value of --log-format.
func ParseFormat(s string) (Format, error) {
	switch s {
	case "auto":
		return Auto, nil
	case "text":
		return Text, nil
	case "json":
		return JSON, nil
	case "journal":
		return Journal, nil
	}
	return Auto, fmt.Errorf("invalid log format %q; use auto, text, json or journal", s)
}

// String gives the value that ParseFormat reads.
func (f Format) String() string { return [...]string{"auto", "text", "json", "journal"}[f] }

// Overflow is what to do when the sink is slower than the workers and the
// buffer is full.
type Overflow uint8

// The ways to overflow.
const (
	Drop  Overflow = iota // count the lines, and say how many
	Block                 // hold the workers back
)

// ParseOverflow reads the value of --log-overflow.
func ParseOverflow(s string) (Overflow, error) {
	switch s {
	case "drop":
		return Drop, nil
	case "block":
		return Block, nil
	}
	return Drop, fmt.Errorf("invalid log overflow %q; use drop or block", s)
}

// String gives the value that ParseOverflow reads.
func (o Overflow) String() string { return [...]string{"drop", "block"}[o] }

// Options of a Fanin. The zero value is usable.
type Options struct {
	// Stdout takes the workers' stdout, Stderr their stderr and the
	// supervisor's own records. Only the Fanin may write to them until it is
	// closed; it does not close them. Nil: os.Stdout and os.Stderr.
	Stdout, Stderr io.Writer
	// File, if not empty, takes everything instead. It is appended to, and made
	// with mode 0640 less the umask. That it cannot be written any more is said
	// on Stderr, in one line.
	File     string
	Format   Format
	Overflow Overflow
	// JournalStream is $JOURNAL_STREAM, by which Auto knows the journal, and
	// JournalSocket where it listens; empty: where systemd's does.
	JournalStream, JournalSocket string
	// BufferBytes bounds what waits for the sinks, in formatted bytes. One
	// batch of a stream is let in whole, so it may be exceeded by as much.
	// 0: 4 MiB.
	BufferBytes int
	// Level is the least level of the supervisor's own records; a
	// *slog.LevelVar changes it later. Nil: info.
	Level slog.Leveler
	// Now is the clock. Nil: time.Now. Text shows its location, JSON is in UTC.
	Now func() time.Time

	opened *os.File // File as it was taken over; nil: it is to be opened
	taken  *State
}

// Stream is one of a worker's two outputs.
type Stream uint8

// The streams.
const (
	Stdout Stream = iota
	Stderr
)

// String is the stream's name in JSON.
func (s Stream) String() string { return [...]string{"stdout", "stderr"}[s] }

// Source is the worker that a pipe comes from.
type Source struct {
	Worker     uint64
	PID        int
	Generation int

	// Crash is given each line of a dump with which a dying Go program ends, as
	// its stderr is read and before Done is closed; nil: nobody is.
	Crash CrashTap `json:"-"`
}

// CrashTap takes a goroutine dump line by line. Begin comes first, and again if
// another dump begins. It is called by the reader of one pipe and must neither
// wait nor keep the line.
type CrashTap interface {
	Begin()
	Line(line []byte)
}

// Stats are totals since New.
type Stats struct {
	Lines   uint64 // records of workers that were read; a panic is one
	Dropped uint64 // records that found the buffer full (Drop), the supervisor's own included
	Lost    uint64 // lines that a sink did not take
}

// LostError says that Close could not write everything.
type LostError struct {
	Lines uint64 // how many
	Err   error  // why the waiting ended
}

func (e *LostError) Error() string {
	return fmt.Sprintf("flush the log: %d lines were not written: %v", e.Lines, e.Err)
}

// Unwrap gives the cause.
func (e *LostError) Unwrap() error { return e.Err }
