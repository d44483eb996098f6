package conformance

import (
	"testing"

	"github.com/tandem-go/tandem/test/conformance/raw"
)

// What the suites have of limits of size is judged apart: a limit is a setting.
func TestLimitsOfSizeAreKept(t *testing.T) {
	for _, tls := range []bool{false, true} {
		t.Run(transport(tls), func(t *testing.T) {
			t.Parallel()
			// gunicorn counts the line end too.
			settings := []string{"-request-line", "4092", "-header-line", "8188", "-headers", "100"}
			var encrypted []string
			if tls {
				encrypted = []string{"-tls"}
			}
			for _, suite := range []struct {
				name  string
				args  []string
				cases int
				run   func(raw.Target) ([]verdict, error)
			}{
				{"Http11Probe, with a worker's own limits", nil, 5, func(at raw.Target) ([]verdict, error) { return http11ProbeOf(at, true) }},
				{"gunicorn's corpus, with its limits", settings, 6, gunicornLimits},
			} {
				t.Run(suite.name, func(t *testing.T) {
					verdicts, err := suite.run(raw.Target{Addr: start(t, append(suite.args, encrypted...)...).Addr, TLS: tls})
					if err != nil {
						t.Fatal(err)
					}
					if len(verdicts) != suite.cases {
						t.Errorf("%d cases, want %d", len(verdicts), suite.cases)
					}
					judge(t, verdicts, nil)
				})
			}
		})
	}
}
