package orm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestADatabaseThatIsDownIsWaitedFor(t *testing.T) {
	down := fmt.Errorf("%w: connection refused", ErrUnavailable)
	other := errors.New("password authentication failed")
	for name, c := range map[string]struct {
		fails int   // so often it is down
		then  error // at the next try
		lines int   // in the log
		want  string
	}{
		"up":               {0, nil, 0, ""},
		"up at the second": {1, nil, 2, ""},
		"up at the 12th":   {11, nil, 4, ""},
		"up, and wrong":    {2, other, 1, "password authentication failed"},
		"wrong":            {0, other, 0, "password authentication failed"},
		"down":             {1 << 30, nil, 4, "the database is not available: connection refused (waited for 1m0s, 19 tries)"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				var log bytes.Buffer
				tries := 0
				err := until(ctx, slog.New(slog.NewTextHandler(&log, nil)), "PostgreSQL h/db", func(context.Context) error {
					if tries++; tries <= c.fails {
						return down
					}
					return c.then
				})
				text := ""
				if err != nil {
					text, _, _ = strings.Cut(err.Error(), ", ")
				}
				if want, _, _ := strings.Cut(c.want, ", "); text != want {
					t.Errorf("%v, want %s", err, c.want)
				}
				if name == "down" && (tries < 15 || tries > 30) {
					t.Errorf("%d tries in a minute", tries)
				}
				if lines := strings.Count(log.String(), "\n"); name != "down" && lines != c.lines {
					t.Errorf("%d lines, want %d:\n%s", lines, c.lines, log.String())
				}
			})
		})
	}
}
