package main

import (
	"fmt"
	"strings"
)

// part gives what stands below a heading of the second level, up to the next one;
// below the page's title when the heading is "".
func part(page, heading string) (string, error) {
	if heading == "" {
		_, page, _ = strings.Cut(page, "\n")
	} else {
		var found bool
		if _, page, found = strings.Cut(page, "\n## "+heading+"\n"); !found {
			return "", fmt.Errorf("there is no heading %q", heading)
		}
	}
	text, _, _ := strings.Cut(page, "\n## ")
	return strings.TrimSpace(text), nil
}

// rows gives the cells of the first table in a text, without its head.
func rows(text string) ([][]string, error) {
	var table [][]string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "|") {
			if len(table) > 0 {
				break
			}
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		table = append(table, cells)
	}
	if len(table) < 3 {
		return nil, fmt.Errorf("there is no table in %.40q", text)
	}
	return table[2:], nil
}
