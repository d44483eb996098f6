// Command docgen writes the documentation that is made from the code. Invariant:
// what it writes depends on the code alone, so that running it twice changes
// nothing and CI can tell when a page is out of step.
//
//	go run ./internal/docgen
package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/tandem-go/tandem/internal/config"
	"github.com/tandem-go/tandem/internal/parity"
)

// pages maps each generated file to what makes it of what it was.
var pages = map[string]func(was []byte) ([]byte, error){
	"docs/configuration.md":    func([]byte) ([]byte, error) { return []byte(config.Markdown()), nil },
	"docs/commands.md":         commandsPage,
	"docs/django-to-tandem.md": includeGo,
	"docs/proxies.md":          includeFiles,
	"docs/status.md":           statusPage,
	"docs/sync-and-async.md":   parity.Insert, // a part of it is
	"docs/man/supervisor.1":    supervisorManual,
	"docs/man/app.1":           appManual,
	"docs/man/tandem.env.5":    environmentManual,
}

func main() {
	for path, content := range pages {
		if err := write(filepath.FromSlash(path), content); err != nil {
			fmt.Fprintln(os.Stderr, "docgen:", err)
			os.Exit(1)
		}
	}
}

func write(path string, content func([]byte) ([]byte, error)) error {
	was, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	page, err := content(was)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, page, 0o644)
}
