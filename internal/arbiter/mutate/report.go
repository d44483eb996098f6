package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// invariants are those of the simulation, by the names with which they break.
var invariants = []struct{ name, says string }{
	{"I0", "actions come in their documented order"},
	{"I1", "the core knows exactly the processes that there are, and their states"},
	{"I2", "nobody is ended before time, and no drain costs capacity"},
	{"I3", "never more than N and the surge; no overlap at rest"},
	{"I4", "nothing lasts beyond its bound, and nothing wakes in vain"},
	{"I5", "start, stop and exit happen once, in order, with the right code"},
	{"I6", "strangers and repetitions do nothing"},
	{"I7", "a reload commits whole or is undone for a cause"},
	{"I8", "who is stopped is left alone, and woken in a stop"},
	{"I9", "recycling: one at a time, at full strength, the right one, and it happens"},
	{"I10", "back-off and degraded follow the budgets exactly"},
	{"I11", "a restored core does what the original does"},
	{"I12", "capacity is kept up, and a roll goes on"},
	{"I13", "each reload that is asked for is answered once"},
	{"I14", "each generation is released once, in time"},
	{"L1", "when the faults stop, the service comes to rest as it should be"},
}

// report prints what became of the mutants, and says whether that is as it
// should be. Of a part of them it cannot say what is missing.
func report(all []*mutant, reasons map[string]string, part bool) bool {
	ok := true
	wrong := func(format string, args ...any) {
		ok = false
		fmt.Printf("WRONG: "+format+"\n", args...)
	}
	kills, alone := map[string][]*mutant{}, map[string]int{}
	var invalid, bySimulation, byTests, equivalent int
	known := map[string]bool{}
	for _, m := range all {
		known[m.name] = true
		_, listed := reasons[m.name]
		switch {
		case m.fate.invalid:
			invalid++
			if m.wants != "" {
				wrong("%s does not compile", m.name)
			}
		case len(m.fate.bites) > 0:
			bySimulation++
			for name := range m.fate.bites {
				kills[name] = append(kills[name], m)
				if len(m.fate.bites) == 1 {
					alone[name]++
				}
			}
		case m.fate.killed():
			byTests++
		case listed:
			equivalent++
		default:
			wrong("survived: %s", m.name)
		}
		if m.wants != "" && m.fate.bites[m.wants] == 0 {
			wrong("%s should break %s; it broke: %v", m.name, m.wants, m.fate)
		}
		if listed && m.fate.killed() {
			wrong("%s is in equivalent.txt and was killed: %v", m.name, m.fate)
		}
	}
	fmt.Printf("%d mutants: %d killed by the simulation, %d by other tests, %d equivalent, %d do not compile\n\n",
		len(all), bySimulation, byTests, equivalent, invalid)
	fmt.Printf("%-4s %6s %6s  %s\n", "", "kills", "alone", "invariant (the first that broke in some history), and a mutant that it kills")
	for _, i := range invariants {
		example := "-"
		slices.SortStableFunc(kills[i.name], func(a, b *mutant) int { return tell(a, i.name) - tell(b, i.name) })
		if len(kills[i.name]) > 0 {
			example = kills[i.name][0].name
		}
		fmt.Printf("%-4s %6d %6d  %s\n%20s%s\n", i.name, len(kills[i.name]), alone[i.name], i.says, "", example)
		if len(kills[i.name]) == 0 && !part {
			wrong("%s kills nothing: it does not bite", i.name)
		}
	}
	for name := range kills {
		if !slices.ContainsFunc(invariants, func(i struct{ name, says string }) bool { return i.name == name }) {
			wrong("the simulation has an invariant %q that is not in the list", name)
		}
	}
	if !part {
		for name := range reasons {
			if !known[name] {
				wrong("equivalent.txt names what is no mutant any more: %s", name)
			}
		}
	}
	return ok
}

// unfinished prints what a run that was cut short has come to: who has survived so
// far, and how many mutants of which file nobody has looked at.
func unfinished(all []*mutant) {
	left := map[string]int{}
	for _, m := range all {
		if !m.tried {
			left[m.file]++
		} else if !m.fate.killed() {
			fmt.Printf("survived: %s\n", m.name)
		}
	}
	for _, file := range slices.Sorted(maps.Keys(left)) {
		fmt.Printf("not looked at: %d mutants of %s\n", left[file], file)
	}
}

// tell ranks mutants by how well they show that an invariant bites: a meant one
// first, then one that breaks nothing else.
func tell(m *mutant, name string) int {
	rank := 10 * len(m.fate.bites)
	if m.wants == name {
		rank = 0
	}
	if strings.HasPrefix(m.name, "meant: ") {
		rank--
	}
	return rank
}
