package main

import (
	"fmt"
	"os"
	"regexp"
	"strings"

	"github.com/tandem-go/tandem/internal/cli"
	"github.com/tandem-go/tandem/internal/config"
)

// supervisorManual makes supervisor(1) of the help, the settings and the tables of
// docs/signals.md.
func supervisorManual([]byte) ([]byte, error) {
	usage, about, err := opening(cli.Help())
	if err != nil {
		return nil, fmt.Errorf("the help of supervisor: %w", err)
	}
	m := newManual("supervisor", 1, "keep workers ready behind one socket")
	m.section("SYNOPSIS")
	m.synopsis(usage)
	m.section("DESCRIPTION")
	m.paragraphs(about)
	m.paragraphs("A worker is any program that systemd can socket-activate. The supervisor owns the listening sockets, starts the workers, keeps them up, replaces them without losing a request, gathers their output line by line, and keeps why they ended. A reload in which a new worker fails is undone, and the old workers go on.\n\nIt runs in the foreground, and is asked by the commands below or by signals.")

	m.section("COMMANDS")
	for _, c := range cli.Commands() {
		name, arguments, _ := strings.Cut(c.Usage, " ")
		m.item(strings.TrimSpace("`"+name+"` "+arguments), c.About)
	}
	m.paragraphs("A command finds the supervisor by `--control` PATH, else by `SUPERVISOR_CONTROL`, else where a supervisor of the same user puts its socket by default. It exits with 0 when it was done, 1 when it failed, and 2 when it was not understood.")

	reference := config.Markdown()
	intro, err := part(reference, "")
	if err != nil {
		return nil, err
	}
	m.section("OPTIONS")
	m.paragraphs(intro)
	for _, s := range config.All() {
		m.item(strings.TrimSpace("`--"+s.Name+"` "+s.Arg), described(s)+" "+origin(s, "`"+s.Env+"`"))
	}

	workers, err := part(reference, "The environment of a worker")
	if err != nil {
		return nil, err
	}
	m.section("ENVIRONMENT OF A WORKER")
	m.paragraphs(workers)

	page, err := os.ReadFile("docs/signals.md")
	if err != nil {
		return nil, err
	}
	for _, of := range []struct{ title, heading string }{{"SIGNALS", ""}, {"EXIT STATUS", "Exit status of the supervisor"}} {
		text, err := part(string(page), of.heading)
		if err != nil {
			return nil, fmt.Errorf("docs/signals.md: %w", err)
		}
		table, err := rows(text)
		if err != nil {
			return nil, fmt.Errorf("docs/signals.md: %w", err)
		}
		m.section(of.title)
		for _, row := range table {
			m.item("`"+row[0]+"`", row[1]+".")
		}
	}

	m.section("FILES")
	m.item("`/etc/tandem/tandem.env`", "Settings of the service `tandem.service`, see tandem.env(5).")
	m.item("`/run/tandem/supervisor.sock`", "Its control socket.")
	m.item("`/var/lib/tandem`", "Its working directory, and records of workers that ended abnormally.")
	m.section("EXAMPLES")
	m.paragraphs("Four workers of a program of your own:")
	m.verbatim("supervisor --workers 4 --bind :8000 -- ./yours")
	m.paragraphs("A new version of it, and what to do when it was refused:")
	m.verbatim("supervisor reload --wait || supervisor why")
	m.paragraphs("The service of the package:")
	m.verbatim("systemctl reload tandem", "supervisor status --control /run/tandem/supervisor.sock")
	m.section("SEE ALSO")
	m.paragraphs("app(1), tandem.env(5), systemd.socket(5), sd_notify(3)")
	return []byte(m.b.String()), nil
}

// environmentManual makes tandem.env(5) of the settings of both programs.
func environmentManual([]byte) ([]byte, error) {
	form, err := part(config.Markdown(), "The env file")
	if err != nil {
		return nil, err
	}
	blocks, err := helpOf("help")
	if err != nil {
		return nil, err
	}
	m := newManual("tandem.env", 5, "settings of the service tandem")
	m.section("DESCRIPTION")
	m.paragraphs("`/etc/tandem/tandem.env` has the settings of the supervisor and of its workers, where they run as the service `tandem.service`. It is read at the start and again at each reload, by the service's own user.")
	m.paragraphs("To change it: edit it, look for mistakes by `supervisor check --env-file /etc/tandem/tandem.env`, and `systemctl reload tandem`. A reload with a mistake in it fails with the name of the setting, and changes nothing. Settings of the supervisor that do not follow at a reload want `systemctl restart tandem`. The listening address is in `tandem.socket`.")
	m.section("FORM")
	m.paragraphs(form)
	m.section("SETTINGS OF THE SUPERVISOR")
	for _, s := range config.All() {
		if s.Name == "env-file" { // it would name itself
			continue
		}
		m.item("`"+s.Env+"`="+argument(s), described(s)+" "+origin(s, ""))
	}
	m.section("SETTINGS OF APP")
	for _, block := range blocks {
		for _, i := range block.items {
			if strings.HasPrefix(i.term, "APP_") {
				m.item("`"+i.term+"`", sentence(i.about))
			}
		}
	}
	m.paragraphs("A program of your own that runs instead of app(1) has settings of its own: any other key goes to the workers as it is.")
	m.section("SEE ALSO")
	m.paragraphs("supervisor(1), app(1)")
	return []byte(m.b.String()), nil
}

// opening gives the lines of usage of a help text, and the paragraph below them.
func opening(help string) (usage []string, about string, err error) {
	lines, rest, _ := strings.Cut(help, "\n\n")
	if !strings.HasPrefix(lines, "Usage: ") {
		return nil, "", fmt.Errorf("it does not begin with Usage: but with %.40q", lines)
	}
	for line := range strings.Lines(strings.TrimPrefix(lines, "Usage: ")) {
		usage = append(usage, strings.TrimSpace(line))
	}
	about, _, _ = strings.Cut(rest, "\n\n")
	return usage, about, nil
}

// synopsis writes lines that begin with the name of a program.
func (m *manual) synopsis(usage []string) {
	for i, line := range usage {
		if i > 0 {
			m.b.WriteString(".br\n")
		}
		name, arguments, _ := strings.Cut(line, " ")
		m.b.WriteString(roff(strings.TrimSpace("`"+name+"` "+arguments)) + "\n")
	}
}

var quoted = regexp.MustCompile(`'([^']+)'`)

// described gives what a setting is, in sentences.
func described(s config.Setting) string {
	return sentence(s.Short) + strings.TrimRight(" "+quoted.ReplaceAllString(s.Doc, "`$1`"), " ")
}

// origin says what a setting is without being set, when it is read, and by which
// variable, unless that is "".
func origin(s config.Setting, variable string) string {
	text := "Default: not set."
	switch {
	case s.Default != "":
		text = "Default: `" + s.Default + "`."
	case s.Auto != "":
		text = "Default: " + s.Auto + "."
	}
	if s.Repeat && variable != "" {
		text += " May be repeated."
	}
	if s.Live {
		text += " Follows at a reload."
	}
	if variable != "" {
		text += " Variable: " + variable + "."
	}
	return text
}

func argument(s config.Setting) string {
	if s.Arg == "" {
		return "on|off"
	}
	return s.Arg
}

func sentence(text string) string {
	return strings.ToUpper(text[:1]) + strings.TrimSuffix(text[1:], ".") + "."
}
