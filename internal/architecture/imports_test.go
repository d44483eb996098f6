package architecture

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/tandem-go/tandem/"

// allowed says, for each package, which of our own packages it may import
// directly. A new package needs a line here, and a reason.
var allowed = map[string][]string{
	"cmd/supervisor": {"internal/admin", "internal/budget", "internal/caught", "internal/cli", "internal/config", "internal/control", "internal/history", "internal/logpipe", "internal/metrics", "internal/notify", "internal/postmortem", "internal/process", "internal/socket", "internal/statedir", "internal/supervise", "internal/timeline", "internal/upgrade"},
	"cmd/app":        {"bridge", "middleware", "openapi", "orm", "orm/migrate", "static", "trace", "view", "worker"},
	"cmd/tandemvet":  {"tandemvet"},

	"bridge":  {"internal/funcname", "internal/oncpu"},
	"auth":    {"bridge", "session", "view"},
	"session": {"view"},
	"static":  {"internal/coding", "view"},
	"openapi": {"internal/schema", "static", "view"},
	"orm":     {"bridge", "internal/stmtcache", "internal/tally"},

	"orm/migrate": nil,

	"view":       {"bridge", "internal/coding", "internal/funcname", "internal/http1", "internal/oncpu", "internal/requestid", "internal/schema", "internal/tally", "internal/websocket"},
	"middleware": {"internal/coding", "internal/requestid", "trace", "view"},
	"worker":     {"bridge", "internal/certs", "internal/channel", "internal/fleet", "internal/forwarded", "internal/handover", "internal/http1", "internal/notify", "internal/requestid", "internal/scoreboard"},

	"trace":     {"view"},
	"tandemvet": nil, // reads others' code, and knows them by name

	"internal/supervise": {"internal/admin", "internal/arbiter", "internal/budget", "internal/caught", "internal/channel", "internal/config", "internal/control", "internal/fleet", "internal/handover", "internal/logpipe", "internal/metrics", "internal/notify", "internal/postmortem", "internal/process", "internal/scoreboard", "internal/socket", "internal/timeline", "internal/upgrade", "internal/watch"},
	"internal/cli":       {"internal/budget", "internal/config", "internal/control", "internal/forecast", "internal/postmortem", "internal/printable", "internal/process", "internal/scaffold", "internal/socket", "internal/timeline", "internal/top", "internal/verify"},
	"internal/top":       {"internal/config", "internal/control", "internal/postmortem", "internal/printable", "internal/quantile", "internal/timeline"},
	"internal/docgen":    {"internal/admin", "internal/cli", "internal/config", "internal/control", "internal/parity"},
	"internal/config":    {"internal/budget", "internal/socket"},

	"internal/admin":   {"internal/control", "internal/history", "internal/socket"},
	"internal/history": {"internal/metrics", "internal/quantile", "internal/scoreboard"},
	"internal/metrics": {"internal/scoreboard"},

	"internal/arbiter":      nil,
	"internal/architecture": nil,
	"internal/budget":       {"internal/cgroup"},
	"internal/certs":        {"internal/watch"},
	"internal/cgroup":       nil,
	"internal/channel":      nil,
	"internal/coding":       nil,
	"internal/control":      {"internal/postmortem", "internal/timeline"},
	"internal/fleet":        nil,
	"internal/forecast":     {"internal/budget"},
	"internal/forwarded":    nil,
	"internal/funcname":     nil,
	"internal/handover":     nil,
	"internal/http1":        nil,
	"internal/logpipe":      nil,
	"internal/logtest":      nil,
	"internal/notify":       nil,
	"internal/postmortem":   {"internal/cgroup", "internal/statedir"},
	"internal/oncpu":        nil,
	"internal/printable":    nil,
	"internal/quantile":     nil,
	"internal/parity":       nil,
	"internal/pgtest":       nil,
	"internal/process":      nil,
	"internal/requestid":    nil,
	"internal/scaffold":     nil,
	"internal/schema":       nil,
	"internal/scoreboard":   nil,
	"internal/socket":       nil,
	"internal/statedir":     nil,
	"internal/stmtcache":    nil,
	"internal/tally":        nil,
	"internal/timeline":     {"internal/statedir"},
	"internal/upgrade":      {"internal/caught", "internal/process"},
	"internal/caught":       nil,
	"internal/verify":       {"internal/control", "internal/postmortem", "internal/strict"},
	"internal/watch":        nil,
	"internal/websocket":    nil,

	"internal/arbiter/mutate": nil,
	"internal/certs/certtest": nil,
	"internal/pgtest/with":    {"internal/pgtest"},
	"internal/websocket/wire": nil,

	"internal/strict":       nil,
	"bench":                 {"bridge", "internal/pgtest", "internal/strict", "internal/tally", "orm", "test/harness", "view", "worker"},
	"deploy":                nil,
	"deploy/hammer":         {"internal/strict"},
	"deploy/helm/e2e/pause": nil, // what a test container runs
	"deploy/image":          nil,
	"deploy/monitoring":     nil, // tests
}

// arbiterImports is all that the pure core may use.
var arbiterImports = []string{"cmp", "errors", "fmt", "math/rand/v2", "slices", "strconv", "strings", "time"}

type listed struct {
	ImportPath string
	Imports    []string
}

func TestImportsRunOneWay(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports", module+"...").Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Fatalf("go list: %v\n%s", err, exit.Stderr)
		}
		t.Fatal(err)
	}
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimPrefix(p.ImportPath, module)
		if strings.HasPrefix(name, "test/") || slices.Contains(strings.Split(name, "/"), "testdata") {
			continue // black-box tests, and programs that tests compile
		}
		may, known := allowed[name]
		if !known {
			t.Errorf("%s has no line in the table of %s", name, path.Join(module, "internal/architecture"))
			continue
		}
		for _, imp := range p.Imports {
			own, isOwn := strings.CutPrefix(imp, module)
			if isOwn && !slices.Contains(may, own) {
				t.Errorf("%s must not import %s", name, own)
			}
			if name == "internal/arbiter" && !slices.Contains(arbiterImports, imp) {
				t.Errorf("the arbiter is pure: it must not import %s", imp)
			}
		}
	}
}
