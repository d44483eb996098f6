package notify

import (
	"errors"
	"fmt"
	"os"
	"time"
)

// Barrier waits until the reader at addr has dealt with all that was sent to it
// before, at most for limit. Service managers that do not know it never answer.
func Barrier(addr string, limit time.Duration) error {
	if addr == "" {
		return nil
	}
	r, w, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("notify %s: %w", addr, err)
	}
	defer r.Close()
	rc, err := w.SyscallConn()
	if err == nil {
		var sent error
		err = rc.Control(func(fd uintptr) { sent = SendFDs(addr, "BARRIER=1", int(fd)) })
		err = errors.Join(err, sent)
	}
	w.Close() // the reader has the only copy now, and closes it
	if err != nil {
		return err
	}
	_ = r.SetReadDeadline(time.Now().Add(limit))
	if _, err := r.Read(make([]byte, 1)); errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("notify %s: what was sent is not dealt with after %v", addr, limit)
	}
	return nil
}
