package scaffold

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"
)

// CheckDir says what keeps the application from being made in a.Dir: something that lies there, or no directory for it to lie in.
func (a App) CheckDir() error {
	_, err := empty(a.Dir)
	return err
}

// Write makes the application in a.Dir, which is not there, or is there and empty. The directory that it is to lie in
// must be there. finish is called with the directory in which the files lie meanwhile, and may add to them. When it or
// anything else fails, or ctx ends, nothing is left behind.
func (a App) Write(ctx context.Context, finish func(ctx context.Context, dir string) error) (err error) {
	files, err := a.files()
	if err != nil {
		return err
	}
	if a.Origin.Source != "" {
		// The sums of what it is built with: the go command need not ask for them elsewhere.
		if files["go.sum"], err = os.ReadFile(filepath.Join(a.Origin.Source, "go.sum")); err != nil {
			return fmt.Errorf("read the sums of the source: %w", err)
		}
	}
	there, err := empty(a.Dir)
	if err != nil {
		return err
	}
	// In the directory where it is there: the one around it may be another's.
	beside := filepath.Dir(a.Dir)
	if there {
		beside = a.Dir
	}
	dir, err := os.MkdirTemp(beside, ".supervisor-new-")
	if err != nil {
		if path, ok := errors.AsType[*fs.PathError](err); ok {
			err = path.Err // of a name that nobody has asked for
		}
		return fmt.Errorf("make %s: nothing can be made in %s: %w", a.Dir, beside, err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := os.WriteFile(filepath.Join(dir, name), files[name], 0o666); err != nil {
			return fmt.Errorf("make %s: %w", a.Dir, err)
		}
	}
	if err := finish(ctx, dir); err != nil {
		return err
	}
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if there {
		return moveUp(dir, a.Dir)
	}
	// MkdirTemp's are private; this one is to be as any other that the user makes.
	if err := os.Chmod(dir, 0o777&^umask()); err != nil {
		return err
	}
	// One that is empty is replaced, which is as good; one that is not makes it fail.
	if err := os.Rename(dir, a.Dir); err != nil {
		return fmt.Errorf("make %s: %w", a.Dir, err)
	}
	return nil
}

// empty says whether there is a directory, which must be empty then.
func empty(dir string) (there bool, err error) {
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if _, err := os.Stat(filepath.Dir(dir)); err != nil {
			return false, fmt.Errorf("%s: the directory that it is to lie in is not there", dir)
		}
		return false, nil
	case errors.Is(err, syscall.ENOTDIR):
		return false, fmt.Errorf("%s is no directory", dir)
	case err != nil:
		return false, fmt.Errorf("look into %s: %w", dir, err)
	case len(entries) > 0:
		return false, fmt.Errorf("%s is not empty, it has %s; name a directory that is, or a new one", dir, entries[0].Name())
	}
	return true, nil
}

// moveUp moves what is in dir into the directory that dir lies in, whole or not at all.
func moveUp(dir, to string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for i, e := range entries {
		target := filepath.Join(to, e.Name())
		_, err := os.Lstat(target) // somebody may have made it meanwhile
		switch {
		case err == nil:
			err = fs.ErrExist
		case errors.Is(err, fs.ErrNotExist):
			err = os.Rename(filepath.Join(dir, e.Name()), target)
		}
		if err == nil {
			continue
		}
		for _, moved := range entries[:i] {
			err = errors.Join(err, os.Remove(filepath.Join(to, moved.Name())))
		}
		return fmt.Errorf("make %s: %w", target, err)
	}
	return nil
}

// umask is the process's, which can only be read by setting it.
func umask() os.FileMode {
	mask := syscall.Umask(0o077)
	syscall.Umask(mask)
	return os.FileMode(mask)
}

// askTime bounds what the go command may take. It may have to download a hundred modules.
const askTime = 10 * time.Minute

// Complete completes go.mod and makes go.sum, by the go command, which downloads the modules that are not there: those that
// it takes to build and test the application and its tools. go mod tidy would ask for what the tests of others need, too.
func Complete(ctx context.Context, dir string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, askTime, fmt.Errorf("the go command took more than %v for the modules", askTime))
	defer cancel()
	goCommand, err := exec.LookPath("go")
	if err != nil {
		return fmt.Errorf("the go command is not on the PATH; the application is built with Go %s or newer", Go)
	}
	cmd := exec.CommandContext(ctx, goCommand, "list", "-mod=mod", "-deps", "-test", "./...", "tool")
	cmd.Dir = dir
	// No workspace has this directory, which has another name in a moment; in one the go command would refuse it.
	cmd.Env = append(os.Environ(), "PWD="+dir, "GOWORK=off")
	cmd.WaitDelay = time.Second
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	var out bytes.Buffer
	cmd.Stderr = &out
	err = cmd.Run()
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		return fmt.Errorf("go list: %s", said(out.String(), err))
	}
	return nil
}

// said is what the go command says of its failure, in one line: of the first thing that it names, what is at its end, where
// the reason is. Who imports whom on the way there is left out.
func said(output string, failed error) string {
	var first, last string
	for line := range strings.Lines(output) {
		switch text, indented := strings.TrimSpace(line), strings.HasPrefix(line, "\t"); {
		case text == "" || !indented && regexp.MustCompile(`^go: (downloading|finding|found) `).MatchString(text):
		case first == "":
			first = strings.TrimPrefix(text, "go: ")
			last = first
		case indented:
			last = text
		default:
			return ending(first, last)
		}
	}
	if first == "" {
		return failed.Error()
	}
	return ending(first, last)
}

func ending(first, last string) string {
	if first == last {
		return first
	}
	return first + " … " + last
}
