package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// CommandError says that the worker's executable is missing
// (errors.Is fs.ErrNotExist) or cannot be executed (errors.Is fs.ErrPermission).
// The supervisor exits with 4 for it, check with 2.
type CommandError struct {
	Command string // as it was given; "app" without one
	text    string
	cause   error
}

func (e *CommandError) Error() string { return e.text }

// Unwrap gives fs.ErrNotExist or fs.ErrPermission.
func (e *CommandError) Unwrap() error { return e.cause }

// asInvoked is the path by which this program was started, made absolute before
// anybody changes the directory; "" when the shell found it on PATH.
var asInvoked = func() string {
	if !strings.Contains(os.Args[0], "/") {
		return ""
	}
	path, err := filepath.Abs(os.Args[0])
	if err != nil {
		return ""
	}
	return path
}()

// ResolveCommand finds the worker's executable: an absolute path to it, symbolic
// links not resolved, and its argv. Without a command that is app: the one beside
// this program's own executable, else the one on PATH. "Beside" is tried first
// with the path by which this program was started, so that a link to the current
// release is followed anew at each reload. A command with a slash is relative to
// chdir, or to the working directory when chdir is "". Its error is a
// [*CommandError].
func ResolveCommand(command []string, chdir string) (path string, argv []string, err error) {
	if len(command) == 0 {
		path, err := findApp()
		return path, []string{path}, err
	}
	name := command[0]
	if !strings.Contains(name, "/") {
		path, err = onPath(name, "put it on PATH, or give its path")
		return path, command, err
	}
	path = name
	if !filepath.IsAbs(path) {
		if path, err = filepath.Abs(filepath.Join(chdir, name)); err != nil {
			return "", nil, fmt.Errorf("make the path of worker command %q absolute: %w", name, err)
		}
	}
	if err := executable(path); err != nil {
		return "", nil, commandError(name, path, err)
	}
	return path, command, nil
}

// CommandPlaces lists where [ResolveCommand] looks for the worker's executable, in
// its order and down to the first that can be executed: a change at one of them
// may change what it finds. The paths are absolute, and nothing need be there.
func CommandPlaces(command []string, chdir string) []string {
	var places []string
	switch {
	case len(command) == 0:
		places = append(besideUs(), pathPlaces("app")...)
	case !strings.Contains(command[0], "/"):
		places = pathPlaces(command[0])
	case filepath.IsAbs(command[0]):
		return []string{command[0]}
	default:
		path, err := filepath.Abs(filepath.Join(chdir, command[0]))
		if err != nil {
			return nil
		}
		return []string{path}
	}
	for i, path := range places {
		if executable(path) == nil {
			return places[:i+1]
		}
	}
	return places
}

// besideUs lists where app is looked for first.
func besideUs() []string {
	var places []string
	if asInvoked != "" {
		places = append(places, filepath.Join(filepath.Dir(asInvoked), "app"))
	}
	if exe, err := os.Executable(); err == nil {
		places = append(places, filepath.Join(filepath.Dir(exe), "app"))
	}
	return places
}

// pathPlaces lists where a shell would look for a name, but for the working
// directory.
func pathPlaces(name string) []string {
	var places []string
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		if filepath.IsAbs(dir) {
			places = append(places, filepath.Join(dir, name))
		}
	}
	return places
}

func findApp() (string, error) {
	for _, path := range besideUs() {
		switch err := executable(path); {
		case err == nil:
			return path, nil
		case !errors.Is(err, fs.ErrNotExist):
			return "", commandError("app", path, err)
		}
	}
	return onPath("app", "it is neither beside the supervisor nor on PATH; name another command after --")
}

// onPath looks a name up as a shell would, but never in the working directory.
func onPath(name, remedy string) (string, error) {
	var found error
	for _, path := range pathPlaces(name) {
		if _, err := os.Stat(path); err != nil {
			continue // also when the directory is closed to us: whether it is there is not known
		}
		err := executable(path)
		if err == nil {
			return path, nil
		}
		if found == nil {
			found = commandError(name, path, err)
		}
	}
	if found != nil {
		return "", found
	}
	return "", &CommandError{Command: name, cause: fs.ErrNotExist, text: fmt.Sprintf("worker command %q was not found: %s", name, remedy)}
}

// executable gives nil, fs.ErrNotExist, or an error that wraps fs.ErrPermission.
func executable(path string) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ENOTDIR):
		return fs.ErrNotExist
	case err != nil:
		return fmt.Errorf("%w: %w", fs.ErrPermission, errors.Unwrap(err))
	case info.IsDir():
		return fmt.Errorf("%w: it is a directory", fs.ErrPermission)
	case !info.Mode().IsRegular():
		return fmt.Errorf("%w: it is not a regular file", fs.ErrPermission)
	}
	if err := unix.Access(path, unix.X_OK); err != nil {
		return fmt.Errorf("%w: mode %s; chmod +x it", fs.ErrPermission, info.Mode())
	}
	return nil
}

func commandError(name, path string, err error) error {
	e := &CommandError{Command: name}
	if errors.Is(err, fs.ErrNotExist) {
		e.cause = fs.ErrNotExist
		e.text = fmt.Sprintf("worker command %q does not exist: no file %s", name, path)
		return e
	}
	e.cause = fs.ErrPermission
	e.text = fmt.Sprintf("worker command %q cannot be executed: %s: %s", name, path, strings.TrimPrefix(err.Error(), fs.ErrPermission.Error()+": "))
	return e
}
