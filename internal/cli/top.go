package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/tandem-go/tandem/internal/config"
	"github.com/tandem-go/tandem/internal/control"
	"github.com/tandem-go/tandem/internal/top"
)

// leastInterval is how often top asks at most: ten times a second.
const leastInterval = 100 * time.Millisecond

// noticed is how long one waits for a table without wondering.
const noticed = 5 * time.Second

// top shows the supervisor on a full screen, or once as a table.
func (p *program) top(args []string) (int, error) {
	var path string
	var once bool
	interval := config.Duration(time.Second)
	_, err := arguments(args, nil, []config.Flag{
		{Name: "control", Arg: "PATH", Set: notEmpty("control", &path)},
		{Name: "once", Set: switched("once", &once)},
		{Name: "interval", Arg: "TIME", Set: func(text string) error {
			if err := interval.Set(text); err != nil {
				return usage("--interval: %q %v", text, err)
			}
			if time.Duration(interval) < leastInterval {
				return usage("--interval: %q is less than %v", text, leastInterval)
			}
			return nil
		}},
	})
	if err != nil {
		return 0, err
	}
	if path, err = config.ControlPath(path, p.environ); err != nil {
		return 0, err
	}
	client := control.NewKeptClient(path)
	defer client.Close()
	if why := top.FullScreen(p.stdin, p.stdout, p.environ); why != nil && !once {
		fmt.Fprintf(p.stderr, "supervisor: top: %v; this is printed once (--once), and supervisor status --json is for programs\n", why)
		once = true
	}
	if once {
		if d := time.Duration(interval); d > noticed {
			fmt.Fprintf(p.stderr, "supervisor: top: the table comes in %v: rates are of an --interval\n", d)
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Duration(interval)+askTimeout)
		defer cancel()
		text, err := top.Once(ctx, client, time.Duration(interval))
		if err != nil {
			return 0, err
		}
		return p.print(text), nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
	defer cancel()
	if _, err := client.Status(ctx); err != nil { // a screen of its own would hide that
		return 0, err
	}
	return exitOK, top.Run(context.Background(), top.Options{
		Source: client, Interval: time.Duration(interval), Record: recordText,
		Plain: top.NoColour(p.environ), Input: p.stdin, Output: p.stdout, Environ: p.environ,
	})
}
