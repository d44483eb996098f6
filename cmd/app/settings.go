package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kelseyhightower/envconfig"

	"github.com/tandem-go/tandem/middleware"
	"github.com/tandem-go/tandem/orm"
)

// settings is the whole configuration. Every field is one environment variable: APP_ and the field's name in words, so
// CPUPermits is APP_CPU_PERMITS. An empty variable counts as not set.
//
// No field has an `envconfig` tag, because envconfig would then also read the variable without its prefix ($ADDR), nor a
// `default` tag: newSettings has the defaults.
type settings struct {
	Addr            address     `split_words:"true" desc:"where to listen when run alone, 127.0.0.1:8000; the supervisor's --bind otherwise"`
	WorkerClass     workerClass `split_words:"true" desc:"mixed: async views run free, sync ones take a permit; sync: every request takes one"`
	BlockingPermits permits     `split_words:"true" desc:"how many sync views and functions may block at once, 40"`
	CPUPermits      autoPermits `split_words:"true" desc:"how many may compute at once, auto: this worker's share of CPUs less one, at least 1"`
	RequestTimeout  timeout     `split_words:"true" desc:"how long a request may take, such as 30s; 0, the default: without a bound. Streams and sockets have none"`
	AccessLog       accessLog   `split_words:"true" desc:"one line per request on stdout: off, common, combined or json"`
	AccessLogSkip   paths       `split_words:"true" desc:"paths whose answers below 400 are not in the access log, /healthz; a/ is all below it; none: log all"`
	Trace           traceMode   `split_words:"true" desc:"W3C trace context: continue a caller's; restart: at an edge, nobody's is; off. Default continue"`
	TrustedProxies  networks    `split_words:"true" desc:"whose X-Forwarded-* and Forwarded are believed: networks, addresses or unix, commas between; off"`
	ProxyProtocol   networks    `split_words:"true" desc:"whose connections begin with a PROXY header, likewise; off. See docs/proxies.md"`
	DatabaseURL     databaseURL `split_words:"true" desc:"a SQLite file or a postgres:// URL, changed by app migrate alone; the app's own file var/app.db, made and filled by itself"`
	SlowQuery       timeout     `split_words:"true" desc:"a statement that takes as long is logged with its route, 200ms; 0: none is"`
	RepeatedQueries repeats     `split_words:"true" desc:"for development: what one request asks so often is logged when it is over, such as 5; 0, the default: nothing is"`
	ServerTiming    onOff       `split_words:"true" desc:"on: every answer says in Server-Timing where the time went, for all to see; off"`
	WeatherURL      serviceURL  `split_words:"true" desc:"what /dashboard/ asks for the weather; the app's own stand-in"`
	NewsURL         serviceURL  `split_words:"true" desc:"what /dashboard/ asks for the news; the app's own stand-in"`
	StocksURL       serviceURL  `split_words:"true" desc:"what /dashboard/ asks for the stocks; the app's own stand-in"`

	TLS tlsSettings
}

func newSettings() settings {
	return settings{
		Addr: "127.0.0.1:8000", WorkerClass: mixed, BlockingPermits: 40, SlowQuery: timeout(orm.DefaultSlowQuery),
		AccessLogSkip: "/healthz", Trace: continued,
	}
}

// loadSettings reads APP_* from the environment. Its error is one line: the variable, what is wrong, what would be right.
// It never holds a value that may be secret.
func loadSettings() (settings, error) {
	s := newSettings()
	if err := envconfig.Process("app", &s); err != nil {
		if bad, ok := errors.AsType[*envconfig.ParseError](err); ok {
			return s, fmt.Errorf("%s: %w", bad.KeyName, bad.Err) // a ParseError's own text would print the value
		}
		return s, fmt.Errorf("read the settings: %w", err)
	}
	// A pod beside a Kubernetes Service named "app" is given APP_PORT and the like. They are neither ours nor typos, and
	// the only way to tell CheckDisallowed is to take them away.
	for _, entry := range os.Environ() {
		if name, value, _ := strings.Cut(entry, "="); strings.HasPrefix(name, "APP_") && isServiceLink(name, value) {
			if err := os.Unsetenv(name); err != nil {
				return s, fmt.Errorf("drop the service link %s: %w", name, err)
			}
		}
	}
	if err := envconfig.CheckDisallowed("app", &s); err != nil {
		return s, fmt.Errorf("%w; `app help` lists the settings", err)
	}
	return s, s.TLS.check()
}

// writeSettings lists every setting with its meaning and default.
func writeSettings(w io.Writer) error {
	const format = "{{range .}}  {{usage_key . | printf \"%-21s\"}} {{usage_description .}}\n{{end}}"
	return envconfig.Usagef("app", &settings{}, w, format)
}

// address is where to listen: host:port. An empty host means every address, port 0 a free port.
type address string

// UnmarshalText implements encoding.TextUnmarshaler.
func (a *address) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		return nil
	}
	_, port, err := net.SplitHostPort(string(text))
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return fmt.Errorf("%q is no address; give host:port, such as 127.0.0.1:8000", text)
	}
	*a = address(text)
	return nil
}

type workerClass string

const (
	mixed    workerClass = "mixed"
	syncOnly workerClass = "sync"
)

// UnmarshalText implements encoding.TextUnmarshaler.
func (c *workerClass) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		return nil
	}
	*c = workerClass(text)
	return oneOf(text, string(mixed), string(syncOnly))
}

// accessLog is whether there is an access log, and how its lines look.
type accessLog struct {
	on     bool
	format middleware.Format
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (l *accessLog) UnmarshalText(text []byte) error {
	*l = accessLog{}
	if len(text) == 0 || string(text) == "off" {
		return nil
	}
	if l.format.UnmarshalText(text) != nil {
		return oneOf(text, "off", "common", "combined", "json")
	}
	l.on = true
	return nil
}

type onOff bool

// UnmarshalText implements encoding.TextUnmarshaler.
func (o *onOff) UnmarshalText(text []byte) error {
	*o = string(text) == "on"
	if len(text) == 0 {
		return nil
	}
	return oneOf(text, "off", "on")
}

// permits is how many calls may run at once.
type permits int

// UnmarshalText implements encoding.TextUnmarshaler.
func (p *permits) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		return nil
	}
	n, err := strconv.Atoi(string(text))
	if err != nil || n < 1 || n > 10_000 {
		return fmt.Errorf("%q is no number of permits; give 1 to 10000", text)
	}
	*p = permits(n)
	return nil
}

// autoPermits is permits, or 0 for "auto".
type autoPermits permits

// UnmarshalText implements encoding.TextUnmarshaler.
func (p *autoPermits) UnmarshalText(text []byte) error {
	if string(text) == "auto" {
		return nil
	}
	if err := (*permits)(p).UnmarshalText(text); err != nil {
		return fmt.Errorf("%w, or auto", err)
	}
	return nil
}

// timeout is a length of time; 0 is none.
type timeout time.Duration

// UnmarshalText implements encoding.TextUnmarshaler.
func (t *timeout) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		return nil
	}
	d, err := time.ParseDuration(string(text))
	if err != nil || d < 0 || d > 24*time.Hour {
		return fmt.Errorf("%q is no such time; give 0 to 24h, such as 30s", text)
	}
	*t = timeout(d)
	return nil
}

// repeats is from how many runs of one statement on a request repeats itself; 0: none does.
type repeats int

// UnmarshalText implements encoding.TextUnmarshaler.
func (r *repeats) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		return nil
	}
	n, err := strconv.Atoi(string(text))
	if err != nil || n < 0 || n == 1 || n > 10_000 {
		return fmt.Errorf("%q is no number of repetitions; give 2 to 10000, such as 5, or 0 for none", text)
	}
	*r = repeats(n)
	return nil
}

// seeing is how statements are seen in the log.
func (s settings) seeing() []orm.Option {
	return []orm.Option{orm.SlowQuery(time.Duration(s.SlowQuery)), orm.ReportRepeated(int(s.RepeatedQueries))}
}

// serviceURL is where another service answers. It may hold a password, so errors do not print it.
type serviceURL string

// UnmarshalText implements encoding.TextUnmarshaler.
func (u *serviceURL) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		return nil
	}
	parsed, err := url.Parse(string(text))
	if err != nil || parsed.Scheme != "http" && parsed.Scheme != "https" || parsed.Host == "" {
		return errors.New("not an http:// or https:// URL; give one such as http://weather.internal/now")
	}
	*u = serviceURL(text)
	return nil
}

func oneOf(text []byte, allowed ...string) error {
	if !slices.Contains(allowed, string(text)) {
		return fmt.Errorf("%q is none of %s", text, strings.Join(allowed, ", "))
	}
	return nil
}
