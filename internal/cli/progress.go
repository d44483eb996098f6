package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tandem-go/tandem/internal/control"
	"github.com/tandem-go/tandem/internal/printable"
)

const (
	// progressEvery is how often a supervisor is asked what it waits for, and within
	// which it must say.
	progressEvery = time.Second
	progressLimit = 5 * time.Second
)

// showProgress shows on stderr what the supervisor waits for while it does what
// was asked of it, as long as that takes longer than a second, until the function
// that it gives is called. A supervisor that does not tell, as older ones do not, is
// waited for in silence.
func (p *program) showProgress(command string, client *control.Client) (over func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		l := newProgressLine(p.stderr, command)
		defer l.clear()
		every := time.NewTicker(progressEvery)
		defer every.Stop()
		for {
			select {
			case <-every.C:
				l.ask(ctx, client)
			case <-ctx.Done():
				return
			}
		}
	}()
	return func() {
		cancel()
		<-ended
	}
}

// stopAndWait stops the supervisor and waits for its end, which is that of its
// process where that can be seen from here, else that of its socket.
func (p *program) stopAndWait(ctx context.Context, client *control.Client, now bool) (int, error) {
	pid, err := client.Peer(ctx)
	if err != nil {
		return 0, err
	}
	pidfd := -1
	if pid > 0 {
		if pidfd, err = unix.PidfdOpen(pid, 0); err != nil {
			pidfd = -1
		} else {
			defer unix.Close(pidfd)
		}
	}
	if err := client.Stop(ctx, now); err != nil {
		return 0, err
	}
	l := newProgressLine(p.stderr, "stop")
	for {
		if ended(pidfd, progressEvery) {
			break
		}
		if !l.ask(context.Background(), client) && pidfd < 0 {
			break
		}
	}
	l.clear()
	return p.print("stopped\n"), nil
}

// ended waits for so long at most, and reports whether the process has ended.
func ended(pidfd int, limit time.Duration) bool {
	if pidfd < 0 {
		<-time.After(limit)
		return false
	}
	for deadline := time.Now().Add(limit); ; {
		left := max(0, time.Until(deadline))
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}, int(left.Milliseconds()))
		if !errors.Is(err, unix.EINTR) {
			return n > 0
		}
	}
}

// progressLine is what is said of progress: a line that is written over on a
// terminal, else one each time that something else is waited for, or for twice as
// long.
type progressLine struct {
	w       io.Writer
	command string
	width   int // of the terminal; 0: it is none
	shown   bool
	key     string
	next    float64 // seconds
}

func newProgressLine(w io.Writer, command string) *progressLine {
	l := &progressLine{w: w, command: command}
	if f, ok := w.(*os.File); ok {
		if size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ); err == nil {
			l.width = max(int(cmp.Or(size.Col, 80)), 40) // some terminals do not say
		}
	}
	return l
}

// ask asks for the progress and shows it. It reports whether somebody answered.
func (l *progressLine) ask(ctx context.Context, client *control.Client) bool {
	ctx, cancel := context.WithTimeout(ctx, progressLimit)
	defer cancel()
	st, err := client.Status(ctx)
	if err != nil {
		// One that is busy ending, or is just being upgraded, may still answer later.
		return errors.Is(err, context.DeadlineExceeded)
	}
	if st.Progress != nil {
		l.show(*st.Progress)
	}
	return true
}

func (l *progressLine) show(p control.Progress) {
	text := "supervisor: " + l.command + ": " + printable.Line(p.Text)
	if l.width > 0 {
		if r := []rune(text); len(r) >= l.width {
			text = string(r[:l.width-2]) + "…"
		}
		fmt.Fprint(l.w, "\r\x1b[K", text)
		l.shown = true
		return
	}
	if key := fmt.Sprint(p.What, p.Generation, p.Stage, p.Workers); key != l.key {
		l.key, l.next = key, 0
	}
	if p.Seconds >= l.next {
		l.next = 2 * p.Seconds
		fmt.Fprintln(l.w, text)
	}
}

// clear takes the line away that was written over.
func (l *progressLine) clear() {
	if l.shown {
		fmt.Fprint(l.w, "\r\x1b[K")
	}
}
