package view

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
)

// spoolMemory is how much of a body that is kept stays in memory, in bytes.
// Requests that wait for a permit have theirs all at once; the rest goes to disk.
const spoolMemory = 256 << 10

// errSpool marks failures of the disk: ours, not the client's.
var errSpool = errors.New("body could not be stored")

// spool holds a request's body between its arrival and its reading, and that of a
// response between its making and its sending.
type spool struct {
	memory bytes.Buffer
	file   *os.File // the rest; without a name
	failed error    // of filling it, as an answer
	before *spool   // of an answer that was made before this one
}

// fill reads all of body.
func (s *spool) fill(body io.Reader) error {
	n, err := io.Copy(&s.memory, io.LimitReader(body, spoolMemory))
	if err != nil || n < spoolMemory {
		return err
	}
	var more [1]byte // a body of just that size needs no file
	if _, err := io.ReadFull(body, more[:]); err != nil {
		if errors.Is(err, io.EOF) {
			return nil
		}
		return err
	}
	if _, err := io.Copy(disk{s}, io.MultiReader(bytes.NewReader(more[:]), body)); err != nil {
		return err
	}
	return s.rewind()
}

// Write adds to the body: in memory as long as there is room.
func (s *spool) Write(b []byte) (int, error) {
	if s.file == nil && s.memory.Len()+len(b) <= spoolMemory {
		return s.memory.Write(b)
	}
	return disk{s}.Write(b)
}

// rewind makes what was written ready to be read.
func (s *spool) rewind() error {
	if s.file == nil {
		return nil
	}
	if _, err := s.file.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("%w: %w", errSpool, err)
	}
	return nil
}

// disk is the part of a spool that is a file without a name. Its errors are
// marked, to tell them from those of reading the body.
type disk struct{ *spool }

func (d disk) Write(b []byte) (int, error) {
	if d.file == nil {
		f, err := os.CreateTemp("", "tandem-body-")
		if err != nil {
			return 0, fmt.Errorf("%w: %w", errSpool, err)
		}
		d.file = f
		if err := os.Remove(f.Name()); err != nil {
			return 0, fmt.Errorf("%w: %w", errSpool, err)
		}
	}
	n, err := d.file.Write(b)
	if err != nil {
		err = fmt.Errorf("%w: %w", errSpool, err)
	}
	return n, err
}

// Read reads what was filled in.
func (s *spool) Read(b []byte) (int, error) {
	if n, err := s.memory.Read(b); err == nil || s.file == nil {
		return n, err
	}
	n, err := s.file.Read(b)
	if err != nil && err != io.EOF {
		err = fmt.Errorf("%w: %w", errSpool, err)
	}
	return n, err
}

// Close does nothing: the request drops it.
func (s *spool) Close() error { return nil }

// drop frees what the disk holds.
func (s *spool) drop() {
	if s.file != nil {
		_ = s.file.Close()
	}
}
