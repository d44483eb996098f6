package scaffold

import (
	"errors"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"
)

// checkout makes a directory with a go.mod.
func checkout(t *testing.T, module string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module "+module+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	// By the umask others may write to what is made.
	if err := errors.Join(os.MkdirAll(filepath.Join(dir, "a", "bin"), 0o700), os.Chmod(dir, 0o755)); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestOrigin(t *testing.T) {
	source, other := checkout(t, Tandem), checkout(t, "example.org/x")
	module := func(version, sum, replaced string) *debug.BuildInfo {
		m := debug.Module{Path: Tandem, Version: version, Sum: sum}
		if replaced != "" {
			m.Replace = &debug.Module{Path: replaced, Version: "(devel)"}
		}
		return &debug.BuildInfo{Main: m}
	}
	const commit = "v0.0.0-20261129100000-0123456789ab"
	for name, c := range map[string]struct {
		build Build
		want  Origin
	}{
		"go install of a version":          {Build{Info: module("v1.2.3", "h1:x", ""), Near: []string{source}}, Origin{Version: "v1.2.3"}},
		"go run of a commit":               {Build{Info: module(commit, "h1:x", "")}, Origin{Version: commit}},
		"make build":                       {Build{Version: "v1.2.3-4-g0123abc-dirty", Info: module("(devel)", "", ""), Near: []string{filepath.Join(source, "a", "bin")}}, Origin{Source: source}},
		"run in the checkout":              {Build{Info: module("(devel)", "", ""), Near: []string{other, source}}, Origin{Source: source}},
		"of an app that has a source":      {Build{Info: module("v0.0.0", "", source), Near: []string{other}}, Origin{Source: source}},
		"of an app whose source has gone":  {Build{Info: module("v0.0.0", "", other), Near: []string{other}}, Origin{}},
		"a release's package":              {Build{Version: "v1.2.3", Info: module("(devel)", "", ""), Near: []string{"/usr/bin", other}}, Origin{Version: "v1.2.3"}},
		"a release, below a go.mod":        {Build{Version: "v1.2.3", Info: module("(devel)", "", ""), Near: []string{source}}, Origin{Version: "v1.2.3"}},
		"a release candidate":              {Build{Version: "v1.2.3-rc.1"}, Origin{Version: "v1.2.3-rc.1"}},
		"a clean commit, away from it":     {Build{Info: module(commit, "", "")}, Origin{Version: commit}},
		"a changed commit, away from it":   {Build{Info: module(commit+"+dirty", "", "")}, Origin{}},
		"between releases, away from it":   {Build{Version: "v1.2.3-4-g0123abc"}, Origin{}},
		"changed, away from it":            {Build{Version: "v1.2.3-dirty"}, Origin{}},
		"a commit without tags":            {Build{Version: "0123abc"}, Origin{}},
		"nothing is known":                 {Build{}, Origin{}},
		"another program with that inside": {Build{Info: &debug.BuildInfo{Main: debug.Module{Path: "example.org/x", Version: "v1.0.0", Sum: "h1:x"}}}, Origin{}},
	} {
		got, err := c.build.Origin()
		if got != c.want || (err == nil) == (c.want == Origin{}) {
			t.Errorf("%s: %+v, %v; want %+v", name, got, err, c.want)
		}
		if err != nil && !strings.Contains(err.Error(), "--source DIR") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOriginThatIsNamed(t *testing.T) {
	source, other := checkout(t, Tandem), checkout(t, "example.org/x")
	if o, err := At(source); err != nil || o.Source != source {
		t.Errorf("%+v, %v", o, err)
	}
	for dir, want := range map[string]string{other: "its go.mod is that of example.org/x", filepath.Join(source, "a"): "go.mod: no such file"} {
		if _, err := At(dir); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", dir, err)
		}
	}
	for version, ok := range map[string]bool{"v0.1.0": true, "v1.2.3-rc.1": true, "v2.0.0": false, "1.2.3": false, "latest": false, "": false} {
		if _, err := Released(version); (err == nil) != ok {
			t.Errorf("%q: %v", version, err)
		}
	}
}
