package cli

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/tandem-go/tandem/internal/config"
	"github.com/tandem-go/tandem/internal/control"
	"github.com/tandem-go/tandem/internal/printable"
)

// completeTimeout is how long a person who pressed TAB is kept waiting by a
// supervisor that does not answer. Tests, on a machine that does other things too,
// have more of it.
var completeTimeout = time.Second

// What completion can ask for; see ids.
const (
	idWorkers = "workers"
	idRecords = "records"
)

// plainID is what an id may be made of where a shell reads it.
var plainID = regexp.MustCompile(`^[0-9A-Za-z-]+$`)

// ids is what the completion scripts ask, by a command that help does not name: the
// numbers of the workers that live, or the records of those that died. Each line is an id, a
// tab, and what it is. Whatever goes wrong it says nothing, because it would be
// said in the middle of a command line.
func (p *program) ids(args []string) (int, error) {
	var path string
	words, err := arguments(args, []string{"workers or records"}, []config.Flag{{Name: "control", Arg: "PATH", Set: notEmpty("control", &path)}})
	if err == nil {
		path, err = config.ControlPath(path, p.environ)
	}
	if err != nil {
		return exitFailure, nil //nolint:nilerr // see above
	}
	ctx, cancel := context.WithTimeout(context.Background(), completeTimeout)
	defer cancel()
	client := control.NewClient(path)
	text := ""
	switch words[0] {
	case idWorkers:
		st, err := client.Status(ctx)
		if err != nil {
			return exitFailure, nil //nolint:nilerr // see above
		}
		text = workerIDs(st)
	case idRecords:
		r, err := client.Why(ctx)
		if err != nil {
			return exitFailure, nil //nolint:nilerr // see above
		}
		var b strings.Builder
		seen := map[uint64]bool{}
		for _, rec := range r.Records {
			if !plainID.MatchString(rec.ID) {
				continue
			}
			fmt.Fprintf(&b, "%s\tworker %d: %s\n", rec.ID, rec.Worker, clip(printable.Line(rec.Cause.Text), 60))
		}
		for _, rec := range r.Records { // the newest of a worker is what its number means
			if !seen[rec.Worker] {
				seen[rec.Worker] = true
				fmt.Fprintf(&b, "%d\tworker: %s\n", rec.Worker, clip(printable.Line(rec.Cause.Text), 60))
			}
		}
		text = b.String()
	}
	return p.print(text), nil
}

func workerIDs(st control.Status) string {
	var b strings.Builder
	for _, w := range st.Workers {
		b.WriteString(strconv.FormatUint(w.ID, 10) + fmt.Sprintf("\t%s, pid %d, generation %d\n", w.State, w.PID, w.Generation))
	}
	return b.String()
}
