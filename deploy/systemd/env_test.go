// Package systemd_test holds the example env file to the settings there are.
package systemd_test

import (
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/tandem-go/tandem/internal/config"
)

var (
	assignment = regexp.MustCompile(`(?m)^#?(SUPERVISOR_[A-Z_]+)=(.*)$`)
	wordEnd    = regexp.MustCompile(`([a-z])([A-Z])`)
)

// An administrator takes tandem.env for the list of what can be set: a setting
// that is missing there cannot be found, and a wrong default misleads.
func TestEnvFileListsEverySettingOfTheSupervisor(t *testing.T) {
	text, err := os.ReadFile("tandem.env")
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]string{}
	for _, match := range assignment.FindAllStringSubmatch(string(text), -1) {
		if _, twice := listed[match[1]]; twice {
			t.Errorf("tandem.env has %s twice", match[1])
		}
		listed[match[1]] = match[2]
	}
	for field := range reflect.TypeFor[config.Settings]().Fields() {
		name := "SUPERVISOR_" + strings.ToUpper(wordEnd.ReplaceAllString(field.Name, "${1}_$2"))
		if name == "SUPERVISOR_ENV_FILE" { // it would name itself
			continue
		}
		value, found := listed[name]
		delete(listed, name)
		switch initial, has := field.Tag.Lookup("initial"); {
		case !found:
			t.Errorf("tandem.env lacks %s", name)
		case has && value != initial:
			t.Errorf("tandem.env says %s=%s, but the default is %s", name, value, initial)
		}
	}
	for name := range listed {
		t.Errorf("tandem.env has %s, which is no setting of the supervisor", name)
	}
}
