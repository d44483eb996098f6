package main

import (
	"errors"
	"fmt"
	"os/exec"
	"strings"
)

// block is a paragraph of a help text, or a list in it.
type block struct {
	text  string
	items []item
}

type item struct{ term, about string }

// helpOf asks the application for its help, which is where its commands and
// settings are described, and gives its blocks.
func helpOf(args ...string) ([]block, error) {
	what := strings.Join(args, " ")
	out, err := exec.Command("go", append([]string{"run", "./cmd/app"}, args...)...).Output()
	if err != nil {
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			err = fmt.Errorf("%w: %s", err, exit.Stderr)
		}
		return nil, fmt.Errorf("ask app %s: %w", what, err)
	}
	blocks, err := blocksOf(string(out))
	if err != nil {
		return nil, fmt.Errorf("app %s: %w", what, err)
	}
	return blocks, nil
}

// blocksOf takes a help text apart. In it blank lines stand between blocks, and the
// lines of a list begin with two spaces, a term, and two spaces or more.
func blocksOf(help string) ([]block, error) {
	var blocks []block
	for text := range strings.SplitSeq(strings.TrimSpace(help), "\n\n") {
		if !strings.HasPrefix(text, "  ") {
			blocks = append(blocks, block{text: text})
			continue
		}
		var list block
		for line := range strings.Lines(text) {
			term, about, found := strings.Cut(strings.TrimSpace(line), "  ")
			if !strings.HasPrefix(line, "  ") || !found {
				return nil, fmt.Errorf("not a line of a list: %q", line)
			}
			list.items = append(list.items, item{term, strings.TrimSpace(about)})
		}
		blocks = append(blocks, list)
	}
	if !strings.HasPrefix(blocks[0].text, "Usage: ") {
		return nil, fmt.Errorf("it does not begin with Usage: but with %.40q", blocks[0].text)
	}
	return blocks, nil
}

// appManual makes app(1) of its help and that of its commands.
func appManual([]byte) ([]byte, error) {
	all, err := helpOf("help")
	if err != nil {
		return nil, err
	}
	if len(all) != 4 || all[1].items == nil || all[3].items == nil {
		return nil, errors.New("app help is not usage, commands, a line and settings any more")
	}
	usage := []string{strings.TrimPrefix(all[0].text, "Usage: ")}
	commands := []string{"migrate", "seed"}
	more := map[string][]block{}
	for _, command := range commands {
		if more[command], err = helpOf(command, "--help"); err != nil {
			return nil, err
		}
		usage = append(usage, strings.TrimPrefix(more[command][0].text, "Usage: "))
	}

	m := newManual("app", 1, "the reference application of Tandem")
	m.section("SYNOPSIS")
	m.synopsis(usage)
	m.section("DESCRIPTION")
	m.paragraphs("A web application with sync and async views side by side. It runs as a worker of supervisor(1), which starts it where no other program is named, or alone. On TERM it answers the requests that it has, and ends.")
	m.section("COMMANDS")
	m.items(all[1].items)
	for _, command := range commands {
		m.subsection(command)
		for _, b := range more[command][1:] {
			if b.items != nil {
				m.items(b.items)
			} else {
				m.paragraphs(b.text)
			}
		}
	}
	m.section("ENVIRONMENT")
	m.paragraphs(all[2].text)
	m.items(all[3].items)
	m.section("EXIT STATUS")
	m.item("`0`", "Ended as asked.")
	m.item("`1`", "Failed.")
	m.item("`2`", "Usage or configuration; one line says which setting.")
	m.section("FILES")
	m.item("`var/app.db`", "The default database, made and filled below the working directory; for the service `tandem.service` that is `/var/lib/tandem`.")
	m.section("SEE ALSO")
	m.paragraphs("supervisor(1), tandem.env(5)")
	return []byte(m.b.String()), nil
}

func (m *manual) items(list []item) {
	for _, i := range list {
		m.item("`"+i.term+"`", sentence(i.about))
	}
}
