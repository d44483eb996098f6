package main

import "testing"

func TestRoff(t *testing.T) {
	for text, want := range map[string]string{
		"plain text":                  "plain text",
		"`--bind ADDR` says where":    `\fB\-\-bind ADDR\fR says where`,
		"see --bind, in the long-run": `see \-\-bind, in the long-run`,
		"(-f) and --log-format":       `(\-f) and \-\-log\-format`,
		"[a page](page.md) of it":     "a page of it",
		`a \n in it`:                  `a \en in it`,
		".TH is no request here":      `\&.TH is no request here`,
		"'tis none either":            `\&'tis none either`,
		"a · b":                       `a \[u00B7] b`,
		"`.hidden`":                   `\fB.hidden\fR`,
	} {
		if got := roff(text); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
}

func TestSentences(t *testing.T) {
	const text = "One thing.  Then\nanother: `code`. 'a' too, e.g. this one. .5 is a number."
	const want = "One thing.\nThen another:\n\\fBcode\\fR.\n\\&'a' too, e.g. this one. .5 is a number."
	if got := sentences(text); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestRows(t *testing.T) {
	text, err := part("# Title\n\nwords\n\n## One\n\n| a | b |\n|---|---|\n| 1 | x `y` |\n| 2 | z |\n\nmore\n\n| no | more |\n\n## Two\n", "One")
	if err != nil {
		t.Fatal(err)
	}
	got, err := rows(text)
	if err != nil || len(got) != 2 || got[0][0] != "1" || got[0][1] != "x `y`" || got[1][1] != "z" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := part(text, "Three"); err == nil {
		t.Error("a heading that is not there is found")
	}
	if _, err := rows("no table"); err == nil {
		t.Error("a table that is not there is found")
	}
}

// A help text of another form must not become half a manual.
func TestBlocks(t *testing.T) {
	got, err := blocksOf("Usage: x [Y]\n\n  one  the first\n  two  the second: of  two\n\nEnd.\n")
	if err != nil || len(got) != 3 || len(got[1].items) != 2 || got[1].items[1] != (item{"two", "the second: of  two"}) || got[2].text != "End." {
		t.Errorf("%+v, %v", got, err)
	}
	for _, help := range []string{"x [Y]\n\n  one  the first\n", "Usage: x\n\n  one  the first\nand on\n", "Usage: x\n\n  one\n"} {
		if got, err := blocksOf(help); err == nil {
			t.Errorf("%q is taken for %+v", help, got)
		}
	}
}
