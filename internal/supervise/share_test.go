package supervise

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/tandem-go/tandem/internal/channel"
	"github.com/tandem-go/tandem/internal/control"
)

// sharing is a worker that prints each share that it is told, to the end.
func sharing() {
	conn, err := channel.Inherited()
	if err != nil {
		panic(err)
	}
	fmt.Printf("began with %s and %s\n", os.Getenv("GOMAXPROCS"), os.Getenv("GOMEMLIMIT"))
	fmt.Printf("connections: %q\n", os.Getenv("TANDEM_DB_CONNECTIONS"))
	go func() {
		for {
			m, fds, err := conn.Receive()
			if err != nil {
				return
			}
			channel.Discard(fds)
			if m.Type == channel.Share {
				fmt.Printf("now has %d and %d\n", m.CPUs, m.Memory)
				if n := m.DatabaseConnections; n > 0 {
					fmt.Printf("connections: \"%d\"\n", n)
				}
			} else if err := conn.Send(channel.Greeting()); err != nil {
				panic(err)
			}
		}
	}()
}

// said waits until the workers have said a line so often, in all.
func (r *rig) said(t *testing.T, line string, times int) {
	t.Helper()
	r.until(t, fmt.Sprintf("%q, %d times", line, times), func(control.Status) bool { return strings.Count(r.output.String(), line) >= times })
	if n := strings.Count(r.output.String(), line); n != times {
		t.Errorf("%q was said %d times, want %d", line, n, times)
	}
}

// tenth is nine tenths of the rig's 1 GiB, divided.
func tenth(n int) int64 { return int64(0.9 * float64(1<<30) / float64(n)) }

func TestWorkersAreToldTheirShareWhenTheirNumberChanges(t *testing.T) {
	r := start(t, "shares", "--workers", "1")
	r.until(t, "the start", speaking(1, 1))
	r.said(t, fmt.Sprintf("began with 2 and %dB", tenth(1)), 1)
	if err := r.Scale(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	r.said(t, fmt.Sprintf("now has 1 and %d", tenth(2)), 1) // the first one; the other begins with it
	r.said(t, fmt.Sprintf("began with 1 and %dB", tenth(2)), 1)
	r.until(t, "the second", speaking(2, 1))
	r.Signal(syscall.SIGTTIN)
	r.said(t, fmt.Sprintf("now has 1 and %d", tenth(3)), 2)
	r.until(t, "the third", speaking(3, 1))
	if _, err := r.Reload(t.Context(), true); err != nil { // as many as before
		t.Fatal(err)
	}
	r.until(t, "the new generation alone", ready(3, 2))
	r.said(t, fmt.Sprintf("began with 1 and %dB", tenth(3)), 4)
	r.said(t, "now has", 3)
	for range 2 {
		r.Signal(syscall.SIGTTOU)
	}
	alone := r.until(t, "one alone", ready(1, 2)).Workers[0].PID
	r.until(t, "its share", func(control.Status) bool {
		for line := range strings.Lines(r.output.String()) {
			if strings.Contains(line, fmt.Sprint(alone)) && strings.Contains(line, fmt.Sprintf("now has 2 and %d", tenth(1))) {
				return true
			}
		}
		return false
	})
	r.Signal(syscall.SIGTERM)
	<-r.result
}

func TestWhatTheOperatorHasSetIsNotToldAnew(t *testing.T) {
	r := build(t, "shares", "--workers", "1")
	if err := os.WriteFile(r.env, []byte("MODE=shares\nGOMAXPROCS=7\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	fresh, err := r.config.Reload()
	if err != nil {
		t.Fatal(err)
	}
	g, err := resolve(1, fresh)
	if err != nil {
		t.Fatal(err)
	}
	_ = r.generations[1].exe.Close()
	r.generations[1] = g
	go func() { r.result <- r.Run(t.Context()) }()
	t.Cleanup(func() { <-r.done })
	r.said(t, fmt.Sprintf("began with 7 and %dB", tenth(1)), 1)
	r.until(t, "the start", speaking(1, 1))
	if err := r.Scale(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	r.said(t, fmt.Sprintf("now has 0 and %d", tenth(3)), 1)
	r.Signal(syscall.SIGTERM)
	<-r.result
}
