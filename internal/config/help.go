package config

import (
	"fmt"
	"regexp"
	"strings"
)

// Help lists the flags, one on a line of at most 80 columns.
func Help() string {
	var b strings.Builder
	for _, s := range all {
		text := s.Short
		if s.Default != "" {
			text += " [" + s.Default + "]"
		}
		fmt.Fprintf(&b, "  %-24s %s\n", s.usage(), text)
	}
	return b.String()
}

// usage is the flag with its argument.
func (s Setting) usage() string {
	if s.Arg == "" {
		return "--" + s.Name
	}
	return "--" + s.Name + " " + s.Arg
}

// Wrap breaks text into lines of at most width columns; all but the first begin
// with indent. The text ends with a line break.
func Wrap(text string, width int, indent string) string {
	var b strings.Builder
	lead := text[:len(text)-len(strings.TrimLeft(text, " "))]
	line := lead
	for word := range strings.FieldsSeq(text) {
		if len(strings.TrimSpace(line)) > 0 && len(line)+1+len(word) > width {
			b.WriteString(line + "\n")
			line = indent
		}
		if len(strings.TrimSpace(line)) > 0 {
			line += " "
		}
		line += word
	}
	b.WriteString(line + "\n")
	return b.String()
}

var quoted = regexp.MustCompile(`'([^']+)'`)

// Markdown is the reference page of the settings.
func Markdown() string {
	var b strings.Builder
	b.WriteString(markdownHead)
	for _, s := range all {
		fmt.Fprintf(&b, "\n### --%s\n\n", s.Name)
		fmt.Fprintf(&b, "`%s` · `%s=%s`", s.usage(), s.Env, orOnOff(s.Arg))
		switch {
		case s.Default != "":
			fmt.Fprintf(&b, " · default `%s`", s.Default)
		case s.Auto != "":
			fmt.Fprintf(&b, " · default: %s", s.Auto)
		default:
			b.WriteString(" · default: not set")
		}
		if s.Repeat {
			b.WriteString(" · may be repeated")
		}
		if s.Live {
			b.WriteString(" · follows at a reload")
		}
		b.WriteString("\n\n")
		text := strings.ToUpper(s.Short[:1]) + s.Short[1:] + "."
		if s.Doc != "" {
			text += " " + s.Doc
		}
		b.WriteString(Wrap(quoted.ReplaceAllString(text, "`$1`"), 110, ""))
	}
	b.WriteString(markdownTail)
	return b.String()
}

func orOnOff(arg string) string {
	if arg == "" {
		return "on|off"
	}
	return arg
}

const markdownHead = `# Settings of the supervisor

Every setting is a flag and a variable: ` + "`--graceful-timeout 10s` is `SUPERVISOR_GRACEFUL_TIMEOUT=10s`" + `, in the
environment or in the env file. A flag wins over the environment, the environment over the env file, and that
over the default. Of a flag that is given twice the last counts, unless it may be repeated.
` + "`supervisor check`" + ` takes the same flags and prints every effective value and where it comes from.

A mistake is one line on stderr and exit code 2. A variable that begins with ` + "`SUPERVISOR_`" + ` and is no setting is
a mistake too, except for what others inject: the links of a Kubernetes service (` + "`*_SERVICE_HOST`, `*_SERVICE_PORT*`,\n`*_PORT`, `*_PORT_<n>_*`" + `, with values of that form) and the four of supervisord (` + "`SUPERVISOR_ENABLED`,\n`SUPERVISOR_PROCESS_NAME`, `SUPERVISOR_GROUP_NAME`, `SUPERVISOR_SERVER_URL`" + `). An empty value is a value;
to have the default, leave the variable out. Only an empty ` + "`PORT` or `WEB_CONCURRENCY`" + ` counts as left out.

TIME is ` + "`30s`, `1m30s`, `500ms`" + `, or a bare number of seconds. SIZE is a number of bytes, or has a unit: K, Ki and
KiB are 1024 bytes (M, G and T likewise), KB is 1000.

At a reload the env file is read again; flags and environment are what they were at the start. A setting that does
not follow at a reload must not differ then: the reload is refused and says which one it was.

## Settings
`

const markdownTail = `
## The env file

One ` + "`KEY=VALUE`" + ` on a line. Blank lines and lines that begin with ` + "`#`" + ` are skipped, and a leading ` + "`export `" + ` is too.
Spaces around key and value do not count. A value in single quotes is taken as it is. In double quotes ` + "`\\n`, `\\r` and `\\t`" + `
are control characters, and ` + "`\\`" + ` takes the meaning of a following quote, backquote, dollar or ` + "`\\`" + ` away. Without quotes the value
ends with the line; a ` + "`#`" + ` in it is part of it. Nothing is expanded. Of a key that is set twice the later line counts.

Its ` + "`SUPERVISOR_*`" + ` keys are settings of the supervisor. All other keys go to the workers, unless the environment has
the key already: then the environment wins, and ` + "`check`" + ` says so. The file is a regular file of at most 1 MiB. Nothing
ever prints its values.

## The environment of a worker

Workers get the environment of the supervisor without ` + "`SUPERVISOR_*`, `TANDEM_*`, `LISTEN_*`, `WATCHDOG_*`," + `
` + "`NOTIFY_SOCKET`, `FDSTORE`, `MAINPID`, `MANAGERPID`, `MANAGERPIDFDID`, `SYSTEMD_EXEC_PID`, `INVOCATION_ID`" + ` and
` + "`JOURNAL_STREAM`" + `, which describe the supervisor's own process; then the keys of the env file; then what the supervisor
tells each worker itself. What systemd says about the service as a whole, such as ` + "`RUNTIME_DIRECTORY`" + ` and
` + "`CREDENTIALS_DIRECTORY`" + `, stays.
`
