package printable

import "testing"

func TestLine(t *testing.T) {
	for text, want := range map[string]string{
		"a\tb\nc\x1b[2Jd\u009be\x7fé\n\n": "a b c?[2Jd?e?é",
		"a\tb\r\n":                        "a b",
		"\x1b[2J\x07\u009b31m":            "?[2J??31m",
		"\xff\xfe":                        "??",
		"e\u0301 世界 ✓":                    "e\u0301 世界 ✓",
		"safe\u202egnp.exe":               "safe?gnp.exe",
		"a\u2066b\u2069c\u061cd\u200fe":   "a?b?c?d?e",
		"a\u200bb\u2060c\ufeff\u00add":    "a?b?c??d",
		"a\u2028b\u2029c":                 "a?b?c",
		"✓\ufe0f":                         "✓",
	} {
		if got := Line(text); got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
}
