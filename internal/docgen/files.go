package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
)

// included is a marker with the path of a file, what stands below it, and the end.
var included = regexp.MustCompile(`(?s)<!-- file: (\S+) -->\n.*?<!-- end of file -->\n`)

// includeFiles puts the files that a page names between its markers.
func includeFiles(page []byte) ([]byte, error) {
	var failed error
	made := included.ReplaceAllFunc(page, func(was []byte) []byte {
		path := string(included.FindSubmatch(was)[1])
		text, err := os.ReadFile(filepath.FromSlash(path))
		if err != nil {
			failed = err
		}
		return fmt.Appendf(nil, "<!-- file: %s -->\n\n```text\n%s\n```\n\n<!-- end of file -->\n", path, bytes.TrimRight(text, "\n"))
	})
	return made, failed
}
