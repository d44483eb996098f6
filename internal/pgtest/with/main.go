// Command with runs another command with a PostgreSQL server that ends with it, and tells it a database's URL in a
// variable of its environment. It is for the tests of modules that are not this one, which cannot have
// package pgtest:
//
//	go run ./internal/pgtest/with TEST_DATABASE_URL go test ./...
//
// It ends with the command's exit code. Where PostgreSQL is not installed the command runs without the variable, but in
// CI (the variable CI is set) that is a failure, as it is for package pgtest.
package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"

	"github.com/tandem-go/tandem/internal/pgtest"
)

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: with VARIABLE COMMAND [ARG...]")
		os.Exit(2)
	}
	err := run(os.Args[1], os.Args[2:])
	if ended, ok := errors.AsType[*exec.ExitError](err); ok {
		os.Exit(max(1, ended.ExitCode())) // -1 for one that a signal has ended
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "with:", err)
		os.Exit(1)
	}
}

func run(variable string, command []string) (err error) {
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = os.Environ()
	cluster, err := pgtest.New()
	switch {
	case errors.Is(err, pgtest.ErrMissing) && os.Getenv("CI") == "":
		fmt.Fprintf(os.Stderr, "with: %v: %s is not set\n", err, variable)
	case err != nil:
		return err
	default:
		defer func() { err = errors.Join(err, cluster.Close()) }()
		_, url, err := cluster.Create()
		if err != nil {
			return err
		}
		cmd.Env = append(cmd.Env, variable+"="+url)
	}
	return cmd.Run()
}
