package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/tandem-go/tandem/internal/config"
	"github.com/tandem-go/tandem/internal/control"
	"github.com/tandem-go/tandem/internal/postmortem"
	"github.com/tandem-go/tandem/internal/printable"
)

// why shows the records of workers that ended abnormally: those of the
// supervisor that answers, else those that one has left on disk.
func (p *program) why(args []string) (int, error) {
	var socket, state string
	var asJSON bool
	words, _, _, err := config.ParseFlags(args, []config.Flag{
		{Name: "control", Arg: "PATH", Set: notEmpty("control", &socket)},
		{Name: "state-dir", Arg: "PATH", Set: notEmpty("state-dir", &state)},
		{Name: "json", Set: func(text string) error {
			var s config.Switch
			if err := s.Set(text); err != nil {
				return usage("--json: %q %v", text, err)
			}
			asJSON = bool(s)
			return nil
		}},
	}, false)
	if err != nil {
		return 0, err
	}
	if len(words) > 1 {
		return 0, usage("unexpected argument %q", words[1])
	}
	from, err := p.records(socket, state)
	if err != nil {
		return 0, err
	}
	if len(words) == 1 {
		return p.whyOne(from, words[0], asJSON)
	}
	report, err := from.list()
	if err != nil {
		return 0, err
	}
	if asJSON {
		return p.printJSON(report)
	}
	return p.print(reportText(report)), nil
}

func (p *program) whyOne(from source, which string, asJSON bool) (int, error) {
	r, err := from.get(which)
	if errors.Is(err, postmortem.ErrNotFound) {
		return 0, fmt.Errorf("there is no record %q, and none of a worker of that number; supervisor why lists what there is", which)
	}
	if err != nil {
		return 0, err
	}
	if asJSON {
		return p.printJSON(r)
	}
	return p.print(recordText(r)), nil
}

func (p *program) printJSON(v any) (int, error) {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return 0, fmt.Errorf("put the answer into JSON: %w", err)
	}
	return p.print(string(text) + "\n"), nil
}

func notEmpty(name string, into *string) func(string) error {
	return func(text string) error {
		if *into = text; text == "" {
			return usage("--%s: give a path", name)
		}
		return nil
	}
}

// source is where records come from.
type source struct {
	list func() (postmortem.Report, error)
	get  func(which string) (postmortem.Record, error)
}

// records asks the supervisor, and where none answers reads the directory that
// it would keep them in; that is said on stderr.
func (p *program) records(socket, state string) (source, error) {
	from, err := p.place(socket, state)
	if err != nil {
		return source{}, err
	}
	gone := errNoSocket
	if from.client != nil {
		report, err := ask(from.client)
		if err == nil {
			return source{
				list: func() (postmortem.Report, error) { return report, nil },
				get: func(which string) (postmortem.Record, error) {
					ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
					defer cancel()
					return from.client.Postmortem(ctx, which)
				},
			}, nil
		}
		if _, answered := errors.AsType[*control.RefusedError](err); answered {
			return source{}, err
		}
		gone = err
	}
	dir, err := from.directory(postmortem.Directory, gone)
	if err != nil {
		return source{}, err
	}
	return p.directory(dir, gone)
}

func ask(client *control.Client) (postmortem.Report, error) {
	ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
	defer cancel()
	return client.Why(ctx)
}

// directory reads what a supervisor has left.
func (p *program) directory(dir string, gone error) (source, error) {
	records, skipped, err := postmortem.Read(dir)
	if err != nil {
		return source{}, fmt.Errorf("%w; %w", gone, err)
	}
	fmt.Fprintf(p.stderr, "supervisor: why: %s\n", printable.Line(fmt.Sprintf("reading %s, because %v", dir, gone)))
	for _, why := range skipped {
		fmt.Fprintf(p.stderr, "supervisor: why: skipped: %s\n", printable.Line(why.Error()))
	}
	return source{
		list: func() (postmortem.Report, error) {
			r := postmortem.Report{Directory: dir, Suspects: postmortem.Suspects(records, time.Now()), Records: []postmortem.Record{}}
			for _, full := range records {
				r.Records = append(r.Records, full.Summary())
			}
			return r, nil
		},
		get: func(which string) (postmortem.Record, error) {
			if i := postmortem.Find(records, which); i >= 0 {
				return records[i], nil
			}
			return postmortem.Record{}, postmortem.ErrNotFound
		},
	}, nil
}
