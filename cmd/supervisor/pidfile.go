package main

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/tandem-go/tandem/internal/upgrade"
)

// pidFile is writePID, also in the place of another program: the file is right
// then, and what does not stand in the way of the service, a disk that is full by
// now, must not end it.
func pidFile(path string, taken *upgrade.Taken, log *slog.Logger) (remove func(), err error) {
	if taken == nil {
		return writePID(path)
	}
	if path == "" || isOurs(path) {
		return func() { removeOurs(path) }, nil
	}
	if remove, err = writePID(path); err != nil {
		log.Warn("the pid file was not there any more; it could not be written again", "error", err)
		return func() {}, nil
	}
	return remove, nil
}

// writePID writes the pid file, whole or not at all, and returns what removes
// it while it is still ours. One that names a running supervisor is not replaced.
func writePID(path string) (remove func(), err error) {
	if path == "" {
		return func() {}, nil
	}
	if pid, name := holder(path); pid != 0 {
		return nil, fmt.Errorf("pid file %s names process %d, which is a running %s: stop it, or give another --pid-file", path, pid, name)
	}
	temp, err := os.CreateTemp(filepath.Dir(path), ".supervisor-pid-*")
	if err != nil {
		return nil, fmt.Errorf("write pid file %s: %w", path, err)
	}
	_, err = temp.WriteString(ourPID())
	if err == nil {
		err = temp.Chmod(0o644)
	}
	if cerr := temp.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(temp.Name(), path)
	}
	if err != nil {
		_ = os.Remove(temp.Name())
		return nil, fmt.Errorf("write pid file %s: %w", path, err)
	}
	return func() { removeOurs(path) }, nil
}

func ourPID() string { return strconv.Itoa(os.Getpid()) + "\n" }

// isOurs says whether a pid file names us.
func isOurs(path string) bool {
	b, err := os.ReadFile(path)
	return err == nil && string(b) == ourPID()
}

func removeOurs(path string) {
	if isOurs(path) {
		_ = os.Remove(path)
	}
}

// holder is the process that a pid file names, if it runs the program that we
// run; a number that another program has by now is a stale one.
func holder(path string) (pid int, name string) {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, ""
	}
	pid, err = strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil || pid <= 0 || pid == os.Getpid() {
		return 0, ""
	}
	theirs, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	if err != nil {
		return 0, ""
	}
	ours, err := os.ReadFile("/proc/self/comm")
	if err != nil || string(ours) != string(theirs) {
		return 0, ""
	}
	return pid, strings.TrimSpace(string(theirs))
}
