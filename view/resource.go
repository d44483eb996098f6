package view

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
)

// Resource makes a route of a value whose methods are those of HTTP: they have the
// names Get, Head, Post, Put, Patch, Delete and Options, each the type of an
// [AsyncView] or of a [SyncView], and all the same one.
//
//	type posts struct{ store *Store }
//
//	func (p *posts) Get(ctx context.Context, r *view.Request) (view.Response, error)  { … }
//	func (p *posts) Post(ctx context.Context, r *view.Request) (view.Response, error) { … }
//
//	app.Routes(view.Resource("/posts/", &posts{store}))
//
// HEAD is answered by Get where there is no Head, OPTIONS by 200 with Allow where
// there is no Options, and what is not there by 405 with Allow. Other methods of v
// are left alone.
//
// It panics, with the names of the type and its methods, if v has no such method,
// one of another type, or some of each colour, and if the pattern has a method.
// One v serves all requests, several at once: what they change in it needs a lock.
func Resource(pattern string, v any, opts ...RouteOption) Route {
	name := strings.TrimPrefix(fmt.Sprintf("%T", v), "*")
	if strings.ContainsAny(pattern, " \t") {
		panic(fmt.Sprintf("view.Resource: the pattern %q of %s has a method: the methods are those of the type", pattern, name))
	}
	res, err := newResource(v)
	if err != nil {
		panic(fmt.Sprintf("view.Resource: %s at %s: %v", name, pattern, err))
	}
	rt := Route{pattern: pattern, view: name, methods: res.allowed}
	if res.colour == Async {
		rt.inner.async = res.async
	} else {
		rt.inner.sync = res.sync
	}
	return rt.with(opts)
}

// resource is a value's methods, by those of HTTP.
type resource struct {
	colour  Mode
	on      map[string]stage
	allowed []string // sorted
	allow   string   // the same, as Allow wants it
}

// verbs are the names that methods of a Resource have.
var verbs = []string{"Get", "Head", "Post", "Put", "Patch", "Delete", "Options"}

func newResource(v any) (*resource, error) {
	if rv := reflect.ValueOf(v); !rv.IsValid() || rv.Kind() == reflect.Pointer && rv.IsNil() {
		return nil, errors.New("the value is nil")
	}
	res := &resource{on: make(map[string]stage)}
	var async, sync []string
	for _, verb := range verbs {
		s := methodOf(v, verb)
		switch {
		case s.async != nil:
			async = append(async, verb)
		case s.sync != nil:
			sync = append(sync, verb)
		default:
			if err := misfit(reflect.TypeOf(v), verb); err != nil {
				return nil, err
			}
			continue
		}
		method := strings.ToUpper(verb)
		res.on[method] = s
		res.allowed = append(res.allowed, method)
	}
	switch {
	case len(async) > 0 && len(sync) > 0:
		return nil, fmt.Errorf("methods must be all async or all sync: %s, %s", are(async, Async), are(sync, Sync))
	case len(async) > 0:
		res.colour = Async
	case len(sync) > 0:
		res.colour = Sync
	default:
		return nil, fmt.Errorf("it has no method %s", strings.Join(verbs, ", "))
	}
	if _, ok := res.on[http.MethodHead]; !ok {
		if get, ok := res.on[http.MethodGet]; ok {
			res.on[http.MethodHead] = get
			res.allowed = append(res.allowed, http.MethodHead)
		}
	}
	if _, ok := res.on[http.MethodOptions]; !ok {
		res.allowed = append(res.allowed, http.MethodOptions)
	}
	slices.Sort(res.allowed)
	res.allow = strings.Join(res.allowed, ", ")
	return res, nil
}

// misfit says what is wrong where a type has a method of a verb's name that is no
// view, or that is not in reach.
func misfit(t reflect.Type, verb string) error {
	if m, ok := t.MethodByName(verb); ok {
		signature := m.Type.String() // with the receiver first
		if t.Kind() != reflect.Interface {
			signature = strings.Replace(strings.Replace(signature, t.String()+", ", "", 1), t.String(), "", 1)
		}
		return fmt.Errorf("its %s is a %s, neither an AsyncView nor a SyncView", verb, signature)
	}
	if t.Kind() != reflect.Pointer {
		if _, ok := reflect.PointerTo(t).MethodByName(verb); ok {
			return fmt.Errorf("its %s has a pointer receiver: give a pointer", verb)
		}
	}
	for i := range t.NumMethod() {
		if name := t.Method(i).Name; strings.EqualFold(name, verb) {
			return fmt.Errorf("its %s must be called %s", name, verb)
		}
	}
	return nil
}

// are says "Get, Post are async".
func are(names []string, m Mode) string {
	verb := " is "
	if len(names) > 1 {
		verb = " are "
	}
	return strings.Join(names, ", ") + verb + m.String()
}

// async and sync serve a request by the method of its name.
func (res *resource) async(ctx context.Context, r *Request) (Response, error) {
	if s, ok := res.on[r.http.Method]; ok {
		return s.async(ctx, r)
	}
	return res.otherwise(r)
}

func (res *resource) sync(r *Request) (Response, error) {
	if s, ok := res.on[r.http.Method]; ok {
		return s.sync(r)
	}
	return res.otherwise(r)
}

func (res *resource) otherwise(r *Request) (Response, error) {
	if r.http.Method == http.MethodOptions {
		return WithHeader(Status(http.StatusOK), "Allow", res.allow), nil
	}
	return nil, methodNotAllowed(res.allow)
}

// methodOf takes v's method of that name, if it is a view. By interfaces rather
// than by reflection, so that a request calls it as it calls any method.
func methodOf(v any, verb string) (s stage) {
	switch verb {
	case "Get":
		switch v := v.(type) {
		case interface {
			Get(context.Context, *Request) (Response, error)
		}:
			s.async = v.Get
		case interface {
			Get(*Request) (Response, error)
		}:
			s.sync = v.Get
		}
	case "Head":
		switch v := v.(type) {
		case interface {
			Head(context.Context, *Request) (Response, error)
		}:
			s.async = v.Head
		case interface {
			Head(*Request) (Response, error)
		}:
			s.sync = v.Head
		}
	case "Post":
		switch v := v.(type) {
		case interface {
			Post(context.Context, *Request) (Response, error)
		}:
			s.async = v.Post
		case interface {
			Post(*Request) (Response, error)
		}:
			s.sync = v.Post
		}
	case "Put":
		switch v := v.(type) {
		case interface {
			Put(context.Context, *Request) (Response, error)
		}:
			s.async = v.Put
		case interface {
			Put(*Request) (Response, error)
		}:
			s.sync = v.Put
		}
	case "Patch":
		switch v := v.(type) {
		case interface {
			Patch(context.Context, *Request) (Response, error)
		}:
			s.async = v.Patch
		case interface {
			Patch(*Request) (Response, error)
		}:
			s.sync = v.Patch
		}
	case "Delete":
		switch v := v.(type) {
		case interface {
			Delete(context.Context, *Request) (Response, error)
		}:
			s.async = v.Delete
		case interface {
			Delete(*Request) (Response, error)
		}:
			s.sync = v.Delete
		}
	case "Options":
		switch v := v.(type) {
		case interface {
			Options(context.Context, *Request) (Response, error)
		}:
			s.async = v.Options
		case interface {
			Options(*Request) (Response, error)
		}:
			s.sync = v.Options
		}
	}
	return s
}
