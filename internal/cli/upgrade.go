package cli

import (
	"context"
	"fmt"
	"time"
)

// upgradeTimeout is longer than all the bounds of an upgrade together: the
// supervisor answers first, unless it is gone or stopped.
const upgradeTimeout = 45 * time.Second

func (p *program) upgrade(args []string) (int, error) {
	client, _, err := p.client(args, nil, nil)
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), upgradeTimeout)
	defer cancel()
	r, err := client.Upgrade(ctx)
	if err != nil {
		return 0, err
	}
	return p.print(fmt.Sprintf("upgraded: supervisor %s runs in the place of %s, pid %d\n", r.Version, r.From, r.PID)), nil
}
