package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/tandem-go/tandem/internal/config"
	"github.com/tandem-go/tandem/internal/scaffold"
)

// newApp writes a first application.
func (p *program) newApp(args []string) (int, error) {
	var module, source, tandem string
	words, err := arguments(args, []string{"a directory for the app: supervisor new DIR"}, []config.Flag{
		{Name: "module", Arg: "PATH", Set: notEmpty("module", &module)},
		{Name: "source", Arg: "DIR", Set: notEmpty("source", &source)},
		{Name: "tandem-version", Arg: "VERSION", Set: notEmpty("tandem-version", &tandem)},
	})
	if err != nil {
		return 0, err
	}
	if words[0] == "" {
		return 0, usage("needs a directory for the app: supervisor new DIR")
	}
	origin, err := tandemOrigin(source, tandem)
	if err != nil {
		return 0, usage("%v", err)
	}
	app, err := scaffold.New(words[0], module, origin)
	if err != nil {
		return 0, usage("%v", err)
	}
	if err := app.CheckDir(); err != nil {
		return 0, usage("%v", err)
	}

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var modules error // what the go command says to the origin
	err = app.Write(ctx, func(ctx context.Context, dir string) error {
		fmt.Fprintln(p.stderr, "supervisor: new: asking the go command for the modules; for the first time it downloads them")
		modules = scaffold.Complete(ctx, dir)
		return modules
	})
	switch {
	case ctx.Err() != nil:
		return 0, errors.New("interrupted; nothing was written")
	case modules != nil:
		return 0, fmt.Errorf("%w; nothing was written. Tandem is to be %s; --tandem-version or --source say it otherwise", err, origin)
	case err != nil:
		return 0, fmt.Errorf("%w; nothing was written", err)
	}
	return p.print(next(app, words[0])), nil
}

// tandemOrigin is where the app takes Tandem from.
func tandemOrigin(source, wanted string) (scaffold.Origin, error) {
	switch {
	case source != "" && wanted != "":
		return scaffold.Origin{}, errors.New("--source and --tandem-version contradict each other; give one")
	case source != "":
		return scaffold.At(source)
	case wanted != "":
		return scaffold.Released(wanted)
	}
	build := scaffold.Build{Version: version}
	build.Info, _ = debug.ReadBuildInfo()
	if exe, err := os.Executable(); err == nil {
		build.Near = append(build.Near, filepath.Dir(exe))
	}
	if dir, err := os.Getwd(); err == nil {
		build.Near = append(build.Near, dir)
	}
	return build.Origin()
}

// next says what is there, and what to type.
func next(app scaffold.App, dir string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s is in %s: module %s, with Tandem from %s\n\n", app.Name, dir, app.Module, app.Origin)
	lines := [][2]string{
		{"cd " + quoted(dir), ""},
		{"make run", "build, and serve on 127.0.0.1:8000; Ctrl-C ends it"},
		{"curl -i http://127.0.0.1:8000/", "in another terminal"},
	}
	if filepath.Clean(dir) == "." { // where one is already
		lines = lines[1:]
	}
	for _, line := range lines {
		fmt.Fprintln(&b, strings.TrimRight(fmt.Sprintf("  %-32s %s", line[0], comment(line[1])), " "))
	}
	return b.String()
}

func comment(text string) string {
	if text == "" {
		return ""
	}
	return "# " + text
}

// quoted is a path as a shell takes it.
func quoted(path string) string {
	if strings.ContainsFunc(path, func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("/._-+@%", r))
	}) {
		return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
	}
	return path
}
