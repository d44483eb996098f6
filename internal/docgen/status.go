package main

import (
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/tandem-go/tandem/internal/admin"
	"github.com/tandem-go/tandem/internal/control"
)

// objects are the types of JSON objects that a page explains, each once, in the order in which they are met.
type objects struct {
	source sources
	all    []reflect.Type
	next   int                   // where in all one belongs that is met now
	taken  map[reflect.Type]bool // as the body of a request
}

// statusPage makes docs/status.md of the types that are put into JSON, the comments of their fields, and the tables of
// endpoints that are served.
func statusPage([]byte) ([]byte, error) {
	o := &objects{source: sources{}, taken: map[reflect.Type]bool{}}
	var b strings.Builder
	b.WriteString("# What `status --json`, the control socket and the admin port answer\n\nWritten by `make docs` from the Go types that are put into JSON, the comments of their fields, and the tables of what is served.\n\n")
	b.WriteString("More fields may come; a program passes over those that it does not know. A field that is *optional* is left out where it would be zero or empty; one that may be *null* is there, and null where it is not known.\n\n")
	b.WriteString("<!-- run -->\n```sh\nsupervisor status --json\ncurl -sS --unix-socket \"$XDG_RUNTIME_DIR/tandem/supervisor.sock\" http://localhost/v1/status\n```\n\nEither prints a [Status](#status), the second from the default socket of a supervisor whose environment has `XDG_RUNTIME_DIR`. Times are in RFC 3339; an empty array may be null.\n\n")
	b.WriteString("## The control socket\n\nHTTP over a unix socket ([where](configuration.md), `--control`), for the supervisor's user and root alone. A request's body is a JSON object of at most 4 KiB with no other fields than these.\n\n")
	b.WriteString("| request | takes | answers | what it does |\n|---|---|---|---|\n")
	for _, e := range control.Endpoints() {
		answer := "text"
		if e.Answer != nil {
			answer = o.link(reflect.TypeOf(e.Answer))
		}
		if e.Lines {
			answer += ", one a line"
		}
		var takes []string
		if e.Body != nil {
			o.taken[reflect.TypeOf(e.Body)] = true
			takes = append(takes, o.link(reflect.TypeOf(e.Body)))
		}
		for _, p := range e.Query {
			takes = append(takes, fmt.Sprintf("`?%s=` %s", p.Name, p.About))
		}
		fmt.Fprintf(&b, "| `%s %s` | %s | %d: %s | %s |\n", e.Method, e.Path, cell(strings.Join(takes, "; ")), e.Code, answer, cell(e.About))
	}
	fmt.Fprintf(&b, "\nWhat was not done is answered with another code and %s: %d a request that is not understood, %d another user, %d no such path, worker or record, %d another method, %d the supervisor cannot do it now, %d it stops or does not answer in time.\n\n",
		o.link(reflect.TypeOf(control.Failure())), http.StatusBadRequest, http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusConflict, http.StatusServiceUnavailable)
	b.WriteString("## The admin port\n\nHTTP on `--admin`, GET and HEAD alone, for whoever reaches it ([Probes and metrics](metrics.md)).\n\n| path | type | what it answers |\n|---|---|---|\n")
	for _, p := range admin.Pages() {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", p.Path, cell(p.Type), cell(p.About))
	}
	b.WriteString("\n## The objects\n")
	for i := 0; i < len(o.all); i++ { // describing one may add others, behind it
		o.next = i + 1
		text, err := o.describe(o.all[i])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", o.all[i], err)
		}
		b.WriteString(text)
	}
	return []byte(b.String()), nil
}

// title is what the page calls a type.
func title(t reflect.Type) string {
	name := strings.TrimSuffix(t.Name(), "Body")
	return strings.ToUpper(name[:1]) + name[1:]
}

// link points to where a struct is described, and has it described.
func (o *objects) link(t reflect.Type) string {
	if !slices.Contains(o.all, t) {
		o.all = slices.Insert(o.all, o.next, t)
		o.next++
	}
	return fmt.Sprintf("[%s](#%s)", title(t), strings.ToLower(title(t)))
}

// describe gives the section of a struct.
func (o *objects) describe(t reflect.Type) (string, error) {
	for _, other := range o.all {
		if other != t && title(other) == title(t) {
			return "", fmt.Errorf("%s would have the same heading", other)
		}
	}
	about, err := o.source.of(t)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "\n### %s\n\n%s\n\n| field | type | there | meaning |\n|---|---|---|---|\n", title(t), sentence(about.text))
	rows, err := o.fields(t)
	if err != nil {
		return "", err
	}
	return b.String() + rows, nil
}

// fields gives the rows of a struct's table, those of embedded ones among them.
func (o *objects) fields(t reflect.Type) (string, error) {
	about, err := o.source.of(t)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for f := range t.Fields() {
		if f.Anonymous {
			rows, err := o.fields(f.Type)
			if err != nil {
				return "", err
			}
			b.WriteString(rows)
			continue
		}
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "-" {
			continue
		}
		text := about.fields[f.Name]
		switch {
		case name == "":
			return "", fmt.Errorf("%s has no name in JSON", f.Name)
		case text == "":
			return "", fmt.Errorf("%s has no comment, which is what the reference says of it", f.Name)
		}
		kind, err := o.kind(f.Type)
		if err != nil {
			return "", fmt.Errorf("%s: %w", f.Name, err)
		}
		presence := ""
		switch {
		case o.taken[t] && f.Type.Kind() == reflect.Pointer:
			presence = "required"
		case strings.Contains(options, "omit") || o.taken[t]:
			presence = "optional"
		case f.Type.Kind() == reflect.Pointer:
			presence = "may be null"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", name, kind, presence, cell(strings.TrimSuffix(text, ".")))
	}
	return b.String(), nil
}

var (
	aText = reflect.TypeFor[encoding.TextMarshaler]()
	aJSON = reflect.TypeFor[json.Marshaler]()
)

// kind is what JSON calls the type of a field.
func (o *objects) kind(t reflect.Type) (string, error) {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return "time", nil
	case t.Implements(aText):
		return "string", nil
	case t.Implements(aJSON):
		return "", errors.New("it has a form of its own, which this does not know")
	}
	switch t.Kind() {
	case reflect.Pointer:
		return o.kind(t.Elem())
	case reflect.String:
		return "string", nil
	case reflect.Bool:
		return "boolean", nil
	case reflect.Int, reflect.Int64, reflect.Uint64:
		return "integer", nil
	case reflect.Float64:
		return "number", nil
	case reflect.Struct:
		if t.Name() == "" {
			return "", errors.New("its type has no name, under which it could be described")
		}
		return o.link(t), nil
	case reflect.Slice:
		of, err := o.kind(t.Elem())
		return "array of " + of, err
	}
	return "", fmt.Errorf("%s is no type that this knows", t)
}
