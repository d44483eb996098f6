// Command supervisor starts worker processes, keeps them ready, reloads them
// without losing a request, and gathers their logs.
//
// See "supervisor help" for its flags and commands.
package main

import (
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"
	_ "time/tzdata" // for an image without files of time zones

	"github.com/tandem-go/tandem/internal/caught"
	"github.com/tandem-go/tandem/internal/cli"
	"github.com/tandem-go/tandem/internal/process"
	"github.com/tandem-go/tandem/internal/upgrade"
)

// The main goroutine stays on the main thread, which forks the workers: see
// process.RunMain.
func init() { runtime.LockOSThread() }

func main() {
	process.Shim()
	upgrade.CheckMain(parts(), cli.Version())
	// A panic, or the ABRT of a service manager's watchdog, ends in a signal: with
	// Go's exit status 2 it would look like a mistake in the configuration, after
	// which nobody restarts us.
	debug.SetTraceback("crash")
	// A reader of our output that has gone away must be an error of a write, not
	// our death. (Notify rather than Ignore: workers would inherit that.)
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	os.Exit(process.RunMain(func() int {
		if os.Getenv(caught.Variable) != "" {
			return takeOver()
		}
		return cli.Main(os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr, serve)
	}))
}
