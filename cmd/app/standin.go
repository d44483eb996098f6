package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/tandem-go/tandem/view"
)

// standIns play the services that /dashboard/ asks, so that it works out of the box.
func standIns() []exhibit {
	return []exhibit{
		{
			route: view.Path("GET /standin/weather/", standIn(30*time.Millisecond, map[string]any{"sky": "clear", "celsius": 21})),
			link:  "/standin/weather/", about: "Plays the dashboard's weather service: answers after 30 ms.",
		},
		{
			route: view.Path("GET /standin/news/", standIn(60*time.Millisecond, []string{"Tandem carries two", "Rear rider pedals on"})),
			link:  "/standin/news/", about: "Plays its news service: answers after 60 ms.",
		},
		{
			route: view.Path("GET /standin/stocks/", standIn(90*time.Millisecond, map[string]float64{"WHEL": 12.5, "SADL": 7.25})),
			link:  "/standin/stocks/", about: "Plays its stock exchange: answers after 90 ms.",
		},
	}
}

func standIn(delay time.Duration, answer any) view.AsyncView {
	return func(ctx context.Context, _ *view.Request) (view.Response, error) {
		if err := wait(ctx, delay); err != nil {
			return nil, err
		}
		return view.JSON(answer), nil
	}
}

// serveStandIns serves them on a loopback port of this process's own and points at it what s leaves open. The app's
// public address would not do: it may be a unix socket or out of reach of a sandbox, and at a stop it takes no new
// connection while the last requests, which may be dashboards, are still being answered. Call stop after those.
func serveStandIns(s *settings) (stop func(), err error) {
	if s.WeatherURL != "" && s.NewsURL != "" && s.StocksURL != "" {
		return func() {}, nil
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		var err6 error
		if listener, err6 = net.Listen("tcp", "[::1]:0"); err6 != nil {
			return nil, fmt.Errorf("listen on loopback for the stand-ins of weather, news and stocks: %w; "+
				"set APP_WEATHER_URL, APP_NEWS_URL and APP_STOCKS_URL to do without", errors.Join(err, err6))
		}
	}
	app := view.New()
	for _, e := range standIns() {
		app.Routes(e.route)
	}
	server := &http.Server{Handler: app, ReadHeaderTimeout: callTimeout}
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			slog.Error("the stand-ins are gone", "error", err)
		}
	}()
	for path, url := range map[string]*serviceURL{"weather": &s.WeatherURL, "news": &s.NewsURL, "stocks": &s.StocksURL} {
		if *url == "" {
			*url = serviceURL(fmt.Sprintf("http://%s/standin/%s/", listener.Addr(), path))
		}
	}
	return func() { _ = server.Close() }, nil
}

// lookUp stands for a search service: it waits, can be cancelled, and has titles to offer.
func lookUp(ctx context.Context, q string) ([]string, error) {
	if err := wait(ctx, 20*time.Millisecond); err != nil {
		return nil, err
	}
	results := []string{}
	for _, title := range []string{"Riding in tandem", "A tour of sync and async", "Permits and queues", "Draining without loss"} {
		if strings.Contains(strings.ToLower(title), strings.ToLower(q)) {
			results = append(results, title)
		}
	}
	return results, nil
}
