package main

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// outside answers requests without a network, so that a test's time is its own.
type outside map[string]func(context.Context) (int, string, error)

func (o outside) RoundTrip(req *http.Request) (*http.Response, error) {
	status, body, err := o[req.URL.Host](req.Context())
	if err != nil {
		return nil, err
	}
	return &http.Response{
		StatusCode: status, Status: http.StatusText(status), Request: req,
		Body: io.NopCloser(strings.NewReader(body)), Header: http.Header{},
	}, nil
}

func after(d time.Duration, status int, body string) func(context.Context) (int, string, error) {
	return func(ctx context.Context) (int, string, error) { return status, body, wait(ctx, d) }
}

func TestDashboard(t *testing.T) {
	ms := time.Millisecond
	good := func(d time.Duration) func(context.Context) (int, string, error) {
		return after(d, 200, strconv.Itoa(int(d/ms)))
	}
	gone := func(context.Context) (int, string, error) { return 0, "", errors.New("connection refused") }
	tests := map[string]struct {
		weather, news, stocks func(context.Context) (int, string, error)
		status                int
		body                  string // a part of it
		takes                 time.Duration
	}{
		"as long as the slowest": {good(30 * ms), good(60 * ms), good(90 * ms), 200, `{"news":60,"stocks":90,"weather":30}`, 90 * ms},
		"in any order":           {good(4999 * ms), good(1 * ms), good(2 * ms), 200, `"weather":4999`, 4999 * ms},
		"weather too slow":       {good(time.Hour), good(60 * ms), good(90 * ms), 504, `weather did not answer within 5s`, 5 * time.Second},
		"news too slow":          {good(30 * ms), good(time.Hour), good(90 * ms), 504, `news did not answer within 5s`, 5 * time.Second},
		"stocks too slow":        {good(30 * ms), good(60 * ms), good(time.Hour), 504, `stocks did not answer within 5s`, 5 * time.Second},
		"one is gone":            {good(time.Hour), gone, good(90 * ms), 502, `news cannot be asked`, 0},
		"one fails":              {good(30 * ms), after(40*ms, 500, `{}`), good(time.Hour), 502, `news cannot be asked`, 40 * ms},
		"one is no JSON":         {good(30 * ms), good(60 * ms), after(70*ms, 200, `<html>`), 502, `stocks cannot be asked`, 70 * ms},
		"one has no end":         {after(0, 200, strings.Repeat("1", maxAnswer+2)), good(60 * ms), good(90 * ms), 502, `weather cannot be asked`, 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSettings()
				s.WeatherURL, s.NewsURL, s.StocksURL = "http://weather", "http://news", "http://stocks"
				client := &http.Client{Transport: outside{"weather": test.weather, "news": test.news, "stocks": test.stocks}}
				recorder := httptest.NewRecorder()
				start := time.Now()
				newSite(s, client, nil).app.ServeHTTP(recorder, httptest.NewRequest("GET", "/dashboard/", nil))
				if recorder.Code != test.status || !strings.Contains(recorder.Body.String(), test.body) {
					t.Errorf("got %d %s, want %d with %s", recorder.Code, recorder.Body, test.status, test.body)
				}
				if took := time.Since(start); took != test.takes {
					t.Errorf("took %v, want %v", took, test.takes)
				}
				want := strconv.FormatFloat(milliseconds(test.takes), 'f', 3, 64)
				if got := recorder.Header().Get("X-Elapsed-Ms"); got != want {
					t.Errorf("X-Elapsed-Ms is %s, want %s", got, want)
				}
			})
		})
	}
}

func TestAServiceThatCannotBeAskedKeepsTheSecretsOfItsURL(t *testing.T) {
	client := &http.Client{Transport: outside{"weather": func(context.Context) (int, string, error) { return 0, "", errors.New("connection refused") }}}
	_, err := fetchJSON(t.Context(), client, "http://user:hunter2@weather/now?token=s3cret")
	if err == nil || err.Error() != "connection refused" {
		t.Errorf("%v", err)
	}
}

func TestDashboardStopsWhenTheClientGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSettings()
		s.WeatherURL, s.NewsURL, s.StocksURL = "http://weather", "http://news", "http://stocks"
		var stopped atomic.Int32
		hang := func(ctx context.Context) (int, string, error) {
			<-ctx.Done()
			stopped.Add(1)
			return 0, "", ctx.Err()
		}
		client := &http.Client{Transport: outside{"weather": hang, "news": hang, "stocks": hang}}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		request := httptest.NewRequestWithContext(ctx, "GET", "/dashboard/", nil)
		newSite(s, client, nil).app.ServeHTTP(httptest.NewRecorder(), request)
		if took := time.Since(start); took != time.Second || stopped.Load() != 3 {
			t.Errorf("after %v %d of 3 calls had stopped", took, stopped.Load())
		}
	})
}

func TestStandInsPlayOnlyWhatIsLeftOpen(t *testing.T) {
	s := newSettings()
	s.NewsURL = "http://news.test/"
	stop, err := serveStandIns(&s)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	if s.NewsURL != "http://news.test/" {
		t.Errorf("the news come from %s", s.NewsURL)
	}
	client := newClient()
	defer client.CloseIdleConnections()
	for _, url := range []serviceURL{s.WeatherURL, s.StocksURL} {
		if _, err := fetchJSON(t.Context(), client, string(url)); err != nil {
			t.Error(err)
		}
	}
}

// Connections to a service are kept for the next requests, as many as there are calls at once.
func TestDashboardKeepsConnections(t *testing.T) {
	const calls, rounds = 8, 5
	var opened atomic.Int32
	var barrier sync.WaitGroup // holds a round's calls until all have arrived
	service := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		barrier.Done()
		barrier.Wait()
		_, _ = io.WriteString(w, "1")
	}))
	service.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.Add(1)
		}
	}
	service.Start()
	defer service.Close()
	client := newClient()
	defer client.CloseIdleConnections()
	for range rounds {
		barrier.Add(calls)
		var round sync.WaitGroup
		for range calls {
			round.Go(func() {
				if _, err := fetchJSON(t.Context(), client, service.URL); err != nil {
					t.Error(err)
				}
			})
		}
		round.Wait()
	}
	if opened.Load() != calls {
		t.Errorf("%d rounds of %d calls used %d connections", rounds, calls, opened.Load())
	}
}
