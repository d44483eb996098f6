package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tandem-go/tandem/internal/config"
)

var shells = []string{"bash", "zsh", "fish"}

func (p *program) completion(args []string) (int, error) {
	words, err := arguments(args, []string{"a shell: supervisor completion bash|zsh|fish"}, nil)
	if err != nil {
		return 0, err
	}
	switch words[0] {
	case "bash":
		return p.print(bash()), nil
	case "zsh":
		return p.print(zsh()), nil
	case "fish":
		return p.print(fish()), nil
	}
	return 0, usage("%q is not a shell this knows: %s", words[0], strings.Join(shells, ", "))
}

// choices are the values that can be offered for a setting.
func choices(s config.Setting) []string {
	switch s.Name {
	case "workers":
		return []string{"auto"}
	case "log-format":
		return []string{"auto", "text", "json", "journal"}
	case "log-level":
		return []string{"debug", "info", "warn", "error"}
	case "log-overflow":
		return []string{"drop", "block"}
	case "stop-signal":
		return []string{"TERM", "INT", "QUIT", "HUP", "USR1", "USR2", "WINCH", "PWR"}
	}
	return nil
}

// takesPath: files are what to offer.
func takesPath(s config.Setting) bool {
	return strings.HasPrefix(s.Arg, "PATH") || s.Arg == "DIR"
}

// offered are the commands for people.
func offered() []command {
	return slices.DeleteFunc(commands(), func(c command) bool { return c.hidden })
}

func offeredNames() []string {
	var names []string
	for _, c := range offered() {
		names = append(names, c.name)
	}
	return names
}

func settingFlags() []string {
	flags := []string{"--help", "--version"}
	for _, s := range config.All() {
		flags = append(flags, "--"+s.Name)
	}
	return flags
}

func bash() string {
	var values, subcommands strings.Builder
	var paths []string
	for _, s := range config.All() {
		if takesPath(s) {
			paths = append(paths, "--"+s.Name)
		} else if list := choices(s); list != nil {
			fmt.Fprintf(&values, "        --%s) COMPREPLY=($(compgen -W '%s' -- \"$word\")); return ;;\n", s.Name, strings.Join(list, " "))
		} else if s.Arg != "" {
			fmt.Fprintf(&values, "        --%s) return ;;\n", s.Name)
		}
	}
	for _, c := range offered() {
		list := append(slices.Clone(c.flags), c.words...)
		switch c.name {
		case "check":
			list = settingFlags()
		case "help":
			list = append(offeredNames(), c.words...)
		}
		more := ""
		if c.name == "new" {
			more = ` $(compgen -d -- "$word")`
		}
		ids := ""
		if c.ids != "" {
			ids = fmt.Sprintf(`[[ $word == -* ]] || _supervisor_offer %s; `, c.ids)
		}
		fmt.Fprintf(&subcommands, "        %s) COMPREPLY=($(compgen -W '%s' -- \"$word\")%s); %sreturn ;;\n", c.name, strings.Join(append(list, "--help"), " "), more, ids)
	}
	return fmt.Sprintf(`# bash completion of supervisor; to use it: source <(supervisor completion bash)
# The ids that the supervisor knows of which the command line speaks.
_supervisor_ids() {
    local at=() i
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
            --control=*) at=("${COMP_WORDS[i]}") ;;
            --control)
                if [[ ${COMP_WORDS[i+1]} == = ]]; then # readline has taken --control=PATH apart
                    at=(--control "${COMP_WORDS[i+2]}")
                else
                    at=(--control "${COMP_WORDS[i+1]}")
                fi ;;
        esac
    done
    "${COMP_WORDS[0]/#\~/$HOME}" complete-ids "$1" "${at[@]}" 2>/dev/null | cut -f1
}
# Offers those that begin with the word. Not by compgen -W, which would expand what is in them.
_supervisor_offer() {
    local id
    while IFS= read -r id; do
        [[ -n $id && $id == "$word"* ]] && COMPREPLY+=("$id")
    done <<<"$(_supervisor_ids "$1")"
}
_supervisor() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} i
    # readline takes --flag=word apart, at the = too
    if [[ $before == = ]]; then
        before=${COMP_WORDS[COMP_CWORD-2]}
    elif [[ $word == = ]]; then
        word=
    fi
    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        if [[ ${COMP_WORDS[i]} == -- ]]; then
            COMPREPLY=($(compgen -c -f -- "$word"))
            return
        fi
    done
    case $before in
        %s) COMPREPLY=($(compgen -f -- "$word")); return ;;
        --worker) _supervisor_offer workers; return ;;
%s    esac
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
%s        esac
    done
    COMPREPLY=($(compgen -W '%s' -- "$word"))
}
complete -o filenames -F _supervisor supervisor
`, strings.Join(paths, "|"), values.String(), indent(subcommands.String()), strings.Join(append(offeredNames(), settingFlags()...), " "))
}

func indent(text string) string {
	return "    " + strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n    ") + "\n"
}

// zshText fits a description into zsh's specs, where brackets and colons mean
// something.
var zshText = strings.NewReplacer("[", "(", "]", ")", ":", `\:`, "'", "")

func zsh() string {
	var b strings.Builder
	b.WriteString(`#compdef supervisor
# zsh completion of supervisor; to use it: source <(supervisor completion zsh)
# The ids that the supervisor knows of which the command line speaks.
_supervisor_ids() {
    local -a at ids
    local i=${words[(I)--control]} j=${words[(I)--control=*]}
    (( i > 1 && i < CURRENT )) && at=(--control ${(Q)words[i+1]})
    (( j > 1 && j < CURRENT )) && at=(${(Q)words[j]})
    ids=("${(@f)$(${(Q)~words[1]} complete-ids $1 $at 2>/dev/null)}")
    ids=("${(@)ids/$'\t'/:}")
    [[ -n $ids ]] && _describe -V $1 ids
}
_supervisor() {
    local -a commands flags
    if [[ ${words[CURRENT-1]} == --worker ]]; then
        _supervisor_ids workers
        return
    fi
    commands=(
`)
	for _, c := range offered() {
		fmt.Fprintf(&b, "        '%s:%s'\n", c.name, zshText.Replace(c.short))
	}
	b.WriteString("    )\n    flags=(\n        '--help[print help]'\n        '--version[print the version]'\n")
	for _, s := range config.All() {
		spec := fmt.Sprintf("--%s[%s]", s.Name, zshText.Replace(s.Short))
		switch {
		case takesPath(s):
			spec += ":path:_files"
		case choices(s) != nil:
			spec += ":value:(" + strings.Join(choices(s), " ") + ")"
		case s.Arg != "":
			spec += ":" + strings.ToLower(s.Arg) + ": "
		}
		if s.Repeat {
			spec = "*" + spec
		}
		fmt.Fprintf(&b, "        '%s'\n", spec)
	}
	b.WriteString("    )\n    local word\n    for word in ${words[2,CURRENT-1]}; do\n        case $word in\n            --) _normal; return ;;\n")
	for _, c := range offered() {
		switch c.name {
		case "check":
			b.WriteString("            check) _arguments $flags; return ;;\n")
		case "help":
			fmt.Fprintf(&b, "            help) _describe command commands; compadd -- %s; return ;;\n", strings.Join(c.words, " "))
		case "new":
			fmt.Fprintf(&b, "            new) compadd -- %s; _files -/; return ;;\n", strings.Join(append(slices.Clone(c.flags), "--help"), " "))
		default:
			if c.ids != "" {
				fmt.Fprintf(&b, "            %s) [[ $PREFIX == -* ]] || _supervisor_ids %s; compadd -- %s --help; return ;;\n", c.name, c.ids, strings.Join(c.flags, " "))
				continue
			}
			fmt.Fprintf(&b, "            %s) compadd -- %s; return ;;\n", c.name, strings.Join(append(append(slices.Clone(c.flags), c.words...), "--help"), " "))
		}
	}
	b.WriteString(`        esac
    done
    _arguments $flags '1: :{_describe command commands}'
}
# As a file on fpath this is the body of the function, called for a first completion.
if [[ ${funcstack[1]} == _supervisor ]]; then
    _supervisor "$@"
else
    compdef _supervisor supervisor
fi
`)
	return b.String()
}

func fish() string {
	var b strings.Builder
	b.WriteString("# fish completion of supervisor; to use it: supervisor completion fish | source\n")
	b.WriteString(`# The ids that the supervisor knows of which the command line speaks.
function __supervisor_ids
    set -l words (commandline -opc)
    set -l at
    if set -l i (contains -i -- --control $words); and test $i -lt (count $words)
        set at --control $words[(math $i + 1)]
    else
        set at (string match -r -- '^--control=.*' $words)[-1]
    end
    $words[1] complete-ids $argv[1] $at 2>/dev/null
end
complete -c supervisor -f
`)
	quote := func(s string) string { return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(s) + "'" }
	for _, c := range offered() {
		fmt.Fprintf(&b, "complete -c supervisor -n __fish_use_subcommand -a %s -d %s\n", c.name, quote(c.short))
		if c.name == "new" {
			b.WriteString("complete -c supervisor -n '__fish_seen_subcommand_from new' -a '(__fish_complete_directories)'\n")
		}
		for _, f := range c.flags {
			extra := ""
			switch f {
			case "--control", "--state-dir", "--source":
				extra = " -r -F"
			case "--worker":
				extra = " -x -a '(__supervisor_ids workers)'"
			case "--interval", "--module", "--tandem-version", "-n", "--since":
				extra = " -x"
			}
			kind := "-l"
			if !strings.HasPrefix(f, "--") {
				kind = "-s"
			}
			fmt.Fprintf(&b, "complete -c supervisor -n '__fish_seen_subcommand_from %s' %s %s%s\n", c.name, kind, strings.TrimLeft(f, "-"), extra)
		}
		if c.ids != "" {
			fmt.Fprintf(&b, "complete -c supervisor -n '__fish_seen_subcommand_from %s' -a '(__supervisor_ids %s)'\n", c.name, c.ids)
		}
		for _, w := range c.words {
			fmt.Fprintf(&b, "complete -c supervisor -n '__fish_seen_subcommand_from %s' -a %s\n", c.name, w)
		}
	}
	for _, s := range config.All() {
		extra := ""
		switch {
		case takesPath(s):
			extra = " -r -F"
		case choices(s) != nil:
			extra = " -x -a " + quote(strings.Join(choices(s), " "))
		case s.Arg != "":
			extra = " -x"
		}
		fmt.Fprintf(&b, "complete -c supervisor -n '__fish_use_subcommand; or __fish_seen_subcommand_from check' -l %s%s -d %s\n", s.Name, extra, quote(s.Short))
	}
	return b.String()
}
