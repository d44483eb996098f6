package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestIncludeGo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.go")
	source := "package a\n\n// One is one.\ntype One struct{ n int }\n\n// Add adds.\nfunc (o *One) Add() {\n\to.n++\n}\n\nfunc plain() {}\n"
	if err := os.WriteFile(path, []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	page := "# X\n<!-- go: " + path + " plain One.Add -->\nold\n<!-- end of go -->\nafter\n"
	want := "# X\n<!-- go: " + path + " plain One.Add -->\n\n```go\nfunc plain() {}\n\n// Add adds.\nfunc (o *One) Add() {\n\to.n++\n}\n```\n\n<!-- end of go -->\nafter\n"
	for range 2 { // the second time changes nothing
		made, err := includeGo([]byte(page))
		if err != nil || string(made) != want {
			t.Fatalf("%v\n%s", err, made)
		}
		page = string(made)
	}
	for _, name := range []string{"gone", "One.gone"} {
		bad := strings.Replace(page, "plain One.Add", name, 1)
		if _, err := includeGo([]byte(bad)); err == nil || !strings.Contains(err.Error(), "no declaration of "+name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
