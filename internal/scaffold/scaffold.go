// Package scaffold writes a first application of a user's own. Invariant: a directory has the whole application, with
// the sums of its modules, or is as it was.
//
// The smallest use:
//
//	app, err := scaffold.New("hello", "", scaffold.Origin{Version: "v1.2.3"})
//	…
//	err = app.Write(ctx, scaffold.Complete)
//
// The files are templates in app/. What they are of is text alone; the directory and the go command are touched by Write
// and what it is given.
package scaffold

import (
	"bytes"
	"embed"
	"fmt"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"text/template"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
)

// Tandem is the path of the module that applications are built with.
const Tandem = "github.com/tandem-go/tandem"

// Go is the version of Go that go.mod asks for: the one that Tandem's own does.
const Go = "1.26.0"

// none is the version that is required where a source takes its place.
const none = "v0.0.0"

// An App is an application that is not there yet.
type App struct {
	Dir    string // absolute
	Name   string // of the program and of the unit
	Module string
	Origin Origin
}

// An Origin says where the module Tandem is taken from: by its version from where it is hosted, or from a directory.
type Origin struct {
	Version string
	Source  string // absolute; "" where Version says it
}

// String is how people are told.
func (o Origin) String() string {
	if o.Source != "" {
		return "the source in " + o.Source
	}
	return o.Version
}

// New checks what an application is to be called. Its module is example.org/NAME, after the directory, where none is given;
// else it is named after the module. It touches nothing.
func New(dir, modulePath string, origin Origin) (App, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return App{}, fmt.Errorf("find the directory %s: %w", dir, err)
	}
	app := App{Dir: abs, Module: modulePath, Origin: origin}
	if modulePath == "" {
		app.Name = filepath.Base(abs)
		if err := checkName(app.Name); err != nil {
			return App{}, fmt.Errorf("%w; give the directory another name, or --module example.org/NAME", err)
		}
		app.Module = "example.org/" + app.Name
		return app, nil
	}
	if err := module.CheckPath(modulePath); err != nil {
		return App{}, fmt.Errorf("--module: %s; it is a path such as example.org/shop", strings.TrimPrefix(err.Error(), "malformed "))
	}
	if modulePath == Tandem {
		return App{}, fmt.Errorf("--module: %s is Tandem itself; give yours, such as example.org/shop", Tandem)
	}
	prefix, _, _ := module.SplitPathVersion(modulePath)
	app.Name = prefix[strings.LastIndexByte(prefix, '/')+1:]
	if err := checkName(app.Name); err != nil {
		return App{}, fmt.Errorf("--module %s: %w, after which the program is named", modulePath, err)
	}
	return app, nil
}

// name is what a program, a unit, a user of systemd's and an image may all be called.
var name = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)

// longest bounds a name: a user of systemd's has 31 characters at most.
const longest = 31

// taken are users and groups that Debian's base-passwd and its servers make, and that
// could be a name.
var taken = []string{
	"root", "daemon", "bin", "sys", "sync", "games", "man", "lp", "mail", "news", "uucp", "proxy", "www-data", "backup", "list", "irc", "nobody", "nogroup",
	"adm", "tty", "disk", "kmem", "dialout", "fax", "voice", "cdrom", "floppy", "tape", "sudo", "audio", "dip", "operator", "src", "shadow", "utmp", "video",
	"sasl", "plugdev", "staff", "users", "input", "kvm", "render", "sgx", "crontab", "ssh", "sshd", "docker", "wheel", "messagebus", "postgres", "mysql",
	"redis", "nginx", "haproxy", "tandem",
}

func checkName(s string) error {
	switch {
	case len(s) > longest:
		return fmt.Errorf("%.40q is longer than %d characters", s, longest)
	case !name.MatchString(s):
		return fmt.Errorf("%.40q is no name: one has lower-case letters, digits and single dashes, and begins with a letter", s)
	case slices.Contains(taken, s):
		return fmt.Errorf("%q is the name of a user or group that systems have: the unit would run the application as that one", s)
	case s == "supervisor":
		return fmt.Errorf("%q is the name of the program that the application runs under", s)
	}
	return nil
}

//go:embed app
var templates embed.FS

// files gives the application's files by their names.
func (a App) files() (map[string][]byte, error) {
	all, err := fs.ReadDir(templates, "app")
	if err != nil {
		return nil, err
	}
	version, source := a.Origin.Version, a.Origin.Source
	if source != "" {
		version, source = none, modfile.AutoQuote(source)
	}
	values := map[string]string{
		"Name": a.Name, "Module": a.Module, "Version": version, "Source": source,
		"Go": Go, "GoMinor": Go[:strings.LastIndexByte(Go, '.')],
	}
	made := map[string][]byte{}
	for _, entry := range all {
		text, err := fs.ReadFile(templates, "app/"+entry.Name())
		if err != nil {
			return nil, err
		}
		t, err := template.New(entry.Name()).Option("missingkey=error").Parse(string(text))
		if err != nil {
			return nil, err
		}
		var b bytes.Buffer
		if err := t.Execute(&b, values); err != nil {
			return nil, err
		}
		made[a.fileName(entry.Name())] = b.Bytes()
	}
	return made, nil
}

// fileName gives the name of the file that a template makes. Templates of hidden files are not hidden, and embedded by
// the name of their directory.
func (a App) fileName(template string) string {
	file := strings.TrimSuffix(template, ".tmpl")
	switch file {
	case "gitignore", "dockerignore":
		return "." + file
	case "app.service":
		return a.Name + ".service"
	}
	return file
}
