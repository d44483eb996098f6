package parity_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// The programs under testdata/wrong of any package must not compile, each for the
// reason in its WANT comment and at that line.
func TestWrongProgramsDoNotCompile(t *testing.T) {
	files, err := filepath.Glob(root + "/*/testdata/wrong/*/main.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("no programs: %v", err)
	}
	args := []string{"build", "-o", os.DevNull}
	for _, f := range files {
		args = append(args, filepath.Dir(f))
	}
	cmd := exec.CommandContext(t.Context(), "go", args...)
	out, err := cmd.CombinedOutput()
	if err == nil {
		t.Fatal("all of them compile")
	}
	complaint := regexp.MustCompile(`^(\S+/testdata/wrong/\S+/main\.go):(\d+):\d+: (.*)$`)
	got := map[string]string{} // by "file:line"
	for line := range strings.Lines(string(out)) {
		if m := complaint.FindStringSubmatch(strings.TrimSpace(line)); m != nil {
			got[m[1]+":"+m[2]] += m[3]
		}
	}
	for _, f := range files {
		src, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		wants := 0
		for i, line := range strings.Split(string(src), "\n") {
			_, want, ok := strings.Cut(line, "// WANT ")
			if !ok {
				continue
			}
			wants++
			at := f + ":" + strconv.Itoa(i+1)
			if !strings.Contains(got[at], want) {
				t.Errorf("%s: the compiler says %q, want %q in it", at, got[at], want)
			}
			delete(got, at)
		}
		if wants == 0 {
			t.Errorf("%s says nothing of what is WANTed", f)
		}
	}
	for at, msg := range got {
		t.Errorf("%s: unexpected: %s", at, msg)
	}
	if t.Failed() {
		t.Logf("%s", out)
	}
}
