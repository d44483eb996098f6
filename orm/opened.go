package orm

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// opened is the file that was opened. SQLite goes on with it though its name is gone
// or is another file's by now: what is written then is nowhere once the last process
// has closed it, and processes that start later have another database. nil is none.
type opened struct {
	path string // absolute
	file fs.FileInfo
}

func remember(path string) (*opened, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	file, err := os.Stat(path)
	return &opened{path, file}, err
}

// there says whether the name is still the file's. It is asked before each statement
// and transaction, and costs a thousandth of a millisecond.
func (o *opened) there() error {
	if o == nil {
		return nil
	}
	now, err := os.Stat(o.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: %s was removed while it was open: put it back, or start anew", ErrUnavailable, o.path)
	case err == nil && !os.SameFile(o.file, now):
		return fmt.Errorf("%w: %s was replaced while it was open: put it back, or start anew", ErrUnavailable, o.path)
	}
	return nil // also where the process may not look any more: SQLite has it open
}
