package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/kelseyhightower/envconfig"
)

// layer is the environment or the env file: everything it holds, ours or not.
type layer struct {
	source Source
	values map[string]string
	order  []string
	origin func(name string) Origin
}

// environment makes a layer of KEY=VALUE texts. The first of a repeated key
// counts, as for os.Getenv.
func environment(environ []string) layer {
	l := layer{
		source: FromEnvironment,
		values: make(map[string]string, len(environ)),
		origin: func(name string) Origin { return Origin{Source: FromEnvironment, Name: name} },
	}
	for _, kv := range environ {
		key, value, ok := strings.Cut(kv, "=")
		if _, has := l.values[key]; ok && key != "" && !has {
			l.values[key] = value
			l.order = append(l.order, key)
		}
	}
	return l
}

// ours gives the variables that are settings, or mistyped ones. In the
// environment others inject some under the same prefix; those are set aside.
func (l layer) ours() (ours map[string]string, ignored []string) {
	ours = make(map[string]string)
	for _, name := range l.order {
		if !strings.HasPrefix(name, prefix+"_") {
			continue
		}
		if why := foreign(name, l.values[name]); why != "" && l.source == FromEnvironment {
			ignored = append(ignored, name+" ("+why+")")
			continue
		}
		ours[name] = l.values[name]
	}
	return ours, ignored
}

// decode sets the fields of set that the layer has variables for, and refuses a
// variable that is no setting. It says which variables it set aside.
func (l layer) decode(set *Settings, origins Origins) (ignored []string, err error) {
	ours, ignored := l.ours()
	err = withVariables(ours, func() error {
		if err := envconfig.CheckDisallowed(prefix, set); err != nil {
			return err
		}
		return envconfig.Process(prefix, set)
	})
	var bad *envconfig.ParseError
	if errors.As(err, &bad) {
		// Its own text names types and fields of this program.
		return nil, badValue(flagOf(bad.KeyName), bad.Value, l.origin(bad.KeyName), bad.Err)
	}
	if err != nil {
		name, ok := strings.CutPrefix(err.Error(), "unknown environment variable ")
		if !ok {
			return nil, fmt.Errorf("decode the variables %s_*: %w", prefix, err)
		}
		return nil, unknownVariable(name, l.origin(name))
	}
	for name := range ours {
		origins[flagOf(name)] = l.origin(name)
	}
	return ignored, nil
}

// borrowed are names that belong to everybody and stand for a setting of ours.
var borrowed = []struct {
	name, setting string
	form          func(text string) (string, error)
}{
	{"WEB_CONCURRENCY", "workers", func(text string) (string, error) { return text, nil }},
	{"PORT", "bind", func(text string) (string, error) { return "0.0.0.0:" + text, portNumber(text) }},
}

// borrow applies the borrowed names, from the strongest layer that has one,
// unless that layer or a stronger one has said the same by our own name. An empty
// value is none.
func borrow(l *Loaded, layers []layer) error {
	for _, b := range borrowed {
		setting, _ := Lookup(b.setting)
		for _, from := range slices.Backward(layers) {
			text := from.values[b.name]
			if l.Origins[b.setting].Source >= from.source {
				break
			}
			if text == "" {
				continue
			}
			value, err := b.form(text)
			if err == nil {
				err = setting.in(&l.Settings).Set(value)
			}
			if err != nil {
				return &UsageError{
					Setting: b.setting, Origin: from.origin(b.name), cause: err,
					text: fmt.Sprintf("%s: %q (from %s) %v", b.name, text, from.origin(b.name), err),
				}
			}
			l.Origins[b.setting] = from.origin(b.name)
			break
		}
	}
	return nil
}

func flagOf(variable string) string {
	return strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(variable, prefix+"_"), "_", "-"))
}

func unknownVariable(name string, from Origin) error {
	var names []string
	for _, s := range all {
		names = append(names, strings.TrimPrefix(s.Env, prefix+"_"))
	}
	where := "the environment"
	if from.Source == FromEnvFile {
		where = from.String()
	}
	hint := "see supervisor --help for what there is"
	if near := Nearest(strings.TrimPrefix(name, prefix+"_"), names); near != "" {
		hint = "did you mean " + prefix + "_" + near + "?"
	}
	return &UsageError{Origin: from, text: fmt.Sprintf("unknown setting %s in %s; %s", name, where, hint)}
}

// decoding is held while the process environment is not what it was.
var decoding sync.Mutex

// withVariables runs decode while the process environment has exactly these
// SUPERVISOR_* variables, for envconfig can read them from nowhere else. All
// other variables stay; afterwards those with the prefix are again what they
// were, whatever decode did. What is the same on both sides is not touched, so
// that decoding the process's own environment changes nothing even for a moment.
func withVariables(want map[string]string, decode func() error) (err error) {
	decoding.Lock()
	defer decoding.Unlock()
	before := make(map[string]string)
	for _, kv := range os.Environ() {
		if key, value, ok := strings.Cut(kv, "="); ok && strings.HasPrefix(key, prefix+"_") {
			before[key] = value
		}
	}
	defer func() { err = errors.Join(err, exchange(want, before)) }()
	if err := exchange(before, want); err != nil {
		return err
	}
	return decode()
}

func exchange(from, to map[string]string) error {
	for key := range from {
		if _, stays := to[key]; !stays {
			if err := os.Unsetenv(key); err != nil {
				return fmt.Errorf("take %s out of the environment: %w", key, err)
			}
		}
	}
	for key, value := range to {
		if had, ok := from[key]; ok && had == value {
			continue
		}
		if err := os.Setenv(key, value); err != nil {
			return fmt.Errorf("put %s into the environment: %w", key, err)
		}
	}
	return nil
}

// foreign says who else sets a variable of that name and value, or "".
// Kubernetes gives every pod variables for each service of its namespace; of a
// service called supervisor, or supervisor-something, they begin like ours.
func foreign(name, value string) string {
	switch name {
	case "SUPERVISOR_ENABLED", "SUPERVISOR_PROCESS_NAME", "SUPERVISOR_GROUP_NAME", "SUPERVISOR_SERVER_URL":
		return "set by supervisord"
	}
	for _, link := range serviceLinks {
		if link.name.MatchString(name) && link.value(value) {
			return "Kubernetes service link"
		}
	}
	return ""
}

var serviceLinks = []struct {
	name  *regexp.Regexp
	value func(string) bool
}{
	{regexp.MustCompile(`_SERVICE_HOST$`), isIP},
	{regexp.MustCompile(`_SERVICE_PORT(_[A-Z0-9_]+)?$`), isPort},
	{regexp.MustCompile(`_PORT$`), isLink},
	{regexp.MustCompile(`_PORT_[0-9]+_(TCP|UDP|SCTP)$`), isLink},
	{regexp.MustCompile(`_PORT_[0-9]+_(TCP|UDP|SCTP)_PROTO$`), isProtocol},
	{regexp.MustCompile(`_PORT_[0-9]+_(TCP|UDP|SCTP)_PORT$`), isPort},
	{regexp.MustCompile(`_PORT_[0-9]+_(TCP|UDP|SCTP)_ADDR$`), isIP},
}

func isIP(s string) bool {
	_, err := netip.ParseAddr(s)
	return err == nil
}

func isPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n > 0
}

func isProtocol(s string) bool { return s == "tcp" || s == "udp" || s == "sctp" }

// isLink: tcp://10.96.0.7:80
func isLink(s string) bool {
	u, err := url.Parse(s)
	if err != nil || !isProtocol(u.Scheme) || u.Path != "" {
		return false
	}
	host, port, err := net.SplitHostPort(u.Host)
	return err == nil && isIP(host) && isPort(port)
}
