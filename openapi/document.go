package openapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tandem-go/tandem/internal/schema"
	"github.com/tandem-go/tandem/view"
)

// Info says whose document it is.
type Info struct {
	Title       string   // needed
	Version     string   // needed; the API's own
	Description string   // may be CommonMark
	Servers     []string // base URLs; without any, where the document was read
}

func (i Info) check() error {
	if i.Title == "" || i.Version == "" {
		return errors.New("describe the app: Info needs a Title and a Version")
	}
	return nil
}

// Document describes an app as an OpenAPI 3.1 document in JSON. It settles the
// app's routes, as the first request does, and gives the same bytes each time.
//
// A pattern without a method is described for GET, POST, PUT, PATCH and DELETE; a
// subtree as the path that it begins with. OpenAPI knows neither hosts nor methods
// of other names: of routes that differ in the host alone the first is described,
// with its host as server, and those of other methods are left out.
//
// An operation's id is the route's [view.Name] if it was given one, else made of
// method and path.
func Document(app *view.App, info Info) ([]byte, error) {
	if err := info.check(); err != nil {
		return nil, err
	}
	d := describer{
		registry: schema.NewRegistry(),
		spelled:  map[string]pattern{},
		ids:      map[string]bool{},
		doc: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info:    &huma.Info{Title: info.Title, Version: info.Version, Description: info.Description},
			Paths:   map[string]*huma.PathItem{},
		},
	}
	for _, url := range info.Servers {
		d.doc.Servers = append(d.doc.Servers, &huma.Server{URL: url})
	}
	d.doc.Components = &huma.Components{
		Schemas: d.registry,
		Responses: map[string]*huma.Response{"Error": {
			Description: "What went wrong.",
			Content:     jsonOf(d.registry.Of(reflect.TypeFor[view.ErrorBody]())),
		}},
	}
	for _, plan := range app.Plan() {
		d.route(plan)
	}
	text, err := json.Marshal(d.doc)
	if err != nil {
		return nil, fmt.Errorf("write the description of the app: %w", err)
	}
	return text, nil
}

// describer collects what the routes are.
type describer struct {
	doc      *huma.OpenAPI
	registry *schema.Registry
	spelled  map[string]pattern // the first path of each shape
	ids      map[string]bool
}

func (d *describer) route(plan view.RoutePlan) {
	if plan.Doc.Hidden {
		return
	}
	p := parsePattern(plan.Pattern)
	first, ok := d.spelled[p.shape()]
	if !ok {
		first = p
		d.spelled[p.shape()] = p
	}
	ms := []string{p.method}
	switch {
	case plan.Methods != nil: // HEAD and OPTIONS go without saying
		ms = slices.DeleteFunc(slices.Clone(plan.Methods), func(m string) bool { return m == http.MethodHead || m == http.MethodOptions })
	case p.method == "":
		ms = methods[:5]
	}
	for _, method := range ms {
		if !slices.Contains(methods, method) || d.described(first.path, method) {
			continue
		}
		id := identifier(method, p.path)
		if plan.Name != plan.View {
			if id = identifier(plan.Name); len(ms) > 1 {
				id = identifier(plan.Name, method)
			}
		}
		op := d.operation(plan, p, first)
		op.Method, op.Path, op.OperationID = method, first.path, d.unique(id)
		d.doc.AddOperation(op)
	}
}

func (d *describer) described(path, method string) bool {
	item := d.doc.Paths[path]
	if item == nil {
		return false
	}
	field := reflect.ValueOf(item).Elem().FieldByName(method[:1] + strings.ToLower(method[1:]))
	return !field.IsNil()
}

func (d *describer) unique(id string) string {
	for name, n := id, 2; ; n++ {
		if !d.ids[name] {
			d.ids[name] = true
			return name
		}
		name = id + "-" + strconv.Itoa(n)
	}
}

// operation describes a route. Its wildcards are called as in first, the path of
// the same shape that came first.
func (d *describer) operation(plan view.RoutePlan, p, first pattern) *huma.Operation {
	op := &huma.Operation{
		Summary: plan.Doc.Summary, Description: plan.Doc.Description, Tags: plan.Doc.Tags, Deprecated: plan.Doc.Deprecated,
		Responses:  map[string]*huma.Response{},
		Extensions: map[string]any{"x-tandem-colour": plan.Colour.String()},
	}
	if op.Summary == "" {
		op.Summary = inWords(plan.Name)
	}
	if p.host != "" {
		op.Servers = []*huma.Server{{URL: "//" + p.host}}
	}
	var in *schema.Input
	if plan.Types != nil {
		in = schema.NewInput(d.registry, plan.Types.In)
	}
	d.parameters(op, in, p, first)
	if plan.Types == nil {
		op.Responses["default"] = &huma.Response{Description: "Not described."}
		return op
	}
	if in.Body != nil {
		op.RequestBody = &huma.RequestBody{Required: !in.Optional(), Content: jsonOf(in.Body)}
	}
	d.answers(op, *plan.Types, in)
	return op
}

func (d *describer) parameters(op *huma.Operation, in *schema.Input, p, first pattern) {
	given := map[string]schema.Param{}
	if in != nil {
		for _, param := range in.Params {
			if param.In == "path" {
				given[param.Name] = param
			}
		}
	}
	for i, name := range p.wildcards {
		param, ok := given[name]
		if !ok {
			param = schema.Param{In: "path", Required: true, Schema: &huma.Schema{Type: huma.TypeString}}
		}
		param.Name = first.wildcards[i]
		described := describe(param)
		if name == p.rest {
			described.Extensions = map[string]any{"x-tandem-rest": true} // it may have slashes
		}
		op.Parameters = append(op.Parameters, described)
	}
	if in == nil {
		return
	}
	for _, param := range in.Params {
		if param.In != "path" {
			op.Parameters = append(op.Parameters, describe(param))
		}
	}
}

func describe(p schema.Param) *huma.Param {
	s := *p.Schema
	param := &huma.Param{Name: p.Name, In: p.In, Required: p.Required, Description: s.Description, Deprecated: s.Deprecated, Schema: &s}
	if len(s.Examples) > 0 {
		param.Example = s.Examples[0]
	}
	s.Description, s.Deprecated, s.Examples = "", false, nil
	return param
}

func (d *describer) answers(op *huma.Operation, types view.Types, in *schema.Input) {
	good := &huma.Response{Description: http.StatusText(types.Status)}
	switch {
	case types.Out == reflect.TypeFor[view.None]():
	case types.Out.Implements(reflect.TypeFor[view.Response]()):
		good.Description = "Not described."
	default:
		good.Content = jsonOf(d.registry.Of(types.Out))
	}
	op.Responses[strconv.Itoa(types.Status)] = good
	fails := func(status, why string) {
		op.Responses[status] = &huma.Response{Ref: "#/components/responses/Error", Description: why}
	}
	fails("default", "Any other failure.")
	if !types.Checked {
		return
	}
	switch {
	case in.Query() && in.Body != nil:
		fails("400", "The query cannot be read, or the body is not JSON.")
	case in.Query():
		fails("400", "The query cannot be read.")
	case in.Body != nil:
		fails("400", "The body is not JSON.")
	}
	if in.Body != nil {
		fails("413", "The body is too large.")
		fails("415", "The content type is not that of JSON.")
	}
	if in.Body != nil || len(in.Params) > 0 {
		fails("422", "The input is not valid; fields says what of it.")
	}
}

func jsonOf(s *huma.Schema) map[string]*huma.MediaType {
	return map[string]*huma.MediaType{"application/json": {Schema: s}}
}
