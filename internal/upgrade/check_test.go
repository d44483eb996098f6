package upgrade

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestMain is the check when it is started as one, in one of the ways in which a
// program can answer.
func TestMain(m *testing.M) {
	if len(os.Args) > 0 && os.Args[0] == checkName {
		parts := map[string]Check{"p": checkPart}
		switch os.Getenv("ANSWER") {
		case "":
		case "other nonce":
			fmt.Printf(`{"nonce":"x","protocol":%d}`, Protocol)
			os.Exit(0)
		case "other protocol":
			fmt.Printf(`{"nonce":"x","protocol":%d}`, Protocol+1)
			os.Exit(0)
		case "says why":
			fmt.Fprintln(os.Stderr, "panic: the reason\nand much more")
			os.Exit(2)
		case "fails afterwards":
			n, _ := strconv.Atoi(os.Args[1])
			s, _ := read(n)
			fmt.Printf(`{"nonce":%q,"protocol":%d}`, s.Nonce, Protocol)
			os.Exit(7)
		case "babbles":
			for {
				if _, err := os.Stdout.WriteString(strings.Repeat("x", 4096)); err != nil {
					os.Exit(0)
				}
			}
		case "lacks a part":
			parts = nil
		}
		CheckMain(parts, "v2")
	}
	_ = os.Setenv("GORACE", "atexit_sleep_ms=0") // a second for each check
	os.Exit(m.Run())
}

// program keeps a program open as an upgrade does.
func program(t *testing.T, path string) *Program {
	t.Helper()
	found, err := exec.LookPath(path)
	if err != nil {
		t.Fatal(err)
	}
	p, err := (&Program{path: found}).Next()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

// Only a program that has read this very state, found every descriptor of it and
// ended well passes; whatever else it does is said in one line.
func TestCheck(t *testing.T) {
	r, _ := pipe(t)
	for name, want := range map[string]string{
		"":                 "",
		"other nonce":      "it has read another state than this one",
		"other protocol":   fmt.Sprintf("it reads version %d of the state, this program writes version %d: restart the service", Protocol+1, Protocol),
		"says why":         "it exited with status 2 without showing that it had read the state: it is no supervisor that could take over; it said: panic: the reason",
		"fails afterwards": "it answered, and then it exited with status 7",
		"babbles":          "without showing that it had read the state",
		"lacks a part":     `the state has a part "p" that this program does not know: it is older than the running one (v1)`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("ANSWER", name)
			a, err := program(t, os.Args[0]).Check(t.Context(), save(t, r))
			if want == "" {
				if err != nil || a.Version != "v2" {
					t.Errorf("%+v, %v", a, err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%v\nwant %s", err, want)
			}
		})
	}
	if _, err := program(t, "true").Check(t.Context(), save(t, r)); err == nil || !strings.Contains(err.Error(), "it is no supervisor") {
		t.Errorf("/bin/true: %v", err)
	}
}

func TestACheckThatIsCalledOff(t *testing.T) {
	r, _ := pipe(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := program(t, "yes").Check(ctx, save(t, r)); err == nil || !strings.Contains(err.Error(), "canceled") {
		t.Error(err)
	}
}

// A check leaves no descriptor behind, here and in what comes of it.
func TestACheckLeavesNothingOpen(t *testing.T) {
	r, _ := pipe(t)
	p := program(t, os.Args[0])
	sealed := save(t, r)
	count := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	if _, err := p.Check(t.Context(), sealed); err != nil { // what is opened once for all is open now
		t.Fatal(err)
	}
	before := count()
	for range 5 {
		if _, err := p.Check(t.Context(), sealed); err != nil {
			t.Fatal(err)
		}
	}
	if n := count(); n != before {
		t.Errorf("%d descriptors, %d before", n, before)
	}
}

// Near the limit of open files the reason must be found by who reads it.
func TestACheckWithoutRoomForDescriptors(t *testing.T) {
	var was unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &was); err != nil {
		t.Fatal(err)
	}
	r, _ := pipe(t)
	p, sealed := program(t, "true"), save(t, r)
	full := unix.Rlimit{Cur: uint64(max(p.fd, sealed.FD) + 2), Max: was.Max}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &full); err != nil {
		t.Fatal(err)
	}
	_, err := p.Check(t.Context(), sealed)
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &was); err != nil {
		t.Fatal(err)
	}
	if err == nil || !strings.Contains(err.Error(), "limit of open files") || !strings.Contains(err.Error(), fmt.Sprint(full.Cur)) {
		t.Error(err)
	}
}
