// Command tandemvet finds mistakes of mixing sync and async code before the
// program runs. The rules are those of package tandemvet.
//
//	tandemvet ./...             look at packages; flags and patterns are those of go vet
//	tandemvet help [RULE]       say what the rules are
//	go vet -vettool=$(which tandemvet) ./...
//
// It exits with 1 if there are findings.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/unitchecker"

	"github.com/tandem-go/tandem/tandemvet"
)

func main() {
	var options tandemvet.Options
	rules := tandemvet.Analyzers(&options)
	if asTool(os.Args[1:]) {
		flag.BoolVar(&options.Tests, "tests", false, "report in test files too")
		flag.BoolVar(&options.Generated, "generated", false, "report in generated files too")
		unitchecker.Main(rules...) // does not return
	}
	os.Exit(run(rules, os.Args[1:], os.Stdout, os.Stderr))
}

// asTool says whether the go command is asking: for the version, for the flags,
// or to look at one package.
func asTool(args []string) bool {
	if len(args) == 0 {
		return false
	}
	last := args[len(args)-1]
	return last == "-V=full" || last == "-flags" || strings.HasSuffix(last, ".cfg")
}

// run returns the exit code: 0 nothing found, 1 findings or a failure, 2 usage.
func run(rules []*analysis.Analyzer, args []string, stdout, stderr io.Writer) int {
	if len(args) == 0 {
		writeUsage(stderr, rules)
		return 2
	}
	switch args[0] {
	case "help", "-h", "-help", "--help":
		if len(args) == 1 {
			writeUsage(stdout, rules)
			return 0
		}
		for _, r := range rules {
			if r.Name == args[1] {
				fmt.Fprintf(stdout, "%s: %s\n\n%s\n", r.Name, r.Doc, r.URL)
				return 0
			}
		}
		fmt.Fprintf(stderr, "tandemvet: no rule %q; tandemvet help lists them\n", args[1])
		return 2
	}
	// go vet knows the packages, hands facts from one to the next and keeps what
	// it has found out, so that only what has changed is looked at again.
	self, err := os.Executable()
	if err != nil {
		fmt.Fprintf(stderr, "tandemvet: find this program, for go vet to run: %v\n", err)
		return 1
	}
	vet := exec.Command("go", append([]string{"vet", "-vettool=" + self}, args...)...)
	vet.Stdout, vet.Stderr = stdout, stderr
	err = vet.Run()
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
		fmt.Fprintf(stderr, "tandemvet: run go vet: %v\n", err)
		return 1
	}
	return vet.ProcessState.ExitCode()
}

func writeUsage(w io.Writer, rules []*analysis.Analyzer) {
	fmt.Fprint(w, `tandemvet finds mistakes of mixing sync and async code.

  tandemvet [flags] ./...     look at packages
  tandemvet help RULE         say more of a rule
  go vet -vettool=$(which tandemvet) [flags] ./...

Flags are those of go vet, and:

  -tests        report in test files too
  -generated    report in generated files too
  -RULE         only this rule; -RULE=false: all but it

Rules:

`)
	for _, r := range rules {
		short, _, _ := strings.Cut(r.Doc, "\n")
		fmt.Fprintf(w, "  %-13s %s\n", r.Name, short)
	}
}
