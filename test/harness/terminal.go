package harness

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	uv "github.com/charmbracelet/ultraviolet"
	"github.com/charmbracelet/x/vt"
	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// Terminal is a program on a terminal of its own: a pty, with an emulator behind
// it that shows what a person would see. The caller calls Close.
type Terminal struct {
	PID int

	ours, theirs *os.File // theirs is kept to see what the program leaves behind
	before       unix.Termios
	cmd          *exec.Cmd
	ended        chan struct{}

	mu       sync.Mutex
	emulator *vt.Emulator
	written  chan struct{} // closed when something is written, and made anew
}

// OpenTerminal starts argv in a terminal of so many columns and rows, with env and
// nothing else in its environment.
func OpenTerminal(columns, rows int, env []string, argv ...string) (*Terminal, error) {
	ours, theirs, err := pty.Open()
	if err != nil {
		return nil, fmt.Errorf("open a pty: %w", err)
	}
	t := &Terminal{ours: ours, theirs: theirs, emulator: vt.NewEmulator(columns, rows), ended: make(chan struct{}), written: make(chan struct{})}
	fail := func(err error) (*Terminal, error) {
		return nil, errors.Join(err, ours.Close(), theirs.Close())
	}
	if err := t.Resize(columns, rows); err != nil {
		return fail(err)
	}
	if t.before, err = t.modes(); err != nil {
		return fail(err)
	}
	t.cmd = exec.Command(argv[0], argv[1:]...)
	t.cmd.Env = env
	t.cmd.Stdin, t.cmd.Stdout, t.cmd.Stderr = theirs, theirs, theirs
	// A session of its own, whose terminal is the program's standard input.
	t.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 0}
	if err := t.cmd.Start(); err != nil {
		return fail(fmt.Errorf("start %s on a terminal: %w", argv[0], err))
	}
	t.PID = t.cmd.Process.Pid
	go t.show()
	go func() { _, _ = io.Copy(ours, t.emulator) }() // what a terminal answers when it is asked
	go func() {
		_ = t.cmd.Wait()
		close(t.ended)
	}()
	return t, nil
}

// show gives the emulator what the program writes.
func (t *Terminal) show() {
	buf := make([]byte, 32<<10)
	for {
		n, err := t.ours.Read(buf)
		if err != nil {
			return
		}
		t.mu.Lock()
		_, _ = t.emulator.Write(buf[:n])
		close(t.written)
		t.written = make(chan struct{})
		t.mu.Unlock()
	}
}

func (t *Terminal) modes() (unix.Termios, error) {
	modes, err := unix.IoctlGetTermios(int(t.theirs.Fd()), unix.TCGETS)
	if err != nil {
		return unix.Termios{}, fmt.Errorf("the modes of the terminal: %w", err)
	}
	return *modes, nil
}

// Resize makes the terminal so large, and tells the program.
func (t *Terminal) Resize(columns, rows int) error {
	t.mu.Lock()
	t.emulator.Resize(columns, rows)
	t.mu.Unlock()
	if err := pty.Setsize(t.ours, &pty.Winsize{Rows: uint16(rows), Cols: uint16(columns)}); err != nil {
		return fmt.Errorf("resize the terminal: %w", err)
	}
	return nil
}

// Type types keys.
func (t *Terminal) Type(keys string) error {
	_, err := io.WriteString(t.ours, keys)
	return err
}

// Screen is what is to be seen, line by line.
func (t *Terminal) Screen() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.screen()
}

func (t *Terminal) screen() string {
	lines := strings.Split(t.emulator.String(), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " \r")
	}
	return strings.Join(lines, "\n")
}

// Cells calls each with every cell that is to be seen.
func (t *Terminal) Cells(each func(x, y int, c *uv.Cell)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for y := range t.emulator.Height() {
		for x := range t.emulator.Width() {
			if c := t.emulator.CellAt(x, y); c != nil {
				each(x, y, c)
			}
		}
	}
}

// Await waits until the screen is as cond says.
func (t *Terminal) Await(ctx context.Context, what string, cond func(screen string) bool) error {
	for {
		t.mu.Lock()
		screen, written := t.screen(), t.written
		t.mu.Unlock()
		if cond(screen) {
			return nil
		}
		select {
		case <-written:
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w; the screen is\n%s", what, context.Cause(ctx), screen)
		}
	}
}

// Wait waits for the end of the program and gives its exit code, -1 after a signal.
func (t *Terminal) Wait(ctx context.Context) (code int, err error) {
	select {
	case <-t.ended:
		return t.cmd.ProcessState.ExitCode(), nil
	case <-ctx.Done():
		return 0, fmt.Errorf("the end of the program: %w; the screen is\n%s", context.Cause(ctx), t.Screen())
	}
}

// Restored says what the program has left the terminal in that was not so before
// it; nil: nothing. The program has ended, and all that it wrote is on the screen
// when a shell's prompt, which is written here, is.
func (t *Terminal) Restored(ctx context.Context) error {
	const prompt = "the next prompt"
	if _, err := io.WriteString(t.theirs, prompt); err != nil {
		return err
	}
	if err := t.Await(ctx, "a prompt behind the program", func(s string) bool { return strings.Contains(s, prompt) }); err != nil {
		return err
	}
	after, err := t.modes()
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case after != t.before:
		return fmt.Errorf("the terminal's modes are %+v, and were %+v", after, t.before)
	case t.emulator.IsAltScreen():
		return errors.New("the alternate screen is left on")
	case t.emulator.CursorHidden():
		return errors.New("the cursor is left hidden")
	}
	return nil
}

// Hangup closes the terminal under the program, as a window that is closed does.
func (t *Terminal) Hangup() error { return t.ours.Close() }

// Close kills the program, if it still runs, and closes the terminal.
func (t *Terminal) Close() error {
	select {
	case <-t.ended:
	default:
		_ = t.cmd.Process.Kill()
		select {
		case <-t.ended:
		case <-time.After(Limit):
			return fmt.Errorf("pid %d does not end", t.PID)
		}
	}
	if pipe, ok := t.emulator.InputPipe().(io.Closer); ok {
		_ = pipe.Close()
	}
	err := t.ours.Close()
	if errors.Is(err, os.ErrClosed) { // by Hangup
		err = nil
	}
	return errors.Join(err, t.theirs.Close())
}
