package config

import (
	"fmt"
	"strings"
)

// Flag is one flag of a command line.
type Flag struct {
	Name  string                  // without dashes
	Short string                  // a letter that stands for it; empty: none
	Arg   string                  // what stands for its value; "" for a switch
	Set   func(text string) error // of a switch without value: "on"
}

// ParseFlags reads args, in which flags and words may stand in any order:
// --flag value, --flag=value, --switch. It gives the words, and with found true
// what follows "--". With stop it ends at the first word, which is then
// words[0] with all that follows it. Where it meets -h or --help it returns
// [ErrHelp].
func ParseFlags(args []string, flags []Flag, stop bool) (words, command []string, found bool, err error) {
	for len(args) > 0 {
		arg := args[0]
		switch {
		case arg == "--":
			return words, args[1:], true, nil
		case arg == "-h" || arg == "--help":
			return words, nil, false, ErrHelp
		case arg == "-" || !strings.HasPrefix(arg, "-"):
			if stop {
				return args, nil, false, nil
			}
			words = append(words, arg)
			args = args[1:]
			continue
		}
		used, err := takeFlag(args, flags)
		if err != nil {
			return words, nil, false, err
		}
		args = args[used:]
	}
	return words, nil, false, nil
}

// ErrHelp says that the arguments ask for help.
var ErrHelp = usagef("help was asked for")

// takeFlag reads the flag at the start of args and says how many it took.
func takeFlag(args []string, flags []Flag) (used int, err error) {
	name, text, hasText := strings.Cut(args[0], "=")
	var flag *Flag
	for i := range flags {
		if name == "--"+flags[i].Name || flags[i].Short != "" && name == "-"+flags[i].Short {
			flag = &flags[i]
		}
	}
	switch {
	case flag == nil:
		return 0, unknownFlag(name, flags)
	case hasText:
		return 1, flag.Set(text)
	case flag.Arg == "":
		return 1, flag.Set("on")
	case len(args) < 2 || strings.HasPrefix(args[1], "--"):
		return 0, &UsageError{Setting: flag.Name, text: fmt.Sprintf("--%s needs a value: --%s %s", flag.Name, flag.Name, flag.Arg)}
	}
	return 2, flag.Set(args[1])
}

func unknownFlag(name string, flags []Flag) error {
	var names []string
	for _, f := range flags {
		names = append(names, f.Name)
	}
	if near := Nearest(strings.TrimLeft(name, "-"), append(names, "help")); near != "" {
		return usagef("unknown flag %s; did you mean --%s?", name, near)
	}
	return usagef("unknown flag %s; see --help", name)
}

// Nearest gives the name that a user who typed text most likely meant, or "".
func Nearest(text string, names []string) string {
	best, distance := "", len(text)/3+1
	for _, name := range names {
		if d := editDistance(text, name); d < distance {
			best, distance = name, d
		}
	}
	return best
}

// editDistance counts the letters to insert, remove, replace or swap with their
// neighbour that lead from a to b.
func editDistance(a, b string) int {
	before, row := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	var beforeThat []int
	for i := range len(a) {
		beforeThat, before, row = before, row, make([]int, len(b)+1)
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(before[j+1]+1, row[j]+1, before[j]+cost)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], beforeThat[j-1]+1)
			}
		}
	}
	return row[len(b)]
}
