package conformance

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"github.com/tandem-go/tandem/test/conformance/raw"
)

// h2specBound is on a whole run, which takes ten seconds of waiting for silence.
const h2specBound = 3 * time.Minute

// h2specProgram builds h2spec, from its module in tools, once.
var h2specProgram = sync.OnceValues(func() (string, error) {
	path := filepath.Join(dir, "h2spec")
	build := exec.Command("go", "build", "-o", path, "github.com/summerwind/h2spec/cmd/h2spec")
	build.Dir = filepath.Join("..", "..", "tools", "h2spec")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build h2spec in %s: %w\n%s", build.Dir, err, out)
	}
	return path, nil
})

// junit is h2spec's report, as far as it is needed.
type junit struct {
	Suites []struct {
		Package string `xml:"package,attr"` // such as http2/6.5.3
		Cases   []struct {
			Name    string    `xml:"classname,attr"`
			Failure *struct{} `xml:"failure"`
			Error   *struct{} `xml:"error"`
			Skipped *struct{} `xml:"skipped"`
		} `xml:"testcase"`
	} `xml:"testsuite"`
}

// errNoH2spec is h2spec's where the program is not there.
var errNoH2spec = errors.New("h2spec cannot be built")

// h2spec runs all of it.
func h2spec(ctx context.Context, at raw.Target) ([]verdict, error) {
	program, err := h2specProgram()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNoH2spec, err)
	}
	host, port, err := net.SplitHostPort(at.Addr)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, h2specBound)
	defer cancel()
	path := filepath.Join(dir, "h2spec."+port+".xml")
	args := []string{"-h", host, "-p", port, "-P", "/echo", "-o", "2", "-j", path}
	if at.TLS {
		args = append(args, "-t", "-k")
	}
	said, failure := exec.CommandContext(ctx, program, args...).CombinedOutput() // fails where a case does
	report, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("h2spec made no report: %w, %w\n%s", failure, err, said)
	}
	var all junit
	if err := xml.Unmarshal(report, &all); err != nil {
		return nil, fmt.Errorf("h2spec's report: %w", err)
	}
	var verdicts []verdict
	for _, suite := range all.Suites {
		for i, c := range suite.Cases {
			verdicts = append(verdicts, verdict{
				id:   fmt.Sprintf("%s/%d", suite.Package, i+1),
				good: c.Failure == nil && c.Error == nil && c.Skipped == nil,
				line: c.Name,
			})
		}
	}
	return verdicts, nil
}
