package supervise

import (
	"github.com/tandem-go/tandem/internal/process"
)

// privileges completes what a worker is started with by whom it runs as and what
// it may have.
func (g *generation) privileges(spec *process.Spec) {
	if r := g.config.RunAs; r != nil {
		spec.Credential = &process.Credential{UID: r.UID, GID: r.GID, Groups: r.Groups, Name: r.String()}
	}
	spec.NoNewPrivs = bool(g.config.NoNewPrivs)
	for _, l := range g.config.Rlimit {
		spec.Limits = append(spec.Limits, process.Limit{Name: l.Name, Resource: l.Resource, Soft: l.Soft, Hard: l.Hard})
	}
}
