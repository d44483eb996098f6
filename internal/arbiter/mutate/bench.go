package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

const (
	histories = 300              // of the simulation, against each mutant
	more      = 3000             // against one that nothing else kills, and against the meant ones
	patience  = 20               // seconds of CPU; a mutant that uses more loops, however busy the machine is
	overdue   = 10 * time.Minute // for one that waits, which nothing in the package does
)

// fate is what became of a mutant.
type fate struct {
	invalid bool           // it does not compile
	bites   map[string]int // histories of the simulation, by the invariant that broke first
	other   string         // what else killed it: a test, a panic, the time
}

func (f fate) killed() bool { return f.invalid || len(f.bites) > 0 || f.other != "" }

func (f fate) String() string {
	switch {
	case f.invalid:
		return "invalid"
	case len(f.bites) > 0:
		var names []string
		for _, i := range invariants {
			if f.bites[i.name] > 0 {
				names = append(names, i.name)
			}
		}
		return strings.Join(names, ",")
	case f.other != "":
		return f.other
	}
	return "SURVIVED"
}

// bench builds and tests mutants of the package in dir. Its methods may be
// called from several goroutines.
type bench struct {
	dir, temp string
	switched  string // the program with all switched mutants
	count     atomic.Int64
}

// prepare builds the program that the switched mutants share.
func (b *bench) prepare(ctx context.Context, sources map[string]string) error {
	place := filepath.Join(b.temp, "switched")
	if err := os.Mkdir(place, 0o700); err != nil {
		return err
	}
	replace, err := writeSwitched(b.dir, place, sources)
	if err != nil {
		return err
	}
	overlay, err := writeOverlay(place, replace)
	if err != nil {
		return err
	}
	b.switched = filepath.Join(place, "arbiter.test")
	return b.build(ctx, b.switched, "-overlay", overlay)
}

// build makes the test program.
func (b *bench) build(ctx context.Context, binary string, args ...string) error {
	args = append([]string{"test", "-c", "-vet=off", "-ldflags=-s", "-o", binary}, args...)
	cmd := exec.CommandContext(ctx, "go", append(args, ".")...)
	cmd.Dir = b.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}

// try builds a mutant, or the original if m is nil, and runs the simulation
// and, if that does not kill it, the other tests and more of the simulation.
func (b *bench) try(ctx context.Context, m *mutant) (f fate, err error) {
	binary := b.switched
	if m != nil && m.number == 0 {
		place := filepath.Join(b.temp, strconv.FormatInt(b.count.Add(1), 10))
		if err := os.Mkdir(place, 0o700); err != nil {
			return f, err
		}
		defer os.RemoveAll(place)
		source := filepath.Join(place, m.file)
		if err := os.WriteFile(source, m.source, 0o600); err != nil {
			return f, err
		}
		overlay, err := writeOverlay(place, map[string]string{filepath.Join(b.dir, m.file): source})
		if err != nil {
			return f, err
		}
		binary = filepath.Join(place, "arbiter.test")
		if err := b.build(ctx, binary, "-overlay", overlay); err != nil {
			if ctx.Err() != nil {
				return f, err
			}
			return fate{invalid: true}, nil
		}
	}
	sim := func(n int) ([]byte, string, error) {
		return b.test(ctx, m, binary, "-test.run=^TestSimulation$", "-sim.bites", "-sim.n="+strconv.Itoa(n))
	}
	out, other, err := sim(histories)
	if err != nil {
		return f, err
	}
	f.bites = bites(out)
	if m != nil && m.wants != "" && f.bites[m.wants] == 0 {
		// Its own invariant must break, not any test.
		if out, other, err = sim(more); err != nil {
			return f, err
		}
		f.bites = bites(out)
	}
	if len(f.bites) > 0 {
		return f, nil
	}
	if f.other = other; other != "" {
		return f, nil
	}
	for _, short := range []string{"-test.short", "-test.short=false"} { // the first kills nearly all
		if _, f.other, err = b.test(ctx, m, binary, "-test.skip=^TestSimulation$", "-test.failfast", short); err != nil || f.other != "" {
			return f, err
		}
	}
	if m == nil {
		return f, nil
	}
	out, f.other, err = sim(more)
	f.bites = bites(out)
	return f, err
}

var failed = regexp.MustCompile(`(?m)^\s*--- FAIL: (\S+)`)

// test runs the binary; what says what failed, if not invariants.
func (b *bench) test(ctx context.Context, m *mutant, binary string, args ...string) (out []byte, what string, err error) {
	limited, cancel := context.WithTimeout(ctx, overdue)
	defer cancel()
	cmd := exec.CommandContext(limited, binary, args...)
	cmd.Dir = b.dir
	cmd.Env = append(append(os.Environ(), "GOMAXPROCS=1", "GOMEMLIMIT=1GiB"), m.active()...)
	var buf bytes.Buffer
	cmd.Stdout, cmd.Stderr = &buf, &buf
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		return nil, "", err
	}
	// A process that has ended already needs no limit.
	limit := unix.Rlimit{Cur: patience, Max: patience}
	if err := unix.Prlimit(cmd.Process.Pid, unix.RLIMIT_CPU, &limit, nil); err != nil && !errors.Is(err, unix.ESRCH) {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		return nil, "", fmt.Errorf("limit the CPU time of a mutant: %w", err)
	}
	err = cmd.Wait()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return buf.Bytes(), "", nil
	case ctx.Err() != nil:
		return nil, "", ctx.Err()
	case limited.Err() != nil || errors.As(err, &exit) && !exit.Exited():
		return buf.Bytes(), "time", nil
	case !errors.As(err, &exit):
		return nil, "", err
	case bytes.Contains(buf.Bytes(), []byte("\npanic: ")) || bytes.HasPrefix(buf.Bytes(), []byte("panic: ")):
		return buf.Bytes(), "panic", nil
	}
	if name := failed.FindSubmatch(buf.Bytes()); name != nil {
		return buf.Bytes(), string(name[1]), nil
	}
	return buf.Bytes(), "exit " + strconv.Itoa(exit.ExitCode()), nil
}

var bite = regexp.MustCompile(`bites: (\w+) (\d+)`)

func bites(out []byte) map[string]int {
	found := map[string]int{}
	for _, m := range bite.FindAllSubmatch(out, -1) {
		n, _ := strconv.Atoi(string(m[2])) // digits, by the expression
		found[string(m[1])] = n
	}
	return found
}

// writeOverlay tells the compiler which files stand for others.
func writeOverlay(place string, replace map[string]string) (string, error) {
	text, err := json.Marshal(map[string]map[string]string{"Replace": replace})
	if err != nil {
		return "", err
	}
	path := filepath.Join(place, "overlay.json")
	return path, os.WriteFile(path, text, 0o600)
}
