package config

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// Setting describes one setting: what the tags of its field say.
type Setting struct {
	Name    string // "max-requests": the flag without dashes
	Env     string // "SUPERVISOR_MAX_REQUESTS"
	Arg     string // what stands for the value in help; "" for a switch
	Default string // as a user would write it; "" is not set
	Auto    string // what the default is, in words, where it is worked out
	Short   string // one line
	Doc     string // more of it, or ""
	Live    bool   // a reload may change it
	Repeat  bool   // the flag may be given several times

	index int
}

// All gives the settings in the order of [Settings].
func All() []Setting { return slices.Clone(all) }

// Lookup finds a setting by its name without dashes.
func Lookup(name string) (Setting, bool) {
	i := slices.IndexFunc(all, func(s Setting) bool { return s.Name == name })
	if i < 0 {
		return Setting{}, false
	}
	return all[i], true
}

var all = describe()

func describe() []Setting {
	var list []Setting
	for i := range reflect.TypeFor[Settings]().NumField() {
		f := reflect.TypeFor[Settings]().Field(i)
		name := kebab(f.Name)
		s := Setting{
			Name:    name,
			Env:     prefix + "_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_")),
			Arg:     f.Tag.Get("arg"),
			Default: f.Tag.Get("initial"),
			Auto:    f.Tag.Get("auto"),
			Short:   f.Tag.Get("short"),
			Doc:     f.Tag.Get("doc"),
			Live:    f.Tag.Get("live") == "true",
			index:   i,
		}
		_, s.Repeat = s.in(new(Settings)).(adder)
		list = append(list, s)
	}
	return list
}

// adder is a value of which a repeated flag adds more.
type adder interface{ Add(text string) error }

// kebab turns FieldName into field-name, and IDOfName into id-of-name.
func kebab(field string) string {
	return strings.ToLower(wordEnd.ReplaceAllString(field, "$1$3-$2$4"))
}

var wordEnd = regexp.MustCompile(`([a-z])([A-Z])|([A-Z])([A-Z][a-z])`)

// in gives the setting's place in set. A field that is not a value is a mistake
// of this package; it panics when the program starts.
func (s Setting) in(set *Settings) value {
	field := reflect.ValueOf(set).Elem().Field(s.index)
	v, ok := field.Addr().Interface().(value)
	if !ok {
		panic(fmt.Sprintf("config: %s has no Set and String", field.Type()))
	}
	return v
}

// Text gives the setting's value in set, in the form that its flag takes.
func (s Setting) Text(set *Settings) string { return s.in(set).String() }

// defaults gives the settings before anybody has said anything.
func defaults() Settings {
	var set Settings
	for _, s := range all {
		if s.Default == "" {
			continue
		}
		if err := s.in(&set).Set(s.Default); err != nil {
			panic(fmt.Sprintf("config: the default of --%s: %q %v", s.Name, s.Default, err))
		}
	}
	return set
}
