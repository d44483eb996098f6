package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

const getHelp = `Usage: app get [--insecure] URL

Asks for URL, every second until the answer is a 2xx, for at most 30 s, and prints that answer. It is for images that
have no curl: the chart's helm test runs it. With --insecure the certificate of https is not verified.
`

// getPatience bounds how long get asks, getPause is from one attempt to the next.
const (
	getPatience = 30 * time.Second
	getPause    = time.Second
)

// getCommand runs app get, and returns the exit code.
func getCommand(args []string, stdout, stderr io.Writer) int {
	client := http.DefaultClient
	if len(args) == 2 && args[0] == "--insecure" {
		client, args = unverified(), args[1:]
	}
	if len(args) != 1 {
		return fail(stderr, 2, fmt.Errorf("get takes one URL, and --insecure before it, not %d arguments", len(args)))
	}
	if isHelp(args[0]) {
		if _, err := io.WriteString(stdout, getHelp); err != nil {
			return fail(stderr, 1, err)
		}
		return 0
	}
	var target serviceURL
	if err := target.UnmarshalText([]byte(args[0])); err != nil || target == "" {
		return fail(stderr, 2, fmt.Errorf("get: %q is not an http:// or https:// URL", args[0]))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, getPatience)
	defer cancel()
	body, err := getUntil(ctx, client, string(target), getPause)
	if err == nil {
		_, err = stdout.Write(body)
	}
	if err != nil {
		return fail(stderr, 1, err)
	}
	return 0
}

// unverified takes any certificate. It is for who asks whether a service answers, tells it nothing and believes nothing:
// under the name that a service has inside of a cluster few certificates hold.
func unverified() *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{InsecureSkipVerify: true}
	return &http.Client{Transport: transport}
}

// getUntil asks for target until the answer is a 2xx or ctx is done; the error is then that of the last attempt.
func getUntil(ctx context.Context, client *http.Client, target string, pause time.Duration) ([]byte, error) {
	next := time.NewTicker(pause)
	defer next.Stop()
	var last error
	for {
		body, err := getOnce(ctx, client, target)
		if err == nil {
			return body, nil
		}
		if ctx.Err() == nil || last == nil {
			last = err // what was wrong tells more than that the time was over
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("get: no good answer, at last: %w", last)
		case <-next.C:
		}
	}
}

// getOnce gives the body of a 2xx answer of at most 1 MiB.
func getOnce(ctx context.Context, client *http.Client, target string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return nil, err
	}
	answer, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	if err != nil {
		return nil, fmt.Errorf("read the answer of %s: %w", target, err)
	}
	if answer.StatusCode/100 != 2 {
		return nil, fmt.Errorf("%s answered %s: %.200q", target, answer.Status, body)
	}
	return body, nil
}
