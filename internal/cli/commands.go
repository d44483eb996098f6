package cli

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tandem-go/tandem/internal/config"
	"github.com/tandem-go/tandem/internal/control"
	"github.com/tandem-go/tandem/internal/printable"
)

// askTimeout bounds a call that does not wait for a reload.
const askTimeout = 15 * time.Second

// command is one command of the program. Help, completion and dispatch are read
// from the list of them.
type command struct {
	name  string
	args  string // after the name, in help
	short string
	long  string
	flags []string // its own, with dashes; completion offers them
	words []string // what completion offers as its argument
	// hidden: scripts ask it, and neither help nor completion names it.
	hidden bool
	ids    string // of what completion offers the ids as its argument
	run    func(p *program, args []string) (int, error)
}

// commands is a function because the list refers to help, and help to the list.
func commands() []command {
	return []command{
		{
			name: "status", args: "[--json]", short: "show the supervisor and its workers",
			long:  "Shows the state of the supervisor and one line for each worker; - is what is not known of a worker. With --json it prints the JSON of GET /v1/status.",
			flags: []string{"--json", "--control"}, run: (*program).status,
		},
		{
			name: "reload", args: "[--wait]", short: "start a new generation of workers",
			long:  "Reads the env file and the worker executable afresh and replaces the workers one by one. Returns at once; with --wait when the roll has ended: exit code 0, or 1 with the reason and the last words of the worker that failed, when it was undone. What takes longer than a second is said on stderr: the stage, and the workers that are waited for.",
			flags: []string{"--wait", "--control"}, run: (*program).reload,
		},
		{
			name: "upgrade", short: "run the new version of the supervisor in place",
			long:  "Runs the executable that the supervisor was started from, as it is by now, in the place of the one that runs: same process id, same sockets, workers untouched. Returns when the new one runs; exit code 1, with the reason, when it cannot take over and the old one goes on. The workers' program is not changed by that: reload does it.",
			flags: []string{"--control"}, run: (*program).upgrade,
		},
		{
			name: "scale", args: "N", short: "set the number of workers",
			long:  "Returns when the supervisor has accepted the number; status shows the workers come and go. A reload keeps the number unless the setting itself has changed.",
			flags: []string{"--control"}, run: (*program).scale,
		},
		{
			name: "stop", args: "[--now] [--wait]", short: "stop when requests are answered; --now: at once",
			long:  "Returns when the supervisor has accepted; with --wait when it has ended. Without --now workers drain first, as after SIGTERM. What takes longer than a second is said on stderr when it is waited for: which workers, and the oldest requests in flight.",
			flags: []string{"--now", "--wait", "--control"}, run: (*program).stop,
		},
		{
			name: "logs", args: "[-f] [--worker ID] [--json]", short: "show last lines of workers; -f: follow",
			long:  "Shows the last lines of each worker (at most 200, and 256 KiB) and of the supervisor itself, in the order of their time and in the form of the text log; with --json in that of the JSON log. With -f, or --follow, it goes on with what comes, through reloads and crashes, until the supervisor stops; with --worker it shows that worker only, to its end. Whoever reads slower than the lines come is told how many are missing. Exit code 1 when there is no such worker.",
			flags: []string{"-f", "--follow", "--worker", "--json", "--control"}, run: (*program).logs,
		},
		{
			name: "why", args: "[ID|WORKER] [--json]", short: "show why workers ended",
			long:  "Lists the workers that ended abnormally, the newest first; with the ID of a record, or the number of a worker, shows all that is kept of its end: cause, requests in flight, last lines, goroutines. Where no supervisor answers it reads what one of the same --control has left in its state directory (--state-dir, as the supervisor was given it), and says so on stderr; the exit code is 0 then too, also when nothing is there. Exit code 1 when there is no such record.",
			flags: []string{"--json", "--state-dir", "--control"}, ids: idRecords, run: (*program).why,
		},
		{
			name: "timeline", args: "[-f] [--since WHEN] [--json]", short: "show what changed, why, who asked",
			long:  "Shows the last changes of state (-n N, 40; 0: all), the oldest first: when, what and why, and who asked for it; with --json one JSON object a line. --since WHEN shows all since a time (2026-11-29T11:00:00Z, or in local time 2026-11-29, \"2026-11-29 11:00\", 11:00) or for a length of time (30m, 90s). With -f, or --follow, it goes on with what comes, also over an upgrade in place, until the supervisor stops. Where no supervisor answers it reads what one of the same --control has left in its state directory (--state-dir, as the supervisor was given it), and says so on stderr; the exit code is 0 then too, also when nothing is there. With -f it fails instead, with 1.",
			flags: []string{"-f", "--follow", "-n", "--since", "--json", "--state-dir", "--control"}, run: (*program).timeline,
		},
		{
			name: "top", args: "[--once]", short: "watch workers, requests and events",
			long:  "Shows the supervisor and its workers on a full screen of at least 80x24, anew every second or --interval TIME (at least 100ms): requests a second, latencies, permits, memory, the oldest requests in flight, and events as they happen. Keys: ? for help, r reload, + and - scale, l the log of a worker, w why one has ended, q quit. What changes something asks first. It goes on when the supervisor is restarted or upgraded. With --once, or where standard output is no terminal, it prints one plain table. NO_COLOR is respected.",
			flags: []string{"--interval", "--once", "--control"}, run: (*program).top,
		},
		{
			name: "verify-reload", args: "[flags]", short: "reload under load, and say what that cost",
			long:  "Sends GET requests to the service that runs, repeats none that fails, reloads it, and reports what was lost, wrong, late or closed, and what caused it. It goes to the supervisor's first listener, with --url elsewhere: to an address that is not this machine's only with --yes. --path PATH (/; may be repeated), which must answer below 400 unless --expect STATUS says otherwise, is asked for by --clients N (8) that keep their connections and --short N (4) that do not, with --rate N requests a second in all (100), over --reloads N (3). A request has --timeout TIME (30s), all of it --within TIME (5m). Exit code 0 when nothing was lost and every answer had the status of before; 1 otherwise, or when a reload failed; 5 when neither can be said: requests fail without a reload, or do not come to this service, or not all was seen. See docs/verify-reload.md.",
			flags: []string{"--path", "--expect", "--reloads", "--url", "--clients", "--short", "--rate", "--timeout", "--within", "--insecure", "--yes", "--json", "--control"}, run: (*program).verifyReload,
		},
		{
			name: "check", args: "[flags] [-- CMD]", short: "check the settings and show where each is from",
			long: "Takes the flags of the supervisor itself, starts nothing, and prints every effective value and its origin, what was ignored, and what will be: workers and what each gets, descriptors, connections to the database, how long a stop takes. It warns of what will hurt, which does not change the exit code. Exit code 0, or 2 when the supervisor would not start with these settings or has no worker executable, also where that is a script whose interpreter is not there. Values of the env file that are not settings are never shown.",
			run:  (*program).check,
		},
		{
			name: "new", args: "DIR [--module PATH]", short: "write a first app of your own",
			long:  "Writes a web application into DIR, which must not be there yet or be empty: a sync and an async view, a test, go.mod, Makefile, systemd unit, Dockerfile. Its module is example.org/ and the name of DIR, or --module. It asks the go command for the modules, which may download them; when that fails, nothing is left behind. Tandem is taken from where it is hosted, at the version of this program; a development build takes the source that it lies in, if nobody else may write to that. --tandem-version VERSION or --source DIR say it otherwise. Exit code 2 when DIR is not empty or a name is not valid.",
			flags: []string{"--module", "--source", "--tandem-version"}, run: (*program).newApp,
		},
		{name: "version", short: "print the version", long: "Prints the version of supervisor and of Go.", run: (*program).version},
		{
			name: "completion", args: "bash|zsh|fish", short: "print a completion script for a shell",
			long:  "To use it: source <(supervisor completion bash); in zsh: source <(supervisor completion zsh), after compinit; in fish: supervisor completion fish | source.",
			words: shells, run: (*program).completion,
		},
		{name: "help", args: "[COMMAND|flags]", short: "print this, or more about a command", long: "Prints the list of commands, or more about one command, or with flags all settings of the supervisor.", words: []string{"flags"}, run: (*program).help},
		{name: "complete-ids", hidden: true, short: "for the completion scripts", run: (*program).ids},
	}
}

// asks: the command talks to a supervisor that runs.
func (c command) asks() bool { return slices.Contains(c.flags, "--control") }

func lookup(name string) (command, bool) {
	for _, c := range commands() {
		if c.name == name {
			return c, true
		}
	}
	return command{}, false
}

func commandNames() []string {
	var names []string
	for _, c := range commands() {
		if !c.hidden {
			names = append(names, c.name)
		}
	}
	return names
}

// client reads a command's arguments, of which --control is always one and the
// switches are its own, and gives a client of the supervisor that they name. Of
// words there must be as many as want has names.
func (p *program) client(args []string, want []string, switches map[string]*bool) (*control.Client, []string, error) {
	var path string
	flags := []config.Flag{{Name: "control", Arg: "PATH", Set: func(text string) error {
		path = text
		if text == "" {
			return usage("--control: give the path of the supervisor's control socket")
		}
		return nil
	}}}
	for name, on := range switches {
		flags = append(flags, config.Flag{Name: name, Set: func(text string) error {
			var s config.Switch
			if err := s.Set(text); err != nil {
				return usage("--%s: %q %v", name, text, err)
			}
			*on = bool(s)
			return nil
		}})
	}
	words, err := arguments(args, want, flags)
	if err != nil {
		return nil, nil, err
	}
	if path, err = config.ControlPath(path, p.environ); err != nil {
		return nil, nil, err
	}
	return control.NewClient(path), words, nil
}

// arguments reads flags, and exactly the words that are wanted.
func arguments(args, want []string, flags []config.Flag) ([]string, error) {
	words, command, _, err := config.ParseFlags(args, flags, false)
	if err != nil {
		return nil, err
	}
	words = append(words, command...)
	switch {
	case len(words) < len(want):
		return nil, usage("needs %s", want[len(words)])
	case len(words) > len(want):
		return nil, usage("unexpected argument %q", words[len(want)])
	}
	return words, nil
}

func (p *program) reload(args []string) (int, error) {
	var wait bool
	client, _, err := p.client(args, nil, map[string]*bool{"wait": &wait})
	if err != nil {
		return 0, err
	}
	ctx := context.Background()
	if !wait { // with it, the supervisor's own bound on a roll counts
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, askTimeout)
		defer cancel()
	}
	over := func() {}
	if wait {
		over = p.showProgress("reload", client)
	}
	result, err := client.Reload(ctx, wait)
	over()
	if err != nil {
		return 0, err
	}
	switch result.Result {
	case control.ResultOK:
		return p.print(fmt.Sprintf("reloaded: generation %d serves\n", result.Generation)), nil
	case control.ResultAccepted:
		return p.print("reload accepted; supervisor status shows how it goes\n"), nil
	}
	fmt.Fprintf(p.stderr, "supervisor: reload: failed and undone: %s\n", printable.Line(result.Error))
	if len(result.LastWords) > 0 {
		fmt.Fprint(p.stderr, lastWords(result.LastWords))
	}
	fmt.Fprintf(p.stderr, "supervisor: reload: the old workers serve on; %s\n", afterUndone(result))
	return exitFailure, nil
}

// afterUndone says where to look for why a reload was undone.
func afterUndone(r control.ReloadResult) string {
	if len(r.LastWords) > 0 {
		return "supervisor why shows all that is kept of the worker that failed, supervisor logs what went on"
	}
	return "supervisor why shows a worker that died, supervisor logs what went on, supervisor check a setting that is wrong"
}

// lastWords shows what the worker that failed a reload wrote last.
func lastWords(lines []string) string {
	var b strings.Builder
	b.WriteString("last words of the worker that failed:\n")
	for _, line := range lines {
		fmt.Fprintf(&b, "  %s\n", printable.Line(line))
	}
	return b.String()
}

func (p *program) scale(args []string) (int, error) {
	client, words, err := p.client(args, []string{"the number of workers: supervisor scale N"}, nil)
	if err != nil {
		return 0, err
	}
	n, err := strconv.Atoi(words[0])
	if err != nil || n < 1 || n > config.MaxWorkers {
		return 0, usage("%q is not a number of workers from 1 to %d", words[0], config.MaxWorkers)
	}
	ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
	defer cancel()
	if err := client.Scale(ctx, n); err != nil {
		return 0, err
	}
	return p.print(fmt.Sprintf("scaling to %s\n", plural(n, "worker"))), nil
}

func (p *program) stop(args []string) (int, error) {
	var now, wait bool
	client, _, err := p.client(args, nil, map[string]*bool{"now": &now, "wait": &wait})
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
	defer cancel()
	if wait {
		return p.stopAndWait(ctx, client, now)
	}
	if err := client.Stop(ctx, now); err != nil {
		return 0, err
	}
	if now {
		return p.print("stopping at once\n"), nil
	}
	return p.print("stopping when requests in progress have been answered\n"), nil
}

func (p *program) version(args []string) (int, error) {
	if _, err := arguments(args, nil, nil); err != nil {
		return 0, err
	}
	return p.print(versionLine()), nil
}

func (p *program) help(args []string) (int, error) {
	if len(args) == 0 {
		return p.print(Help()), nil
	}
	words, err := arguments(args, []string{"a command"}, nil)
	if err != nil {
		return 0, err
	}
	if words[0] == "flags" {
		return p.print(helpFlags()), nil
	}
	c, ok := lookup(words[0])
	if !ok {
		hint := "see supervisor help"
		if near := config.Nearest(words[0], commandNames()); near != "" {
			hint = "did you mean " + near + "?"
		}
		return 0, usage("unknown command %q; %s", words[0], hint)
	}
	return p.print(c.help()), nil
}

func plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// help is what help COMMAND prints.
func (c command) help() string {
	line := strings.TrimSpace("supervisor " + c.name + " " + c.args)
	var b strings.Builder
	fmt.Fprintf(&b, "Usage: %s\n\n%s", line, config.Wrap(c.long, 80, ""))
	if c.asks() {
		b.WriteString("\nThe supervisor is found by --control PATH, else SUPERVISOR_CONTROL, else where\nit puts its socket by default.\n")
	}
	return b.String()
}
