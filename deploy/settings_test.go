// Package deploy_test holds what is deployed to the settings that there are: a
// name that the programs do not know would only be found at the first start.
package deploy_test

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tandem-go/tandem/internal/config"
)

// settings gives the supervisor's settings by variable.
func settings() map[string]config.Setting {
	all := map[string]config.Setting{}
	for _, s := range config.All() {
		all[s.Env] = s
	}
	return all
}

// unitDecides begins the part of tandem.env where what matters is said of all.
const unitDecides = "# --- the unit decides these"

// An administrator takes tandem.env for the list of what can be set: a setting
// that is missing there cannot be found, and a wrong default misleads.
func TestEnvFileListsEverySetting(t *testing.T) {
	text, err := os.ReadFile("systemd/tandem.env")
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]string{}
	for _, match := range regexp.MustCompile(`(?m)^#?(SUPERVISOR_[A-Z_]+)=(.*)$`).FindAllStringSubmatch(string(text), -1) {
		if _, twice := listed[match[1]]; twice {
			t.Errorf("tandem.env has %s twice", match[1])
		}
		listed[match[1]] = match[2]
	}
	for name, setting := range settings() {
		if name == "SUPERVISOR_ENV_FILE" { // it would name itself
			continue
		}
		value, found := listed[name]
		if !found {
			t.Errorf("tandem.env lacks %s", name)
			continue
		}
		if setting.Default != "" && value != setting.Default {
			t.Errorf("tandem.env says %s=%s, but the default is %s", name, value, setting.Default)
		}
		before, _, _ := bytes.Cut(text, []byte(name+"="))
		// The file says which settings want a restart; the others follow at a reload.
		comment := regexp.MustCompile(`(?m)((?:^# .*\n)+)^#` + name + `=`).FindString(string(text))
		marked, live := strings.Contains(comment, "(restart)"), setting.Live
		if live && marked {
			t.Errorf("tandem.env says that %s needs a restart, but a reload may change it", name)
		}
		if !live && !marked && !bytes.Contains(before, []byte(unitDecides)) {
			t.Errorf("tandem.env does not say that %s needs a restart", name)
		}
		delete(listed, name)
	}
	for name := range listed {
		t.Errorf("tandem.env has %s, which is no setting of the supervisor", name)
	}
}

// Every setting stands there commented out, so that the file as it comes sets
// nothing, and under a comment that says what it is for.
func TestEnvFileSetsNothingAndExplainsEverything(t *testing.T) {
	text, err := os.ReadFile("systemd/tandem.env")
	if err != nil {
		t.Fatal(err)
	}
	assignment := regexp.MustCompile(`^#[A-Z][A-Z_]+=`)
	explained := false
	for i, line := range strings.Split(strings.TrimSuffix(string(text), "\n"), "\n") {
		switch {
		case line == "":
			explained = false
		case strings.HasPrefix(line, "# ") || line == "#":
			explained = true
		case !assignment.MatchString(line):
			t.Errorf("tandem.env:%d is neither a comment nor a setting that is commented out: %s", i+1, line)
		case !explained:
			t.Errorf("tandem.env:%d has no comment above it: %s", i+1, line)
		}
	}
}

// directive gives the value of a setting of a unit, which must have it once.
func directive(t *testing.T, unit, name string) string {
	t.Helper()
	text, err := os.ReadFile(unit)
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^`+name+`=(.*)$`).FindAllStringSubmatch(string(text), -1)
	if len(found) != 1 {
		t.Fatalf("%s has %s= %d times", unit, name, len(found))
	}
	return found[0][1]
}

// afterDrain is what the unit leaves for the end of a stop, when all workers are gone.
const afterDrain = 10 * time.Second

// systemd's bounds lie outside the supervisor's own, with its settings as they come.
// Where these are raised it asks for more time; that is boot_test.sh's matter.
func TestTheUnitsBoundsFitTheDefaults(t *testing.T) {
	s, err := config.Load(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, unit := range []string{"systemd/tandem.service", "systemd/tandem@.service"} {
		bound := func(name string) time.Duration {
			d, err := time.ParseDuration(directive(t, unit, name))
			if err != nil {
				t.Fatalf("%s: %v", unit, err)
			}
			return d
		}
		if got, want := bound("TimeoutStopSec"), time.Duration(s.LameDuck+s.GracefulTimeout)+afterDrain; got != want {
			t.Errorf("%s has TimeoutStopSec=%v; lame duck, graceful timeout and %v are %v", unit, got, afterDrain, want)
		}
		// three attempts to boot; a reload under way, and the one asked for
		start, boots, reloads := bound("TimeoutStartSec"), 3*time.Duration(s.BootTimeout), 2*time.Duration(s.ReloadTimeout)
		if start <= boots || start <= reloads {
			t.Errorf("%s has TimeoutStartSec=%v; three boots may take %v, two reloads %v", unit, start, boots, reloads)
		}
	}
}

func TestEveryVariableNamedHereIsASetting(t *testing.T) {
	known := settings()
	name := regexp.MustCompile(`\bSUPERVISOR_[A-Z_]*[A-Z]`)
	files := 0
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || strings.HasSuffix(path, ".go") {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		files++
		for _, found := range name.FindAllString(string(text), -1) {
			if _, ok := known[found]; !ok {
				t.Errorf("%s names %s, which is no setting of the supervisor", path, found)
			}
		}
		return nil
	})
	if err != nil || files == 0 {
		t.Errorf("%d files read: %v", files, err)
	}
}

// The chart's schema refuses a name that is no setting before anything is installed.
func TestSchemaOfTheChartListsEverySetting(t *testing.T) {
	text, err := os.ReadFile("helm/tandem/values.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var schema struct {
		Definitions struct {
			Variable struct {
				Not, Then struct{ Enum []string }
			}
		}
	}
	if err := json.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}
	variable := schema.Definitions.Variable
	listed := slices.Concat(variable.Not.Enum, variable.Then.Enum)
	known := settings()
	for name := range known {
		if !slices.Contains(listed, name) {
			t.Errorf("values.schema.json lacks %s: a chart that sets it would be refused", name)
		}
	}
	for _, name := range variable.Then.Enum {
		if _, ok := known[name]; !ok || slices.Contains(variable.Not.Enum, name) {
			t.Errorf("values.schema.json takes %s, which is no setting, or the chart's own", name)
		}
	}
}

func TestEveryFlagOfThePodIsASetting(t *testing.T) {
	known := settings()
	text, err := os.ReadFile("helm/tandem/templates/deployment.yaml")
	if err != nil {
		t.Fatal(err)
	}
	flags := regexp.MustCompile(`(?m)^ +- --([a-z-]+)=`).FindAllStringSubmatch(string(text), -1)
	if len(flags) == 0 {
		t.Error("no flag found")
	}
	for _, flag := range flags {
		if _, ok := known["SUPERVISOR_"+strings.ToUpper(strings.ReplaceAll(flag[1], "-", "_"))]; !ok {
			t.Errorf("the pod is started with --%s, which is no flag of the supervisor", flag[1])
		}
	}
}
