package view

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"unicode/utf8"

	"github.com/tandem-go/tandem/internal/funcname"
	"github.com/tandem-go/tandem/internal/schema"
)

// Typed is a view with typed input and output, async or sync. Make it with
// [JSONView] or [JSONViewSync].
type Typed struct {
	name   string
	stage  stage
	decode func(*Request) any
	types  Types
	params []schema.Param
}

// Types are what a route takes and answers. A description of the API is made of
// them.
type Types struct {
	In, Out reflect.Type
	Status  int  // of the answer
	Checked bool // the view is a [Typed] one: bad input is answered 422
}

// None is the type of no input and of no output. A view that answers None
// answers 204 without a body.
type None = struct{}

// TypedOption configures a [Typed] view.
type TypedOption func(*Types)

// Answers sets the status of the answer, from 200 to 299; without it that is
// 200, or 204 for [None].
func Answers(status int) TypedOption { return func(t *Types) { t.Status = status } }

// Created makes the status 201.
func Created() TypedOption { return Answers(http.StatusCreated) }

// JSONView makes an async view of a function with typed input and output.
//
// In is a struct. Fields with one of the tags path, query, header and cookie are
// parameters: strings, booleans, numbers, what has UnmarshalText, pointers to
// such, and in the query slices of such, which may be repeated. A field called
// Body is the JSON body, of any type; where it is a pointer the body may be
// missing. A struct with neither is the body itself, and an empty one ([None])
// takes nothing. Further tags say what is allowed (required, default, minimum,
// maximum, minLength, maxLength, pattern, enum, format, minItems, maxItems,
// uniqueItems, dependentRequired and more) and what it means (doc, example,
// deprecated); they are those of github.com/danielgtaylor/huma. A parameter is
// optional unless it says required:"true" or is of the path; a field of a body is
// required unless it says omitempty, omitzero or required:"false".
//
// What is missing, of the wrong type, out of range, not known or given twice is
// answered as one 422 that lists all of it, up to 64 entries: see [ErrorBody].
// Names in a body are told apart by case. Parameters of the query that In does not
// know are passed over. A body that is not JSON in UTF-8 is a 400, another content
// type a 415, a body over its bound a 413. A type with an UnmarshalJSON or
// UnmarshalText of its own has the last word on its values.
//
// Out is written as JSON; a [Response] is answered as it is. Errors are those of
// any view.
//
// Types are looked at here, once. JSONView panics, naming the type, where one
// cannot be described.
func JSONView[In, Out any](f func(context.Context, *Request, In) (Out, error), opts ...TypedOption) Typed {
	t, read := typed[In, Out](f, f == nil, opts)
	answer := t.answer()
	t.stage.async = func(ctx context.Context, r *Request) (Response, error) {
		in := new(In)
		if err := read(r, reflect.ValueOf(in).Elem()); err != nil {
			return nil, err
		}
		out, err := f(ctx, r, *in)
		if err != nil {
			return nil, err
		}
		return answer(out), nil
	}
	return t
}

// JSONViewSync makes a sync view of a function with typed input and output; all
// else is as with [JSONView]. Go cannot tell In and Out from a type that is one
// of two kinds of function, hence the second name.
//
// Its permit covers the function alone: the input is read and checked before one
// is taken. Sync middleware between runs first all the same, so that a 401 comes
// before a 422.
func JSONViewSync[In, Out any](f func(*Request, In) (Out, error), opts ...TypedOption) Typed {
	t, read := typed[In, Out](f, f == nil, opts)
	answer := t.answer()
	t.decode = func(r *Request) any {
		in := new(In)
		if err := read(r, reflect.ValueOf(in).Elem()); err != nil {
			return badInput{err}
		}
		return in
	}
	t.stage.sync = func(r *Request) (Response, error) {
		if bad, ok := r.input.(badInput); ok {
			return nil, bad.error
		}
		out, err := f(r, *r.input.(*In))
		if err != nil {
			return nil, err
		}
		return answer(out), nil
	}
	return t
}

// badInput stands for an input that could not be read.
type badInput struct{ error }

// typed is what the two colours have in common. read fills an In from a request.
func typed[In, Out any](f any, isNil bool, opts []TypedOption) (Typed, func(*Request, reflect.Value) error) {
	if isNil {
		panic("view: the function of a typed view is nil")
	}
	t := Typed{name: funcname.Of(f), types: newTypes[In, Out](opts)}
	t.types.Checked = true
	in := schema.NewInput(schema.NewRegistry(), t.types.In)
	t.params = in.Params
	return t, func(r *Request, v reflect.Value) error { return r.read(in, v) }
}

func newTypes[In, Out any](opts []TypedOption) Types {
	t := Types{In: reflect.TypeFor[In](), Out: reflect.TypeFor[Out]()}
	for _, o := range opts {
		o(&t)
	}
	none := t.Out == reflect.TypeFor[None]()
	switch {
	case t.Status == 0 && none:
		t.Status = http.StatusNoContent
	case t.Status == 0:
		t.Status = http.StatusOK
	}
	if t.Status < 200 || t.Status > 299 || !none && (t.Status == http.StatusNoContent || t.Status == http.StatusResetContent) {
		panic(fmt.Sprintf("view: a view that answers %v cannot do so with status %d", t.Out, t.Status))
	}
	if !t.isResponse() {
		schema.NewRegistry().Of(t.Out) // panics where JSON has nothing like it
	}
	return t
}

func (t Types) isResponse() bool { return t.Out.Implements(reflect.TypeFor[Response]()) }

// answer makes responses of the view's output.
func (t Typed) answer() func(any) Response {
	switch status := t.types.Status; {
	case t.types.isResponse():
		return func(out any) Response {
			resp, _ := out.(Response)
			return resp
		}
	case t.types.Out == reflect.TypeFor[None]():
		resp := Status(status)
		return func(any) Response { return resp }
	default:
		return func(out any) Response {
			if resp, ok := out.(Response); ok { // behind an interface
				return resp
			}
			return jsonResponse{out, status}
		}
	}
}

// mount makes the view that of a route.
func (t Typed) mount(rt *Route) {
	if t.types.In == nil {
		panic("view.Path: the view of " + rt.pattern + " is an empty Typed")
	}
	for _, p := range t.params {
		if p.In == "path" && !strings.Contains(rt.pattern, "{"+p.Name+"}") && !strings.Contains(rt.pattern, "{"+p.Name+"...}") {
			panic(fmt.Sprintf("view.Path: %v wants %q from the path, and %s has no {%s}", t.types.In, p.Name, rt.pattern, p.Name))
		}
	}
	rt.view, rt.inner, rt.decode, rt.types = t.name, t.stage, t.decode, &t.types
}

// read fills v, of the type that in describes.
func (r *Request) read(in *schema.Input, v reflect.Value) error {
	var query url.Values
	if in.Query() {
		var err error
		if query, err = url.ParseQuery(r.http.URL.RawQuery); err != nil {
			return &Error{Status: http.StatusBadRequest, Message: "query: " + err.Error(), Err: err}
		}
	}
	var body []byte
	if in.Body != nil {
		var err error
		body, err = Decode[json.RawMessage](r)
		switch {
		case in.Optional() && errors.Is(err, errNoValue):
			body = nil
		case err != nil:
			return err
		case !utf8.Valid(body):
			return &Error{Status: http.StatusBadRequest, Message: "request body: not UTF-8"}
		}
	}
	faults := in.Read(v, r, query, body)
	if faults == nil {
		return nil
	}
	fields := make([]FieldError, len(faults))
	for i, f := range faults {
		fields[i] = FieldError(f)
	}
	return Invalid(fields...)
}

// decodeAhead reads the input of a typed sync view and keeps it for the view, an
// error as well.
func (r *Request) decodeAhead(decode func(*Request) any) (err error) {
	defer func() {
		if v := recover(); v != nil { // from code of a type of the input
			err = r.panicked(v)
			r.input = badInput{err}
		}
	}()
	r.input = decode(r)
	if bad, ok := r.input.(badInput); ok {
		return bad.error
	}
	return nil
}
