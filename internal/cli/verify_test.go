package cli

import (
	"strings"
	"testing"

	"github.com/tandem-go/tandem/internal/verify"
)

// TestVerdict: the last line says what is known, and what is not.
func TestVerdict(t *testing.T) {
	for _, c := range []struct {
		want string
		r    verify.Report
	}{
		{"nothing was lost", verify.Report{Result: verify.ResultOK, Unsent: 3}},
		{"not verified: it fails anyway", verify.Report{Result: verify.ResultUnjudged, Wrong: 2, Problem: "it fails\nanyway"}},
		{"requests were lost or answered otherwise", verify.Report{Result: verify.ResultFailed, Lost: 1}},
		{"nothing was lost, and a reload failed", verify.Report{Result: verify.ResultFailed}},
		{"requests were lost or answered otherwise; and not all was seen: interrupted", verify.Report{Result: verify.ResultFailed, Wrong: 1, Problem: "interrupted"}},
	} {
		text := verifyText(c.r)
		if lines := strings.Split(strings.TrimSpace(text), "\n"); lines[len(lines)-1] != c.want {
			t.Errorf("%q, want %q", lines[len(lines)-1], c.want)
		}
		if strings.Contains(text, "not sent in time") != (c.r.Unsent > 0) {
			t.Errorf("%d unsent:\n%s", c.r.Unsent, text)
		}
	}
	text := verifyText(verify.Report{Paths: []verify.PathReport{{Path: "/", Status: 200, Also: []int{503}}}})
	if !strings.Contains(text, "200 503") {
		t.Error(text)
	}
}
