package docs

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// expected is what is to be printed, line by line, each whole and in this order, with others between.
type expected []expectedLine

type expectedLine struct {
	text    string // as it is in the page
	pattern *regexp.Regexp
}

// never is what is another each time by its nature: dates with their time of day, in ids of records too, and process ids
// that are called so. All other numbers count, but for those that the block's mark names.
var never = regexp.MustCompile(`\b\d{4}[-/]\d\d[-/]\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?|\b\d{8}-\d{6}\b|\bpid[ =:]\d+`)

// number is one with its unit, if it has one.
var number = regexp.MustCompile(`\d+(\.\d+)?(\.\d+|[a-zA-Zµ]+)*`)

// expect reads a block that says what is printed. In a line … stands for anything.
func expect(b block) (all expected, err error) {
	varying, seen := b.varying(), map[string]bool{}
	for line := range strings.Lines(b.content) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		var pattern strings.Builder
		text, at := plain(line), 0
		for _, n := range number.FindAllStringIndex(text, -1) {
			pattern.WriteString(quote(text[at:n[0]]))
			found := text[n[0]:n[1]]
			if at = n[1]; slices.Contains(varying, found) {
				seen[found] = true
				found = `\d[\d.a-zA-Zµ]*` // with a unit, which may be another too
			} else {
				found = quote(found)
			}
			pattern.WriteString(found)
		}
		pattern.WriteString(quote(text[at:]))
		all = append(all, expectedLine{line, regexp.MustCompile("^" + pattern.String() + "$")})
	}
	for _, v := range varying {
		if !seen[v] {
			return nil, fmt.Errorf("its mark names %s, which is no number in it", v)
		}
	}
	if len(all) == 0 {
		return nil, errors.New("there is nothing in it")
	}
	return all, nil
}

func quote(text string) string { return strings.ReplaceAll(regexp.QuoteMeta(text), "…", ".*") }

// plain is a line without what is never the same, and without how far columns are apart.
func plain(line string) string {
	return strings.Join(strings.Fields(never.ReplaceAllString(line, "then")), " ")
}

// missing gives the first line that is to be printed, after those before it, and is not.
func (e expected) missing(printed string) string {
	for line := range strings.Lines(printed) {
		if len(e) > 0 && e[0].pattern.MatchString(plain(line)) {
			e = e[1:]
		}
	}
	if len(e) == 0 {
		return ""
	}
	return e[0].text
}

// TestWhatIsPrintedIsCompared: numbers count, lines are whole and in order; what varies is named, and is there.
func TestWhatIsPrintedIsCompared(t *testing.T) {
	for _, c := range []struct {
		mark, want, printed string
		missing             string // "" where it is all there
	}{
		{"prints", "lost 0", "lost    0\n", ""},
		{"prints", "lost 0", "lost 10\n", "lost 0"},
		{"prints", "generation 2", "generation 23\n", "generation 2"},
		{"prints", "a\nb", "a\nx\nb\n", ""},
		{"prints", "a\nb", "b\na\n", "b"},
		{"prints", "a …", "a 17 b\n", ""},
		{"prints", "up 2026-11-29 11:57:32.310 UTC", "up 2027-01-02 03:04:05.6 UTC\n", ""},
		{"prints", "20261129-115744-w5", "20270102-030405-w5\n", ""},
		{"prints", "20261129-115744-w5", "20270102-030405-w6\n", "20261129-115744-w5"},
		{"prints", "pid 3 and pid=4", "pid 33 and pid=44\n", ""},
		{"prints", "at 127.0.0.1:8000", "at 127.0.0.1:7777\n", "at 127.0.0.1:8000"},
		{"prints", "784 requests in 8.2s", "90 requests in 8.2s\n", "784 requests in 8.2s"},
		{"prints, but for 784 and 8.2s", "784 requests in 8.2s, 3 lost", "90 requests in 950ms, 3 lost\n", ""},
		{"prints, but for 784 and 8.2s", "784 requests in 8.2s, 3 lost", "90 requests in 950ms, 4 lost\n", "784 requests in 8.2s, 3 lost"},
		{"prints, but for 2", "2 2 of 12 and 2.5", "7 8 of 12 and 2.5\n", ""},
		{"prints, but for 2", `{"worker":2}`, `{"worker":1}`, ""},
	} {
		want, err := expect(block{mark: c.mark, content: c.want})
		if err != nil {
			t.Errorf("%s %q: %v", c.mark, c.want, err)
		} else if missing := want.missing(c.printed); missing != c.missing {
			t.Errorf("%s: of %q in %q is missing %q, want %q", c.mark, c.want, c.printed, missing, c.missing)
		}
	}
	for _, b := range []block{{mark: "prints, but for 5", content: "55 5.5"}, {mark: "prints", content: "\n"}} {
		if _, err := expect(b); err == nil {
			t.Errorf("%s %q is taken", b.mark, b.content)
		}
	}
}

// TestCommandsFail: a command that fails ends its block, wherever it stands, and the next block goes on where the last that
// went well was.
func TestCommandsFail(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir(), []string{"PATH=/usr/bin:/bin"})
	if printed, err := s.do("mkdir sub\ncd sub\nexport WHERE=here\nsleep 1000 &\n"); err != nil {
		t.Fatal(err, printed)
	}
	for _, bad := range []string{"false\necho no", "false | true\necho no", "(exit 3)\necho no", "echo $not_there\necho no", "cd /; export WHERE=there; false", "exit 4"} {
		if printed, err := s.do(bad); err == nil || strings.HasSuffix(printed, "no\n") {
			t.Errorf("%q: %v %q", bad, err, printed)
		}
	}
	if printed, err := s.do("basename $PWD; echo $WHERE; if false; then :; fi; false || true\n"); err != nil || printed != "sub\nhere\n" {
		t.Errorf("%v %q", err, printed)
	}
	s.beside("beside", "echo $WHERE; cd /; false | true; echo no")
	s.beside("beside", "cd /; export WHERE=there")
	for i, failed := range []bool{true, false} {
		o := s.others[i]
		<-o.done
		if (o.err != nil) != failed || strings.HasSuffix(o.printed(), "no\n") {
			t.Errorf("%v %q", o.err, o.printed())
		}
	}
	if printed, err := s.do("basename $PWD; echo $WHERE"); err != nil || printed != "sub\nhere\n" {
		t.Errorf("after what went on beside: %v %q", err, printed)
	}
}
