package main

import (
	"context"
	"embed"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"net/http"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/tandem-go/tandem/bridge"
	"github.com/tandem-go/tandem/middleware"
	"github.com/tandem-go/tandem/openapi"
	"github.com/tandem-go/tandem/orm"
	"github.com/tandem-go/tandem/static"
	"github.com/tandem-go/tandem/view"
	"github.com/tandem-go/tandem/worker"
)

// exhibit is a route and what there is to say about it.
type exhibit struct {
	route  view.Route
	link   string // what to click on; "" where a browser's click is no use
	about  string
	inside string // crossings that the view makes itself, beyond those of the route's plan
}

// site is the application: its routes, and the page that explains them.
type site struct {
	app      *view.App
	exhibits []exhibit
}

// newSite makes the application. It uses client and db, which stay the caller's. Without them it can say what its routes are.
func newSite(s settings, client *http.Client, db *orm.DB, options ...view.Option) *site {
	computing := bridge.Auto
	if s.CPUPermits > 0 {
		computing = int(s.CPUPermits)
	}
	limits := bridge.Limits{Blocking: bridge.NewLimiter(int(s.BlockingPermits)), CPU: bridge.NewCPULimiter(computing)}
	options = append(options, view.Limits(limits), view.DefaultDeadline(time.Duration(s.RequestTimeout)))
	if s.ServerTiming {
		options = append(options, view.ServerTiming(nil))
	}
	if s.WorkerClass == syncOnly {
		options = append(options, view.SyncOnly())
	}
	site := &site{app: view.New(options...)}
	site.exhibits = slices.Concat(site.routes(s, limits, client), blogExhibits(newBlog(db)), standIns())

	// What is cheap is around every route, what few need around those (view.With). /echo/ changes nothing, whoever sends it.
	csrf := must(middleware.CSRF(middleware.CrossOrigin{Bypass: []string{"/echo/"}}))
	site.app.Use(middleware.RequestID(), middleware.Timing(), csrf)
	for _, e := range site.exhibits {
		site.app.Routes(e.route.Also(view.Doc(view.Documentation{Description: e.about})))
	}
	return site
}

func (site *site) routes(s settings, limits bridge.Limits, client *http.Client) []exhibit {
	outside := dashboard{client: client, weather: string(s.WeatherURL), news: string(s.NewsURL), stocks: string(s.StocksURL)}
	page := must(middleware.SecurityHeaders(middleware.Security{
		ContentSecurityPolicy: "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; form-action 'none'",
	}))
	described := openapi.Routes(site.app, openapi.Info{Title: "Tandem's reference application", Version: buildVersion(), Description: aboutTheAPI})
	return []exhibit{
		{route: view.Path("GET /{$}", site.home, view.With(page)), link: "/", about: "This page."},
		{
			route: view.Path("GET /hello/", hello, view.Describe[view.None, greeting]()), link: "/hello/",
			about: "Waits 100 ms without holding a thread or a permit: ten thousand may do so at once.",
		},
		{
			route: view.Path("GET /modern/", modern, view.Describe[view.None, greeting]()), link: "/modern/",
			about: "The smallest async view.",
		},
		{
			route: view.Path("GET /classic/", classic, view.Describe[view.None, greeting]()), link: "/classic/",
			about: "The smallest sync view. It runs inside a permit; the middleware, capable of both modes, runs around it: one crossing.",
		},
		{
			route: view.Path("GET /dashboard/", view.JSONView(outside.view)), link: "/dashboard/",
			about: "A typed view. It asks three services over HTTP at once and takes as long as the slowest. One that does not answer within 5 s is named in a 504.",
		},
		{
			route:  view.Path("GET /report/", reportView(limits.CPU), view.With(view.Use(demoUser).Named("demoUser")), view.Describe[forUser, report]()),
			link:   "/report/?user=7",
			about:  "SyncToAsync: an async view has a legacy function compute for the request's user, on a CPU permit.",
			inside: "SyncToAsync (cpu)",
		},
		{
			route: view.Path("GET /search/", view.JSONViewSync(search)), link: "/search/?q=tandem",
			about:  "AsyncToSync: a typed sync view calls an async function and holds no permit while it waits.",
			inside: "AsyncToSync",
		},
		{
			route: view.Path("GET /busy/", busy, view.CPU(), view.Describe[toBurn, used]()), link: "/busy/?ms=20",
			about: "Uses that much CPU time, 1000 ms at most, on a CPU permit: the light routes beside it stay quick. work=json allocates besides.",
		},
		{
			route: view.Path("/echo/", echo, view.Describe[view.None, echoed]()), link: "/echo/?a=1&a=2",
			about: "Any method: says what arrived, and at which worker.",
		},
		{
			route: view.Path("GET /stream/", stream, view.Deadline(-1), view.Describe[chunks, view.Response]()), link: "/stream/?n=10&ms=300",
			about: "n chunks, one every ms milliseconds, each sent as soon as it is there. Try curl -N.",
		},
		{
			route: view.Path("GET /events/", events, view.Deadline(-1)), link: "/events/",
			about: "Server-sent events, one a second. They end when the worker drains, and a browser's EventSource goes on at the next one.",
		},
		{
			route: view.Path("GET /ws/echo/", view.WebSocket(webSocketEcho, view.ReadLimit(16<<20), view.Deflate()), view.Name("webSocketEcho")),
			about: "WebSocket echo of text and binary. In the browser's console: new WebSocket(location.origin.replace('http', 'ws') + '/ws/echo/').",
		},
		{route: described[0], link: "/openapi.json", about: "The description of the API, in OpenAPI 3.1, made of the routes and their types."},
		{route: described[1], link: "/docs/", about: "A page to read it and to try the API. It needs nothing from elsewhere."},
		{route: files.Route(), about: "Files that are compiled in. This page links to its stylesheet by a name with a hash in it, which browsers keep for ever."},
		{route: view.Path("GET /healthz", healthz), link: "/healthz", about: "200 while the worker serves."},
	}
}

// blogExhibits are the routes of the posts.
func blogExhibits(b blog) []exhibit {
	return []exhibit{
		{
			route: view.Path("GET /posts/{$}", view.JSONView(b.list)), link: "/posts/",
			about: "The published posts, the newest first, 20 on a page: an async iteration over a query, which ends with the request. ?page=2 is the next page.",
		},
		{
			route: view.Path("GET /posts/sync/{$}", view.JSONViewSync(b.listSync)), link: "/posts/sync/",
			about: "The same list by a sync view: the same query, by Sync(r), without a ctx.",
		},
		{
			route: view.Path("GET /posts/{id}/{$}", b.detail, view.Describe[postID, detail]()), link: "/posts/1/",
			about: "A post with its author's name, both by one query.",
		},
		{
			route: view.Path("GET /posts/{id}/lazy/{$}", b.lazy, view.Describe[postID, detail]()), link: "/posts/1/lazy/",
			about: "What happens where async code touches a relation that was not loaded: no query behind its back, but a 500 that names the relation and the remedy.",
		},
		{
			route: view.Path("POST /posts/{$}", view.JSONView(b.create), view.Describe[newPost, created](view.Created())),
			about: `Makes a post, and its tag where there is none of that name, in one transaction. Try curl --json '{"title":"Riding in tandem","tag":"howto"}'. A 422 lists all that is wrong.`,
		},
	}
}

//go:embed home.html
var homeHTML string

var homePage = template.Must(template.New("home").Funcs(template.FuncMap{"static": files.URL}).Parse(homeHTML))

//go:embed assets
var assets embed.FS

// files are what pages link to, under /static/.
var files = must(static.FS(must(fs.Sub(assets, "assets")), static.Options{}))

// home links and explains all routes.
func (site *site) home(context.Context, *view.Request) (view.Response, error) {
	type row struct{ Pattern, Link, Colour, About string }
	page := struct {
		Rows   []row
		Worker worker.Identity
		PID    int
	}{Worker: worker.Self(), PID: os.Getpid()}
	for i, plan := range site.app.Plan() {
		e := site.exhibits[i]
		page.Rows = append(page.Rows, row{strings.Replace(plan.Pattern, "{$}", "", 1), e.link, plan.Colour.String(), e.about})
	}
	var html strings.Builder
	if err := homePage.Execute(&html, page); err != nil {
		return nil, fmt.Errorf("render the page: %w", err)
	}
	return view.HTML(html.String()), nil
}

// must is for what is made of settings and files that are written here: a wrong one is a mistake of the program's.
func must[T any](made T, err error) T {
	if err != nil {
		panic(err)
	}
	return made
}

// writeRoutes prints each route with its colour, the middleware around it with the mode each runs in, and the crossings
// between async and sync that a request makes: those of the plan and those that the view's own code makes.
func (site *site) writeRoutes(out io.Writer) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ROUTE\tCOLOUR\tMIDDLEWARE\tCROSSINGS")
	for i, plan := range site.app.Plan() {
		var layers []string
		for _, layer := range plan.Layers {
			layers = append(layers, layer.String())
		}
		crossings := fmt.Sprint(plan.Crossings)
		if plan.Limiter != "" {
			crossings += fmt.Sprintf(" (%s)", plan.Limiter)
		}
		if inside := site.exhibits[i].inside; inside != "" {
			crossings += " + 1 in the view: " + inside
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", plan.Pattern, plan.Colour, strings.Join(layers, ", "), crossings)
	}
	return table.Flush()
}
