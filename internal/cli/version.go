package cli

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"
)

// version is set when a release is built:
// -ldflags "-X github.com/tandem-go/tandem/internal/cli.version=v1.2.3".
var version string

// Version is the version of this program: what the release was built with, else
// what the build recorded of itself.
func Version() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	main := info.Main
	if main.Replace != nil { // in the go.mod that it was built for, which may name any version
		main = *main.Replace
	}
	return cmp.Or(main.Version, "unknown")
}

func versionLine() string {
	return fmt.Sprintf("supervisor %s (%s %s/%s)\n", Version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
