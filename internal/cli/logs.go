package cli

import (
	"context"
	"strconv"

	"github.com/tandem-go/tandem/internal/config"
	"github.com/tandem-go/tandem/internal/control"
)

// logs shows the last lines of the workers and, with -f, what comes.
func (p *program) logs(args []string) (int, error) {
	var path string
	var q control.LogQuery
	_, err := arguments(args, nil, []config.Flag{
		{Name: "control", Arg: "PATH", Set: notEmpty("control", &path)},
		{Name: "follow", Short: "f", Set: switched("follow", &q.Follow)},
		{Name: "json", Set: switched("json", &q.JSON)},
		{Name: "worker", Arg: "ID", Set: func(text string) (err error) {
			if q.Worker, err = strconv.ParseUint(text, 10, 64); err != nil || q.Worker == 0 {
				return usage("--worker: %q is not the number of a worker; supervisor status lists them", text)
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
	ctx := context.Background()
	if !q.Follow {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, askTimeout)
		defer cancel()
	}
	return exitOK, control.NewClient(path).Logs(ctx, q, p.stdout)
}

// switched reads a switch.
func switched(name string, on *bool) func(string) error {
	return func(text string) error {
		var s config.Switch
		if err := s.Set(text); err != nil {
			return usage("--%s: %q %v", name, text, err)
		}
		*on = bool(s)
		return nil
	}
}
