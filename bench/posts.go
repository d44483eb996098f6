package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"reflect"
	"strconv"

	"github.com/tandem-go/tandem/orm"
)

//go:embed django_posts.py
var djangoPosts string

// pooled is how many connections to the database all workers hold together.
const pooled = 16

// posts compares the app's /posts/ with what a Django project has there, on the same
// rows.
func posts(ctx context.Context, o options, r *report) error {
	r.text("`GET /posts/` is an async view: the first page of the published ones of %d posts, the newest first, 20 on a page, and how many there are; two queries. The app iterates over its query; Django 3.2 cannot in an async view, so there both queries are one `sync_to_async` around Django's paginator. Django has no middleware, no `DEBUG`, and a connection that each of its processes keeps; the app has its middleware, and its workers share %d connections. Both answer the same, from the same database.", postRows, pooled)
	return eachDatabase(ctx, o, r, postRows, func(d *database) error {
		ours := func(n int) func() (*service, error) {
			return func() (*service, error) {
				_, s, err := tandemWith(ctx, o, n, []string{d.env()}, "--db-connections", strconv.Itoa(pooled))
				return s, err
			}
		}
		theirs := func(n int) func() (*service, error) {
			return func() (*service, error) { return django(ctx, o, n, d) }
		}
		all, stop, err := startAll(o, r, theirs(1), theirs(workers), ours(1), ours(workers))
		if err != nil {
			return err
		}
		defer stop()
		if err := answerTheSame(ctx, all, "/posts/"); err != nil {
			return err
		}
		r.text("%s:", d.name)
		return rates(ctx, o, r, all, "/posts/", "the first")
	})
}

// django starts gunicorn with n uvicorn workers and the Django project. uvicorn's
// own --workers would be held up by Nagle's algorithm: it loses TCP_NODELAY.
func django(ctx context.Context, o options, n int, d *database) (*service, error) {
	needs, packages := "import django", "python3-django"
	if d.Dialect() == orm.PostgreSQL {
		needs, packages = "import django, psycopg2", "python3-django, python3-psycopg2"
	}
	if exec.CommandContext(ctx, python, "-c", needs).Run() != nil {
		return nil, &notInstalled{"Django for " + d.name, packages}
	}
	version, err := exec.CommandContext(ctx, python, "-m", "django", "--version").Output()
	if err != nil {
		return nil, fmt.Errorf("ask for Django's version: %w", err)
	}
	return gunicorn(ctx, o, fmt.Sprintf("Django %s", bytes.TrimSpace(version)), n, "django_posts:application", djangoPosts, "BENCH_DATABASE="+d.django)
}

// answerTheSame refuses to compare servers that do different things.
func answerTheSame(ctx context.Context, all []*service, target string) error {
	var first any
	for i, s := range all {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.addr+target, nil)
		if err != nil {
			return err
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
		_ = resp.Body.Close()
		var answer any
		if err == nil {
			err = json.Unmarshal(body, &answer)
		}
		if err != nil || resp.StatusCode != http.StatusOK {
			return fmt.Errorf("%s answers %s to GET %s: %.200q (%v)", s.name, resp.Status, target, body, err)
		}
		if i == 0 {
			first = answer
		} else if !reflect.DeepEqual(answer, first) {
			return fmt.Errorf("%s answers to GET %s what %s does not: %.200q", s.name, target, all[0].name, body)
		}
	}
	return nil
}
