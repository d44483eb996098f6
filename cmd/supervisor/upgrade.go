package main

import (
	"fmt"
	"log/slog"
	"os"

	"github.com/tandem-go/tandem/internal/admin"
	"github.com/tandem-go/tandem/internal/caught"
	"github.com/tandem-go/tandem/internal/config"
	"github.com/tandem-go/tandem/internal/control"
	"github.com/tandem-go/tandem/internal/logpipe"
	"github.com/tandem-go/tandem/internal/socket"
	"github.com/tandem-go/tandem/internal/supervise"
	"github.com/tandem-go/tandem/internal/upgrade"
)

// takeOver goes on in the place of another program of this process. Until all is
// ready it can still give the state back.
func takeOver() int {
	signals := caught.Catch()
	taken, err := upgrade.TakeOver(parts(), signals)
	if err != nil {
		say(os.Stderr, err)
		return exitFailure
	}
	loaded, err := supervise.Config(taken)
	if err != nil {
		say(os.Stderr, taken.GiveBack(err, signals))
		return exitFailure
	}
	return operate(loaded, signals, taken)
}

// ourselves keeps our own executable open, for an upgrade. Without it the
// service runs all the same.
func ourselves(taken *upgrade.Taken, log *slog.Logger) *upgrade.Program {
	self := upgrade.Self
	if taken != nil {
		self = taken.Program
	}
	program, err := self()
	if err != nil {
		log.Warn("an upgrade in place will not be possible", "error", err)
		return nil
	}
	return program
}

func adoptLogs(o logpipe.Options, taken *upgrade.Taken) (*logpipe.Fanin, error) {
	var st logpipe.State
	if _, err := taken.Get(supervise.LogPart, &st); err != nil {
		return nil, err
	}
	return logpipe.Adopt(o, st, taken.FD)
}

// adoptControl gives nil when the program before us had none.
func adoptControl(taken *upgrade.Taken) (*control.Server, error) {
	var st control.State
	if found, err := taken.Get(partControl, &st); !found || err != nil {
		return nil, err
	}
	return control.Adopt(st, taken.FD)
}

func adoptAdmin(taken *upgrade.Taken, loaded *config.Loaded, log *slog.Logger) (*admin.Server, error) {
	var st socket.State
	found, err := taken.Get(partAdmin, &st)
	if err != nil {
		return nil, err
	}
	if !found {
		return openAdmin(loaded, log)
	}
	server, err := admin.Adopt(st, taken.FD)
	if err == nil {
		server.Log = log
	}
	return server, err
}

// carry adds to the state of the next upgrade what is not the supervisor's own.
func carry(sup *supervise.Supervisor, server *control.Server, seen *watched) {
	if server != nil {
		sup.Carry(partControl, func(keep upgrade.Keep) (any, error) { return server.Save(keep) })
		sup.Halt(server.Pause, server.Resume)
	}
	if seen != nil {
		sup.Carry(partAdmin, func(keep upgrade.Keep) (any, error) { return seen.Save(keep), nil })
		sup.Carry(partHistory, func(upgrade.Keep) (any, error) { return seen.history.State(), nil })
		sup.Halt(seen.Pause, seen.Resume)
	}
}

// commit makes the take-over final: from here on nothing can be given back.
func commit(taken *upgrade.Taken, logs *logpipe.Fanin) error {
	if taken == nil {
		return nil
	}
	if err := upgrade.Fault("commit"); err != nil {
		return fmt.Errorf("take over: %w", err)
	}
	taken.Commit()
	logs.Resume()
	return nil
}
