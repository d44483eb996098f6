package view

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
)

// spoolMemory is how much of a body that is read ahead stays in memory, in bytes.
// Requests that wait for a permit have theirs all at once; the rest goes to disk.
const spoolMemory = 256 << 10

// errSpool marks failures of the disk: ours, not the client's.
var errSpool = errors.New("request body could not be stored")

// spool holds a body between its arrival and its reading.
type spool struct {
	memory bytes.Buffer
	file   *os.File // the rest; without a name
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
	f, err := os.CreateTemp("", "tandem-body-")
	if err != nil {
		return fmt.Errorf("%w: %w", errSpool, err)
	}
	s.file = f
	if err := os.Remove(f.Name()); err != nil {
		return fmt.Errorf("%w: %w", errSpool, err)
	}
	if _, err := io.Copy(disk{f}, io.MultiReader(bytes.NewReader(more[:]), body)); err != nil {
		return err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("%w: %w", errSpool, err)
	}
	return nil
}

// disk marks errors of writing, to tell them from those of reading the body.
type disk struct{ f *os.File }

func (d disk) Write(b []byte) (int, error) {
	n, err := d.f.Write(b)
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
	return s.file.Read(b)
}

// Close does nothing: the request drops it.
func (s *spool) Close() error { return nil }

// drop frees what the disk holds.
func (s *spool) drop() {
	if s.file != nil {
		_ = s.file.Close()
	}
}
