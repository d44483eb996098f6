package process

import "testing"

func TestStandstillReadsTheLetterBehindTheName(t *testing.T) {
	for line, want := range map[string]Standstill{
		"4711 (app) S 1 4711 4711 0 -1":         Running,
		"4711 (app) R 1 4711":                   Running,
		"4711 (app) T 1 4711":                   Stopped,
		"4711 (app) t 1 4711":                   Traced,
		"4711 (app) Z 1 4711":                   Running,
		"4711 (a) T (b\n) S 1 4711":             Running,
		"4711 (tandem-shim) T 1 4711 4711 0 -1": Stopped,
	} {
		if got, err := standstill([]byte(line)); got != want || err != nil {
			t.Errorf("%q: %v, %v; want %v", line, got, err, want)
		}
	}
	for _, line := range []string{"", "4711", "4711 (app)", "4711 (app) "} {
		if got, err := standstill([]byte(line)); err == nil || got != Running {
			t.Errorf("%q was read as %v", line, got)
		}
	}
}
