// Package cli is the command line of supervisor. Its invariant: what the user
// asked for goes to stdout, everything else is one line on stderr, and the exit
// code says how it went (0 done, 1 failed, 2 usage or configuration, 5 nothing verified).
//
// The smallest use:
//
//	os.Exit(cli.Main(os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr, serve))
//
// where serve runs a supervisor with checked settings and gives its exit code.
package cli

import (
	"errors"
	"fmt"
	"io"

	"github.com/tandem-go/tandem/internal/config"
	"github.com/tandem-go/tandem/internal/printable"
	"github.com/tandem-go/tandem/internal/verify"
)

// The exit codes of the commands. A supervisor that runs has more.
const (
	exitOK       = 0
	exitFailure  = 1
	exitUsage    = 2
	exitUnjudged = 5 // of verify-reload: 3 and 4 are those of a supervisor that does not start
)

// Main runs what args (without the program's name) ask for and returns the exit
// code. Without a command it loads the settings and calls run. Of stdin only top
// reads, where that is a terminal.
func Main(args, environ []string, stdin io.Reader, stdout, stderr io.Writer, run func(*config.Loaded) int) int {
	p := &program{environ: environ, stdin: stdin, stdout: stdout, stderr: stderr}
	words, _, _, err := config.ParseFlags(args, topFlags(), true)
	switch {
	case errors.Is(err, config.ErrHelp):
		return p.print(Help())
	case errors.Is(err, errVersion):
		return p.print(versionLine())
	case err != nil:
		return p.fail("", err)
	case len(words) > 0:
		before := args[:len(args)-len(words)]
		return p.command(before, words[0], words[1:])
	}
	loaded, err := config.Load(args, environ)
	if err != nil {
		return p.fail("", err)
	}
	return run(loaded)
}

var errVersion = errors.New("version was asked for")

// topFlags are the flags that may stand before a command: the settings, whose
// values are looked at later.
func topFlags() []config.Flag {
	flags := []config.Flag{{Name: "version", Set: func(string) error { return errVersion }}}
	for _, s := range config.All() {
		flags = append(flags, config.Flag{Name: s.Name, Arg: s.Arg, Set: func(string) error { return nil }})
	}
	return flags
}

// program is one run of the program.
type program struct {
	environ        []string
	stdin          io.Reader
	stdout, stderr io.Writer
}

// command runs a command with the flags that stood before and after its name.
func (p *program) command(before []string, name string, after []string) int {
	c, ok := lookup(name)
	if !ok {
		hint := "a program to run as the worker comes after --: supervisor -- " + name
		if near := config.Nearest(name, commandNames()); near != "" {
			hint = "did you mean " + near + "? (" + hint + ")"
		}
		return p.fail("", usage("unknown command %q; %s", name, hint))
	}
	code, err := c.run(p, append(append([]string(nil), before...), after...))
	if errors.Is(err, config.ErrHelp) {
		return p.print(c.help())
	}
	if err != nil {
		return p.fail(name+": ", err)
	}
	return code
}

// usageError is a mistake in a command's arguments.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

func usage(format string, args ...any) error {
	return &usageError{fmt.Sprintf(format, args...)}
}

// fail prints err and gives the exit code for it.
func (p *program) fail(what string, err error) int {
	fmt.Fprintf(p.stderr, "supervisor: %s%s\n", what, printable.Line(err.Error()))
	var setting *config.UsageError
	var mine *usageError
	var command *config.CommandError
	if errors.As(err, &setting) || errors.As(err, &mine) || errors.As(err, &command) {
		return exitUsage
	}
	if _, ok := errors.AsType[*verify.UnjudgedError](err); ok {
		return exitUnjudged
	}
	return exitFailure
}

// print writes a command's answer. A reader that has gone away is a failure that
// a script can see, though nobody is left to be told.
func (p *program) print(text string) int {
	if _, err := io.WriteString(p.stdout, text); err != nil {
		return p.fail("", fmt.Errorf("write the answer: %w", err))
	}
	return exitOK
}
