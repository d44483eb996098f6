package scaffold

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
)

// A Build is what a program knows of its own making.
type Build struct {
	Version string           // that it was stamped with; "" when it was not
	Info    *debug.BuildInfo // nil when there is none
	Near    []string         // where its source may be above: the executable's directory, the working directory
}

// At is the origin of a source that the user names.
func At(source string) (Origin, error) {
	abs, err := filepath.Abs(source)
	if err != nil {
		return Origin{}, fmt.Errorf("--source %s: %w", source, err)
	}
	switch path, err := modulePath(abs); {
	case err != nil:
		return Origin{}, fmt.Errorf("--source %s: %w", source, err)
	case path != Tandem:
		return Origin{}, fmt.Errorf("--source %s: its go.mod is that of %s, not of %s", source, path, Tandem)
	}
	return Origin{Source: abs}, nil
}

// Released is the origin of a version that the user names.
func Released(version string) (Origin, error) {
	if err := module.Check(Tandem, version); err != nil {
		return Origin{}, fmt.Errorf("--tandem-version: %q is no version of it; one is such as v1.2.3", version)
	}
	return Origin{Version: version}, nil
}

// Origin is where the module can be had that the program was built from: by its version, if the go command took it from
// where it is hosted, or by the version that a release is stamped with; else in a checkout that is near; else by a commit.
// A release never takes its source from a directory that somebody else may have made above, and a development build from
// none that others may write to.
func (b Build) Origin() (Origin, error) {
	version, source, hosted := b.module()
	if hosted {
		return Origin{Version: version}, nil
	}
	if filepath.IsAbs(source) {
		if o, err := At(source); err == nil {
			return near(o.Source, os.Geteuid())
		}
	}
	if published(b.Version) {
		return Origin{Version: b.Version}, nil
	}
	for _, dir := range b.Near {
		if top := above(dir); top != "" {
			return near(top, os.Geteuid())
		}
	}
	if published(version) {
		return Origin{Version: version}, nil
	}
	return Origin{}, fmt.Errorf("this supervisor is a development build (%s), and its source is not near; name that by --source DIR, or a version that is published by --tandem-version", b.called())
}

// module is what was linked. It is hosted if the go command had it with a sum. A source that replaced it in the go.mod
// that it was built for is said by its directory.
func (b Build) module() (version, source string, hosted bool) {
	if b.Info == nil || b.Info.Main.Path != Tandem {
		return "", "", false
	}
	m := b.Info.Main
	if m.Replace != nil {
		return "", m.Replace.Path, false
	}
	return m.Version, "", m.Sum != ""
}

func (b Build) called() string {
	if b.Version != "" {
		return b.Version
	}
	if version, _, _ := b.module(); version != "" {
		return version
	}
	return "of an unknown version"
}

// described is what git describe adds to the tag that was before.
var described = regexp.MustCompile(`-\d+-g[0-9a-f]+$`)

// published: the version may be one that is hosted. One that was changed, or that is after a tag, is not.
func published(version string) bool {
	return version != none && module.Check(Tandem, version) == nil && !strings.Contains(version, "dirty") && !described.MatchString(version)
}

// above gives the directory of the module Tandem that dir is in, or "".
func above(dir string) string {
	for ; filepath.IsAbs(dir); dir = filepath.Dir(dir) {
		if path, err := modulePath(dir); err == nil && path == Tandem {
			return dir
		}
		if dir == filepath.Dir(dir) {
			break
		}
	}
	return ""
}

// modulePath reads the path of the module in a directory.
func modulePath(dir string) (string, error) {
	text, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil {
		return "", err
	}
	path := modfile.ModulePath(text)
	if path == "" {
		return "", errors.New("its go.mod names no module")
	}
	return path, nil
}
