package requestid

import (
	"strings"
	"testing"
)

func TestSane(t *testing.T) {
	for id, want := range map[string]bool{
		"":                            false,
		"a":                           true,
		"6F0c-4a3e_7f1b.4:a/3+7=@":    true,
		strings.Repeat("x", MaxLen):   true,
		strings.Repeat("x", MaxLen+1): false,
		"two words":                   false,
		"line\nbreak":                 false,
		"<script>":                    false,
		"é":                           false,
		"nul\x00":                     false,
	} {
		if Sane(id) != want {
			t.Errorf("Sane(%q) is %v", id, !want)
		}
	}
}
