// Package process starts worker processes, signals them and learns how they
// ended.
//
// Invariant: from the moment [Start] returns until [Process.Wait] has returned,
// the pid cannot belong to anybody else, because nobody but Wait reaps it; and
// no signal is ever sent by pid, only through the process's pidfd, or to its
// process group while its leader is not reaped.
//
// The smallest use:
//
//	func main() {
//		process.Shim() // returns at once unless this is the shim of a worker
//		os.Exit(process.RunMain(func() int {
//			exe, err := process.Open("/usr/bin/app")
//			// ...
//			p, err := process.Start(process.Spec{Exe: exe, Args: []string{"app"}, Env: env, Stdout: w, Stderr: w, Channel: -1})
//			// ...
//			fmt.Println(p.Wait())
//			return 0
//		}))
//	}
//
// A worker is not executed directly. The supervisor first executes itself
// (/proc/self/exe, so that it is this very version whatever has been installed
// since) as a shim, which does what cannot be done between Go's fork and exec:
// it learns its own pid for LISTEN_PID, sets umask, timer slack, working directory, signal
// mask and the signal that the parent's death sends, and only then becomes the
// worker. A failed exec comes back through a close-on-exec pipe, so it is told apart from
// a worker that ran and failed.
package process
