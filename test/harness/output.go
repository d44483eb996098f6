package harness

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// Output gathers what a process writes. It may be read while it grows.
type Output struct {
	mu     sync.Mutex
	b      []byte
	grown  chan struct{} // closed and replaced at each write
	closed bool
}

func newOutput() *Output { return &Output{grown: make(chan struct{})} }

// Write implements io.Writer; it never fails.
func (o *Output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.b = append(o.b, p...)
	close(o.grown)
	o.grown = make(chan struct{})
	return len(p), nil
}

func (o *Output) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	close(o.grown)
	o.grown = make(chan struct{})
}

// String is all that was written so far.
func (o *Output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return string(o.b)
}

// Lines is what was written so far, without a last line that is not whole.
func (o *Output) Lines() []string {
	s := o.String()
	i := strings.LastIndexByte(s, '\n')
	if i < 0 {
		return nil
	}
	return strings.Split(s[:i], "\n")
}

// Tail is the last n lines.
func (o *Output) Tail(n int) string {
	lines := strings.Split(strings.TrimRight(o.String(), "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// Warnings are the first n records of a warning or an error, the supervisor's and the workers', and a
// line that says how many more there are. It is empty when there are none.
func (o *Output) Warnings(n int) string {
	all := slices.DeleteFunc(strings.Split(o.String(), "\n"), func(line string) bool {
		return !strings.Contains(line, `"level":"WARN"`) && !strings.Contains(line, `"level":"ERROR"`)
	})
	if more := len(all) - n; more > 0 {
		all = append(all[:n], fmt.Sprintf("… and %d more", more))
	}
	return strings.Join(all, "\n")
}

// Await waits for a whole line that match accepts and returns it.
func (o *Output) Await(ctx context.Context, what string, match func(string) bool) (string, error) {
	from := 0
	for {
		o.mu.Lock()
		grown, closed := o.grown, o.closed
		o.mu.Unlock()
		lines := o.Lines()
		if i := slices.IndexFunc(lines[from:], match); i >= 0 {
			return lines[from+i], nil
		}
		from = len(lines)
		if closed {
			return "", fmt.Errorf("waiting for %s: the output ended:\n%s", what, o.Tail(20))
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return "", fmt.Errorf("waiting for %s: %w; the output ends:\n%s", what, ctx.Err(), o.Tail(20))
		}
	}
}

// AwaitText waits for a whole line that contains text.
func (o *Output) AwaitText(ctx context.Context, text string) (string, error) {
	return o.Await(ctx, fmt.Sprintf("%q", text), func(l string) bool { return strings.Contains(l, text) })
}
