package top

import (
	"io"
	"os"
	"strings"
	"testing"

	"github.com/creack/pty"
)

func TestFullScreen(t *testing.T) {
	if err := FullScreen(strings.NewReader(""), io.Discard, nil); err == nil {
		t.Error("a writer is a terminal")
	}
	_, terminal, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer terminal.Close()
	piped, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer piped.Close()
	defer w.Close()
	environ := []string{"TERM=xterm"}
	if err := FullScreen(terminal, terminal, environ); err != nil {
		t.Error(err)
	}
	if err := FullScreen(piped, terminal, environ); err == nil || !strings.Contains(err.Error(), "standard input") {
		t.Errorf("what is piped in would be keys: %v", err)
	}
	if !NoColour([]string{"NO_COLOR=1"}) || NoColour([]string{"NO_COLOR="}) || NoColour(nil) {
		t.Error("NO_COLOR is not read as no-color.org says")
	}
}
