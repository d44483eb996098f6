package cli

import (
	"strings"
	"testing"

	"github.com/tandem-go/tandem/internal/verify"
)

// TestVerdict: the last line says what is known, and what is not.
func TestVerdict(t *testing.T) {
	for want, r := range map[string]verify.Report{
		"nothing was lost":                         {Result: verify.ResultOK, Unsent: 3},
		"not verified: it fails anyway":            {Result: verify.ResultUnjudged, Wrong: 2, Problem: "it fails\nanyway"},
		"requests were lost or answered otherwise": {Result: verify.ResultFailed, Lost: 1},
		"nothing was lost, and a reload failed":    {Result: verify.ResultFailed},
		"requests were lost or answered otherwise; and not all was seen: interrupted": {Result: verify.ResultFailed, Wrong: 1, Problem: "interrupted"},
	} {
		text := verifyText(r)
		if lines := strings.Split(strings.TrimSpace(text), "\n"); lines[len(lines)-1] != want {
			t.Errorf("%q, want %q", lines[len(lines)-1], want)
		}
		if strings.Contains(text, "not sent in time") != (r.Unsent > 0) {
			t.Errorf("%d unsent:\n%s", r.Unsent, text)
		}
	}
	text := verifyText(verify.Report{Paths: []verify.PathReport{{Path: "/", Status: 200, Also: []int{503}}}})
	if !strings.Contains(text, "200 503") {
		t.Error(text)
	}
}
