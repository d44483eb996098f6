//go:build faults

package upgrade

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// fault does what the file that FAULT_FILE names asks for at this step, once:
// "STEP term|kill|kill:PID|crash|hang|fail". The build tag keeps it out of the product.
func fault(step string) { _ = faultError(step) }

func faultError(step string) error {
	path := os.Getenv("FAULT_FILE")
	text, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	at, what, _ := strings.Cut(strings.TrimSpace(string(text)), " ")
	if at != step {
		return nil
	}
	_ = os.Remove(path)
	switch what {
	case "term":
		_ = syscall.Kill(os.Getpid(), syscall.SIGTERM)
	case "kill":
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	case "crash":
		panic("a fault at " + step)
	case "hang":
		select {}
	case "fail":
		return errors.New("a fault at " + step)
	default:
		if pid, err := strconv.Atoi(strings.TrimPrefix(what, "kill:")); err == nil {
			_ = syscall.Kill(pid, syscall.SIGKILL)
			return nil
		}
		fmt.Fprintln(os.Stderr, "no such fault:", what)
		os.Exit(99)
	}
	return nil
}

// Fault is for the other packages.
func Fault(step string) error { return faultError(step) }
