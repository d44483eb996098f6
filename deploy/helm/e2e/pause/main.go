// Command pause is the first process of each pod in the cluster test: it holds
// the pod's namespaces, reaps what is orphaned there, and ends on TERM. The
// usual image for this is in a registry; the test uses none.
package main

import (
	"os"
	"os/signal"
	"syscall"
)

func main() {
	told := make(chan os.Signal, 8)
	signal.Notify(told, syscall.SIGTERM, syscall.SIGINT, syscall.SIGCHLD)
	for sig := range told {
		if sig != syscall.SIGCHLD {
			return
		}
		for reaped := 1; reaped > 0; {
			reaped, _ = syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
		}
	}
}
