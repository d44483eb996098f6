package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/tandem-go/tandem/trace"
)

// maxAnswer bounds the answer of another service, in bytes.
const maxAnswer = 1 << 20

// fetchJSON asks another service. Its errors do not have the address in them.
func fetchJSON(ctx context.Context, client *http.Client, address string) (json.RawMessage, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if failed, ok := errors.AsType[*url.Error](err); ok {
		return nil, failed.Err // its own text has the URL, which may hold a secret
	}
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1)) // to the end, so that the connection can be used again
	switch {
	case err != nil:
		return nil, err
	case resp.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("answered %s", resp.Status)
	case len(body) > maxAnswer:
		return nil, fmt.Errorf("answered more than %d bytes", maxAnswer)
	case !json.Valid(body):
		return nil, errors.New("answered something that is not JSON")
	}
	return body, nil
}

// newClient makes the one client of the process; it keeps connections for the next request, and hands on its trace.
func newClient() *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = transport.MaxIdleConns // the default, 2, would dial anew for most calls
	return &http.Client{Transport: trace.Transport(transport)}
}
