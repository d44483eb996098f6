package worker

import (
	"log/slog"
	"runtime"
	"runtime/debug"

	"github.com/tandem-go/tandem/bridge"
	"github.com/tandem-go/tandem/internal/channel"
)

// share is this process's part of the machine as the supervisor last said it.
type share struct {
	cpus   int
	memory int64 // bytes
}

// atStart is what the environment said, taken before main can change it.
var atStart = share{cpus: runtime.GOMAXPROCS(0), memory: debug.SetMemoryLimit(-1)}

// become takes a new share in. What the program has set otherwise meanwhile is
// the program's decision, and stays. One goroutine at a time calls it.
func (s *share) become(log *slog.Logger, m channel.Message) {
	if m.CPUs > 0 && bridge.Share() == s.cpus {
		bridge.SetShare(m.CPUs)
		s.cpus = m.CPUs
	}
	if m.Memory > 0 && debug.SetMemoryLimit(-1) == s.memory {
		debug.SetMemoryLimit(m.Memory)
		s.memory = m.Memory
	}
	log.Info("another share of the machine", "cpus", s.cpus, "memory_bytes", s.memory)
}
