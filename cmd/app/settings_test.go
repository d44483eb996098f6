package main

import (
	"net/netip"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/tandem-go/tandem/middleware"
)

// setEnvironment leaves exactly the given APP_* variables.
func setEnvironment(t *testing.T, vars map[string]string) {
	t.Helper()
	for _, entry := range os.Environ() {
		if name, value, _ := strings.Cut(entry, "="); strings.HasPrefix(name, "APP_") {
			t.Setenv(name, value) // so that it comes back
			if err := os.Unsetenv(name); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, value := range vars {
		t.Setenv(name, value)
	}
}

func TestSettings(t *testing.T) {
	defaults := newSettings()
	with := func(change func(*settings)) settings {
		s := defaults
		change(&s)
		return s
	}
	tests := map[string]struct {
		env  map[string]string
		want settings
		err  string // part of it; the variable's name is always part of it
	}{
		"defaults": {want: defaults},
		"empty is not set": {
			env: map[string]string{
				"APP_ADDR": "", "APP_WORKER_CLASS": "", "APP_BLOCKING_PERMITS": "", "APP_CPU_PERMITS": "", "APP_WEATHER_URL": "", "APP_REQUEST_TIMEOUT": "",
				"APP_DATABASE_URL": "", "APP_SLOW_QUERY": "", "APP_REPEATED_QUERIES": "", "APP_ACCESS_LOG": "", "APP_TRUSTED_PROXIES": "", "APP_PROXY_PROTOCOL": "", "APP_TLS_CERT": "", "APP_TLS_KEY": "",
				"APP_TLS_CLIENT_CA": "", "APP_TLS_CLIENT_AUTH": "", "APP_TLS_OCSP": "", "APP_TLS_MIN_VERSION": "",
				"APP_ACCESS_LOG_SKIP": "", "APP_TRACE": "",
			},
			want: defaults,
		},
		"all": {
			env: map[string]string{
				"APP_ADDR": ":9000", "APP_WORKER_CLASS": "mixed", "APP_BLOCKING_PERMITS": "7", "APP_CPU_PERMITS": "3",
				"APP_WEATHER_URL": "http://w/1", "APP_NEWS_URL": "https://n/2", "APP_STOCKS_URL": "http://s:81/3", "APP_ACCESS_LOG": "json",
				"APP_SERVER_TIMING": "on", "APP_REQUEST_TIMEOUT": "1m30s", "APP_DATABASE_URL": "postgres://u:hush@h/d?sslmode=disable",
				"APP_SLOW_QUERY": "1s", "APP_REPEATED_QUERIES": "5", "APP_ACCESS_LOG_SKIP": "/healthz,/static/", "APP_TRACE": "restart",
			},
			want: settings{
				Addr: ":9000", WorkerClass: mixed, BlockingPermits: 7, CPUPermits: 3,
				WeatherURL: "http://w/1", NewsURL: "https://n/2", StocksURL: "http://s:81/3",
				AccessLog: accessLog{on: true, format: middleware.JSON}, ServerTiming: true, RequestTimeout: timeout(90 * time.Second),
				DatabaseURL: "postgres://u:hush@h/d?sslmode=disable", SlowQuery: timeout(time.Second), RepeatedQueries: 5,
				AccessLogSkip: "/healthz,/static/", Trace: restarted,
			},
		},
		"class sync":           {env: map[string]string{"APP_WORKER_CLASS": "sync"}, want: with(func(s *settings) { s.WorkerClass = syncOnly })},
		"auto":                 {env: map[string]string{"APP_CPU_PERMITS": "auto"}, want: defaults},
		"not without prefix":   {env: map[string]string{"ADDR": "nowhere", "BLOCKING_PERMITS": "x"}, want: defaults},
		"address, no port":     {env: map[string]string{"APP_ADDR": "localhost"}, err: "host:port"},
		"address, big port":    {env: map[string]string{"APP_ADDR": "localhost:70000"}, err: "host:port"},
		"class":                {env: map[string]string{"APP_WORKER_CLASS": "gevent"}, err: "none of mixed, sync"},
		"permits, word":        {env: map[string]string{"APP_BLOCKING_PERMITS": "many"}, err: "1 to 10000"},
		"permits, none":        {env: map[string]string{"APP_BLOCKING_PERMITS": "0"}, err: "1 to 10000"},
		"permits, too many":    {env: map[string]string{"APP_BLOCKING_PERMITS": "10001"}, err: "1 to 10000"},
		"permits, auto":        {env: map[string]string{"APP_BLOCKING_PERMITS": "auto"}, err: "1 to 10000"},
		"cpu permits":          {env: map[string]string{"APP_CPU_PERMITS": "-1"}, err: "or auto"},
		"service, no scheme":   {env: map[string]string{"APP_NEWS_URL": "news.internal"}, err: "http://"},
		"service, no host":     {env: map[string]string{"APP_STOCKS_URL": "http:///x"}, err: "http://"},
		"timeout, none":        {env: map[string]string{"APP_REQUEST_TIMEOUT": "0"}, want: defaults},
		"timeout, no unit":     {env: map[string]string{"APP_REQUEST_TIMEOUT": "30"}, err: "such as 30s"},
		"timeout, negative":    {env: map[string]string{"APP_REQUEST_TIMEOUT": "-1s"}, err: "0 to 24h"},
		"timeout, for ever":    {env: map[string]string{"APP_REQUEST_TIMEOUT": "25h"}, err: "0 to 24h"},
		"database, file":       {env: map[string]string{"APP_DATABASE_URL": "srv/app.db"}, want: with(func(s *settings) { s.DatabaseURL = "srv/app.db" })},
		"database, scheme":     {env: map[string]string{"APP_DATABASE_URL": "sqlite:srv/app.db"}, want: with(func(s *settings) { s.DatabaseURL = "sqlite:srv/app.db" })},
		"database, capitals":   {env: map[string]string{"APP_DATABASE_URL": "Postgres://u:hush@h/d"}, want: with(func(s *settings) { s.DatabaseURL = "Postgres://u:hush@h/d" })},
		"database, cut off":    {env: map[string]string{"APP_DATABASE_URL": "//u:hush@h/d"}, err: "neither a postgres:// URL nor a SQLite file"},
		"database, misspelt":   {env: map[string]string{"APP_DATABASE_URL": "postgre://u:hush@h/d"}, err: "neither a postgres:// URL nor a SQLite file"},
		"database, another":    {env: map[string]string{"APP_DATABASE_URL": "mysql://u:hush@h/d"}, err: "neither a postgres:// URL nor a SQLite file"},
		"database, keywords":   {env: map[string]string{"APP_DATABASE_URL": "host=h password=hush"}, err: "neither a postgres:// URL nor a SQLite file"},
		"database, no slashes": {env: map[string]string{"APP_DATABASE_URL": "postgres:u:hush@h/d"}, err: "postgres://user:password@host/database"},
		"database, escape":     {env: map[string]string{"APP_DATABASE_URL": "postgres://u:hush%zz@h/d"}, err: "postgres://user:password@host/database"},
		"database, in memory":  {env: map[string]string{"APP_DATABASE_URL": "file::memory:"}, err: "name a file"},
		"slow query, none":     {env: map[string]string{"APP_SLOW_QUERY": "0"}, want: with(func(s *settings) { s.SlowQuery = 0 })},
		"slow query, no unit":  {env: map[string]string{"APP_SLOW_QUERY": "200"}, err: "0 to 24h"},
		"repeated, none":       {env: map[string]string{"APP_REPEATED_QUERIES": "0"}, want: defaults},
		"repeated, each":       {env: map[string]string{"APP_REPEATED_QUERIES": "1"}, err: "2 to 10000"},
		"repeated, word":       {env: map[string]string{"APP_REPEATED_QUERIES": "on"}, err: "such as 5, or 0"},
		"access log, off":      {env: map[string]string{"APP_ACCESS_LOG": "off", "APP_SERVER_TIMING": "off"}, want: defaults},
		"access log":           {env: map[string]string{"APP_ACCESS_LOG": "common"}, want: with(func(s *settings) { s.AccessLog.on = true })},
		"server timing":        {env: map[string]string{"APP_SERVER_TIMING": "yes"}, err: "none of off, on"},
		"access log, all":      {env: map[string]string{"APP_ACCESS_LOG_SKIP": "none"}, want: with(func(s *settings) { s.AccessLogSkip = "" })},
		"skip, no path":        {env: map[string]string{"APP_ACCESS_LOG_SKIP": "/healthz,static"}, err: `"static" is no path`},
		"skip, a space":        {env: map[string]string{"APP_ACCESS_LOG_SKIP": "/healthz, /static/"}, err: `" /static/" is no path`},
		"skip, a pattern":      {env: map[string]string{"APP_ACCESS_LOG_SKIP": "/static/*"}, err: "is no path"},
		"skip, a comma at end": {env: map[string]string{"APP_ACCESS_LOG_SKIP": "/healthz,"}, err: `"" is no path`},
		"trace":                {env: map[string]string{"APP_TRACE": "off"}, want: with(func(s *settings) { s.Trace = untraced })},
		"trace, bad":           {env: map[string]string{"APP_TRACE": "on"}, err: "none of continue, restart, off"},
		"access log, bad":      {env: map[string]string{"APP_ACCESS_LOG": "xml"}, err: "none of off, common, combined, json"},
		"proxies": {
			env: map[string]string{"APP_TRUSTED_PROXIES": "10.0.0.0/8, ::1,unix", "APP_PROXY_PROTOCOL": "::ffff:192.0.2.1"},
			want: with(func(s *settings) {
				s.TrustedProxies = networks{true, []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("::1/128")}}
				s.ProxyProtocol = networks{true, []netip.Prefix{netip.MustParsePrefix("192.0.2.1/32")}}
			}),
		},
		"proxies, unix":      {env: map[string]string{"APP_TRUSTED_PROXIES": "unix"}, want: with(func(s *settings) { s.TrustedProxies.on = true })},
		"proxies, off":       {env: map[string]string{"APP_TRUSTED_PROXIES": "off", "APP_PROXY_PROTOCOL": "off"}, want: defaults},
		"proxies, name":      {env: map[string]string{"APP_TRUSTED_PROXIES": "10.0.0.0/8,proxy"}, err: `"proxy" is neither`},
		"proxies, none":      {env: map[string]string{"APP_TRUSTED_PROXIES": "10.0.0.0/8,"}, err: `"" is neither`},
		"proxies, all":       {env: map[string]string{"APP_TRUSTED_PROXIES": "*"}, err: "0.0.0.0/0,::/0 is everybody"},
		"proxies, more bits": {env: map[string]string{"APP_TRUSTED_PROXIES": "10.1.2.3/8"}, err: "give 10.0.0.0/8"},
		"proxies, zone":      {env: map[string]string{"APP_TRUSTED_PROXIES": "fe80::1%eth0"}, err: "is neither"},
		"proxies, mapped":    {env: map[string]string{"APP_TRUSTED_PROXIES": "::ffff:10.0.0.0/104"}, err: "is neither"},
		"PROXY, word":        {env: map[string]string{"APP_PROXY_PROTOCOL": "on"}, err: `"on" is neither`},
		"typo":               {env: map[string]string{"APP_WORKER_CLAS": "sync"}, err: "unknown environment variable"},
		"not a service link": {env: map[string]string{"APP_PORT": "8000"}, err: "unknown environment variable"},
		"service links": {
			env: map[string]string{
				"APP_SERVICE_HOST": "10.0.0.1", "APP_SERVICE_PORT": "80", "APP_SERVICE_PORT_HTTP_WEB": "80", "APP_PORT": "tcp://10.0.0.1:80",
				"APP_PORT_80_TCP": "tcp://10.0.0.1:80", "APP_PORT_80_TCP_PROTO": "tcp", "APP_PORT_80_TCP_PORT": "80",
				"APP_PORT_80_TCP_ADDR": "10.0.0.1", "APP_BLUE_SERVICE_HOST": "fd00::1",
			},
			want: defaults,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			setEnvironment(t, test.env)
			got, err := loadSettings()
			if test.err == "" {
				if err != nil || !reflect.DeepEqual(got, test.want) {
					t.Fatalf("got %+v, %v\nwant %+v", got, err, test.want)
				}
				return
			}
			if err == nil {
				t.Fatalf("no error, want one with %q", test.err)
			}
			line := err.Error()
			for variable, value := range test.env {
				if !strings.Contains(line, variable) {
					t.Errorf("%q does not name %s", line, variable)
				}
				if strings.Contains(value, "hush") && strings.Contains(line, "hush") {
					t.Errorf("%q prints a secret", line)
				}
			}
			if !strings.Contains(line, test.err) || strings.Contains(line, "\n") {
				t.Errorf("got %q, want one line with %q", line, test.err)
			}
		})
	}
}
