package clients

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/tandem-go/tandem/test/served"
)

// python is Debian's: one in front of it on PATH does not see Debian's modules.
const python = "/usr/bin/python3"

func pythonWith(t *testing.T, modules ...string) {
	t.Helper()
	for _, m := range modules {
		if err := exec.Command(python, "-c", "import "+m).Run(); err != nil {
			missing(t, "python3-"+m)
		}
	}
}

func TestHTTPX(t *testing.T) {
	pythonWith(t, "httpx", "h2")
	for _, mode := range []served.Mode{served.Clear, served.TLS} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			s := served.Start(t, mode)
			run(t, python, filepath.Join("testdata", "ask.py"), url(s, ""), s.Cert)
		})
	}
}

func TestWebsockets(t *testing.T) {
	pythonWith(t, "websockets")
	for _, mode := range []served.Mode{served.Clear, served.TLS} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			s := served.Start(t, mode)
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			cmd := exec.CommandContext(ctx, python, filepath.Join("testdata", "talk.py"), "ws"+url(s, "")[len("http"):], s.Cert)
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			out, err := cmd.StdoutPipe()
			if err == nil {
				err = cmd.Start()
			}
			if err != nil {
				t.Fatal(err)
			}
			lines := bufio.NewReader(out)
			if line, err := lines.ReadString('\n'); err == nil && line == "waiting for the drain\n" {
				defer s.Drain(t)()
			}
			_, _ = io.Copy(io.Discard, lines)
			if err := cmd.Wait(); err != nil {
				t.Errorf("talk.py: %v\n%s", err, tail(stderr.String()))
			}
		})
	}
}
