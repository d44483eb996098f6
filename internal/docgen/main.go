// Command docgen writes the documentation that is made from the code. Invariant:
// what it writes depends on the code alone, so that running it twice changes
// nothing and CI can tell when a page is out of step.
//
//	go run ./internal/docgen
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/tandem-go/tandem/internal/config"
)

// pages maps each generated file to what it holds.
var pages = map[string]func() string{
	"docs/configuration.md": config.Markdown,
}

func main() {
	for path, content := range pages {
		if err := os.WriteFile(filepath.FromSlash(path), []byte(content()), 0o644); err != nil {
			fmt.Fprintln(os.Stderr, "docgen:", err)
			os.Exit(1)
		}
	}
}
