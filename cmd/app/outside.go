package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/tandem-go/tandem/bridge"
	"github.com/tandem-go/tandem/view"
)

const callTimeout = 5 * time.Second

// dashboard asks three services at once.
type dashboard struct {
	client                *http.Client
	weather, news, stocks string // URLs
}

// answers are those of the services, as they came.
type answers struct {
	News    json.RawMessage `json:"news"`
	Stocks  json.RawMessage `json:"stocks"`
	Weather json.RawMessage `json:"weather"`
}

func (d dashboard) view(ctx context.Context, _ *view.Request, _ view.None) (answers, error) {
	weather, news, stocks, err := bridge.Gather3(ctx, d.call("weather", d.weather), d.call("news", d.news), d.call("stocks", d.stocks))
	return answers{Weather: weather, News: news, Stocks: stocks}, err
}

// call is 504 when there is no answer in time and 502 when there is a wrong one; both name the call.
func (d dashboard) call(name, url string) func(context.Context) (json.RawMessage, error) {
	return func(ctx context.Context) (json.RawMessage, error) {
		limited, cancel := context.WithTimeout(ctx, callTimeout)
		defer cancel()
		answer, err := fetchJSON(limited, d.client, url)
		switch {
		case err == nil:
			return answer, nil
		case ctx.Err() != nil:
			return nil, ctx.Err() // our own client has gone, or another call has failed
		case errors.Is(limited.Err(), context.DeadlineExceeded):
			return nil, view.Errorf(http.StatusGatewayTimeout, "%s did not answer within %v", name, callTimeout)
		default:
			return nil, &view.Error{Status: http.StatusBadGateway, Message: name + " cannot be asked", Err: err}
		}
	}
}
