package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tandem-go/tandem/internal/cli"
	"github.com/tandem-go/tandem/internal/config"
	"github.com/tandem-go/tandem/test/harness"
)

// mine are the pages that are held against what they name.
var mine = []string{
	"../README.md", "django-to-tandem.md", "live-page.md", "liveness.md", "migrating-from-gunicorn.md", "operations.md", "runbook.md", "status.md",
	"top.md", "tutorial.md", "verify-reload.md", "when.md",
}

func page(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../docs", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Whoever is woken finds in each section what it means, what is felt, where to look, what to do.
func TestEverySectionOfTheRunbookIsWhole(t *testing.T) {
	sections := regexp.MustCompile("(?m)^###? .*$|^#### .*$").Split(page(t, "runbook.md"), -1)
	whole := 0
	for _, s := range sections {
		has := 0
		for _, word := range []string{"means", "felt", "look", "do"} {
			if regexp.MustCompile("(?m)^- " + word + `: \S.{2,}$`).MatchString(s) {
				has++
			}
		}
		if has != 0 && has != 4 {
			t.Errorf("a section has %d of the four: %s", has, s)
		}
		whole += has / 4
	}
	if whole < 100 {
		t.Errorf("only %d sections", whole)
	}
}

// flags that the pages name and that are none of the supervisor's settings and commands.
var otherFlags = []string{
	"help",                 // of each command
	"threads",              // gunicorn's
	"previous", "no-pager", // kubectl's, journalctl's
	"reset-then-reuse-values", "reuse-values", "show-only", // helm's
	"reference", // chown's
}

// foreign are the programs whose lines of code have flags of their own.
var foreign = regexp.MustCompile(`^\s*(gunicorn|curl|sqlite3|PGTZ=UTC psql|diff|helm|kubectl|systemctl|apt)\b`)

// TestNamesExist: every flag, variable, metric, command and identifier that the pages name.
func TestNamesExist(t *testing.T) {
	var flags []string
	for _, s := range config.All() {
		flags = append(flags, s.Name)
	}
	env, metrics := read(t, "../../deploy/systemd/tandem.env"), page(t, "metrics.md")
	var commands []string
	for _, c := range cli.Commands() {
		name, _, _ := strings.Cut(c.Usage, " ")
		commands = append(commands, name)
		for _, flag := range c.Flags {
			flags = append(flags, strings.TrimLeft(flag, "-"))
		}
	}
	for _, name := range mine {
		for line := range strings.Lines(page(t, name)) {
			if !foreign.MatchString(line) {
				for _, m := range regexp.MustCompile("(?:^|[\\s`(])--([a-z][a-z-]+)").FindAllStringSubmatch(line, -1) {
					if !slices.Contains(flags, m[1]) && !slices.Contains(otherFlags, m[1]) {
						t.Errorf("%s: there is no --%s: %s", name, m[1], line)
					}
				}
			}
			for _, m := range regexp.MustCompile(`\bAPP_[A-Z_]+[A-Z]`).FindAllString(line, -1) {
				if !strings.Contains(env, "\n#"+m+"=") {
					t.Errorf("%s: app has no %s: %s", name, m, line)
				}
			}
			for _, m := range regexp.MustCompile(`\bSUPERVISOR_([A-Z_]+[A-Z])`).FindAllStringSubmatch(line, -1) {
				if !slices.Contains(flags, strings.ToLower(strings.ReplaceAll(m[1], "_", "-"))) {
					t.Errorf("%s: the supervisor has no SUPERVISOR_%s: %s", name, m[1], line)
				}
			}
			for _, m := range regexp.MustCompile(`\btandem_[a-z_]+[a-z]`).FindAllString(line, -1) {
				if !strings.Contains(metrics, "`"+m) {
					t.Errorf("%s: there is no metric %s: %s", name, m, line)
				}
			}
			for _, m := range regexp.MustCompile("`supervisor ([a-z][a-z-]*)").FindAllStringSubmatch(line, -1) {
				if m[1] != "gives" && !slices.Contains(commands, m[1]) {
					t.Errorf("%s: there is no supervisor %s: %s", name, m[1], line)
				}
			}
			for _, m := range regexp.MustCompile(`\b(auth|bridge|middleware|orm|session|view|worker)\.([A-Z]\w+)`).FindAllStringSubmatch(line, -1) {
				if !declared(t, m[1])[m[2]] {
					t.Errorf("%s: package %s has no %s: %s", name, m[1], m[2], line)
				}
			}
		}
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var identifiers = map[string]map[string]bool{}

// declared are the package's exported names, without those of methods and fields.
func declared(t *testing.T, dir string) map[string]bool {
	t.Helper()
	if identifiers[dir] != nil {
		return identifiers[dir]
	}
	names := map[string]bool{}
	files, err := filepath.Glob(filepath.Join("../..", dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				names[d.Name.Name] = names[d.Name.Name] || d.Recv == nil
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					switch spec := spec.(type) {
					case *ast.TypeSpec:
						names[spec.Name.Name] = true
					case *ast.ValueSpec:
						for _, name := range spec.Names {
							names[name.Name] = true
						}
					}
				}
			}
		}
	}
	identifiers[dir] = names
	return names
}

// TestMakeTargetsExist: what the pages say that make makes is a target, here or in the application of supervisor new.
func TestMakeTargetsExist(t *testing.T) {
	targets := map[string]bool{}
	for _, path := range []string{"../../Makefile", "../../internal/scaffold/app/Makefile.tmpl"} {
		for _, m := range regexp.MustCompile(`(?m)^([a-z0-9-]+):`).FindAllStringSubmatch(read(t, path), -1) {
			targets[m[1]] = true
		}
	}
	named := 0
	for _, from := range allPages(t) {
		text := read(t, filepath.Join("../..", from))
		code := regexp.MustCompile("`(make [^`\n]*)`").FindAllString(fence.ReplaceAllString(text, ""), -1)
		for _, b := range blocks(text) {
			if b.language == "sh" {
				code = append(code, strings.Split(b.content, "\n")...)
			}
		}
		for _, line := range code {
			for _, m := range regexp.MustCompile("(?:^|[`&;] ?)(?:[A-Z_]+=\\S+ )*(?:sudo )?make(?: -C \\S+)? ([a-z0-9-]+)").FindAllStringSubmatch(line, -1) {
				if named++; !targets[m[1]] {
					t.Errorf("%s: there is no target %s of make: %s", from, m[1], line)
				}
			}
		}
	}
	if named < 50 {
		t.Errorf("only %d targets were looked up", named)
	}
}

// TestLinksOfThePages: files and headings that they point to are there.
func TestLinksOfThePages(t *testing.T) {
	for _, from := range allPages(t) {
		from = filepath.Join("../..", from)
		text := regexp.MustCompile("`[^`\n]*`").ReplaceAllString(fence.ReplaceAllString(read(t, from), ""), "")
		for _, m := range regexp.MustCompile(`\]\(([^)#\s]*)(?:#([^)]*))?\)`).FindAllStringSubmatch(text, -1) {
			if strings.HasPrefix(m[1], "http") {
				continue
			}
			path := filepath.Join(filepath.Dir(from), m[1])
			if m[1] == "" {
				path = from
			}
			if _, err := os.Stat(path); err != nil {
				t.Errorf("%s: %v", from, err)
				continue
			}
			if m[2] != "" && !slices.Contains(anchors(read(t, path)), m[2]) {
				t.Errorf("%s points to %s#%s, which has no such heading", from, m[1], m[2])
			}
		}
	}
}

// TestFiguresAreMeasured: the numbers in the tables of docs/when.md are those of docs/benchmarks.md, or how they begin.
func TestFiguresAreMeasured(t *testing.T) {
	measured := regexp.MustCompile(`\d+(\.\d+)?`).FindAllString(page(t, "benchmarks.md"), -1)
	figures := 0
	for line := range strings.Lines(page(t, "when.md")) {
		if !strings.HasPrefix(line, "|") {
			continue
		}
		line = regexp.MustCompile(`\(.*?\)`).ReplaceAllString(line, "") // where links lead
		for _, figure := range regexp.MustCompile(`\d[\d,]*(\.\d+)?`).FindAllString(line, -1) {
			figure = strings.ReplaceAll(figure, ",", "")
			figures++
			if len(figure) > 2 && !slices.ContainsFunc(measured, func(m string) bool { return strings.HasPrefix(m, figure) }) {
				t.Errorf("docs/when.md: %s is not in docs/benchmarks.md: %s", figure, line)
			}
		}
	}
	if figures < 30 {
		t.Errorf("only %d figures were looked up", figures)
	}
}

// anchors are the headings of a page, as forges make them.
func anchors(text string) (all []string) {
	for _, m := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(text, -1) {
		all = append(all, strings.ReplaceAll(regexp.MustCompile(`[^\w\- ]`).ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-"))
	}
	return all
}

// TestEverySettingOfGunicornIsThere asks gunicorn itself for them.
func TestEverySettingOfGunicornIsThere(t *testing.T) {
	t.Parallel()
	harness.Needs(t, "python3-gunicorn", "/usr/bin/python3", "-c", "import gunicorn")
	out, err := exec.CommandContext(t.Context(), "/usr/bin/python3", "-c", "from gunicorn.config import KNOWN_SETTINGS\nfor s in KNOWN_SETTINGS: print(s.name)").Output()
	if err != nil {
		t.Fatal(err)
	}
	theirs := strings.Fields(string(out))
	text := page(t, "migrating-from-gunicorn.md")
	settings := text[strings.Index(text, "\n## Settings\n"):strings.Index(text, "\n## Signals\n")]
	rows := map[string]int{}
	for _, m := range regexp.MustCompile("(?m)^\\| `(\\w+)`( \\(later\\))? \\| \\S").FindAllStringSubmatch(settings, -1) {
		rows[m[1]]++
		if m[2] == "" && !slices.Contains(theirs, m[1]) {
			t.Errorf("gunicorn has no setting %s", m[1])
		}
	}
	for _, name := range theirs {
		if rows[name] != 1 {
			t.Errorf("the table has the setting %s %d times", name, rows[name])
		}
	}
	if len(theirs) < 80 {
		t.Errorf("gunicorn has only %d settings?", len(theirs))
	}
}

// What is on the picture of top anybody can have: it is of a commit.
func TestThePictureOfTopIsOfACommit(t *testing.T) {
	if shown := regexp.MustCompile(`>supervisor ([^ <]+) `).FindStringSubmatch(page(t, "top.svg")); shown == nil || strings.Contains(shown[1], "dirty") {
		t.Errorf("it shows the version %q; scripts/screenshot-top makes it anew", shown)
	}
}
