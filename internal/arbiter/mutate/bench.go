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
)

const (
	histories = 300              // of the simulation, against each mutant
	more      = 2000             // against one that nothing else kills
	patience  = 60 * time.Second // a mutant that runs for longer loops
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
	count     atomic.Int64
}

// try builds a mutant, or the original if m is nil, and runs the simulation
// and, if that does not kill it, the other tests and more of the simulation.
func (b *bench) try(ctx context.Context, m *mutant) (f fate, err error) {
	place := filepath.Join(b.temp, strconv.FormatInt(b.count.Add(1), 10))
	if err := os.Mkdir(place, 0o700); err != nil {
		return f, err
	}
	defer os.RemoveAll(place)
	binary := filepath.Join(place, "arbiter.test")
	args := []string{"test", "-c", "-vet=off", "-ldflags=-s", "-o", binary}
	if m != nil {
		overlay, err := m.overlay(b.dir, place)
		if err != nil {
			return f, err
		}
		args = append(args, "-overlay", overlay)
	}
	build := exec.CommandContext(ctx, "go", append(args, ".")...)
	build.Dir = b.dir
	if out, err := build.CombinedOutput(); err != nil {
		if m == nil || ctx.Err() != nil {
			return f, fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, out)
		}
		return fate{invalid: true}, nil
	}
	sim := func(n int) ([]byte, string, error) {
		return b.test(ctx, binary, "-test.run=^TestSimulation$", "-sim.bites", "-sim.n="+strconv.Itoa(n))
	}
	out, other, err := sim(histories)
	if err != nil {
		return f, err
	}
	if f.bites = bites(out); len(f.bites) > 0 {
		return f, nil
	}
	if f.other = other; other != "" {
		return f, nil
	}
	if _, f.other, err = b.test(ctx, binary, "-test.skip=^TestSimulation$"); err != nil || f.other != "" || m == nil {
		return f, err
	}
	out, f.other, err = sim(more)
	f.bites = bites(out)
	return f, err
}

var failed = regexp.MustCompile(`(?m)^\s*--- FAIL: (\S+)`)

// test runs the binary; what says what failed, if not invariants.
func (b *bench) test(ctx context.Context, binary string, args ...string) (out []byte, what string, err error) {
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	cmd := exec.CommandContext(limited, binary, args...)
	cmd.Dir = b.dir
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1", "GOMEMLIMIT=1GiB")
	var buf bytes.Buffer
	cmd.Stdout, cmd.Stderr = &buf, &buf
	cmd.WaitDelay = time.Second
	err = cmd.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return buf.Bytes(), "", nil
	case ctx.Err() != nil:
		return nil, "", ctx.Err()
	case limited.Err() != nil:
		return buf.Bytes(), "time", nil
	case !errors.As(err, &exit):
		return nil, "", err
	case bytes.Contains(buf.Bytes(), []byte("\npanic: ")) || bytes.HasPrefix(buf.Bytes(), []byte("panic: ")):
		return buf.Bytes(), "panic", nil
	}
	if m := failed.FindSubmatch(buf.Bytes()); m != nil {
		return buf.Bytes(), string(m[1]), nil
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

// overlay writes the mutant and what tells the compiler of it into place.
func (m *mutant) overlay(dir, place string) (string, error) {
	source := filepath.Join(place, m.file)
	if err := os.WriteFile(source, m.source, 0o600); err != nil {
		return "", err
	}
	text, err := json.Marshal(map[string]map[string]string{"Replace": {filepath.Join(dir, m.file): source}})
	if err != nil {
		return "", err
	}
	path := filepath.Join(place, "overlay.json")
	return path, os.WriteFile(path, text, 0o600)
}
