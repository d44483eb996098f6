package postmortem

import (
	"strings"
	"syscall"
	"testing"
	"unicode/utf8"
)

func TestDecode(t *testing.T) {
	const term = syscall.SIGTERM
	for name, tc := range map[string]struct {
		facts    Facts
		class    string // "": it ended as it should
		text     string
		meaning  string // contained in it
		evidence string
	}{
		"asked, and went":                   {facts: Facts{Ready: true, Drain: true}},
		"asked, and died of the signal":     {facts: Facts{Ready: true, Drain: true, Signal: term}},
		"asked, and said 143":               {facts: Facts{Ready: true, Drain: true, Code: 143}},
		"asked before it was ready":         {facts: Facts{Drain: true, Signal: term}},
		"interrupted":                       {facts: Facts{Ready: true, Quick: true, Signal: syscall.SIGINT}},
		"interrupted, and said 130":         {facts: Facts{Ready: true, Quick: true, Code: 130}},
		"asked to go, and then interrupted": {facts: Facts{Ready: true, Drain: true, Quick: true, Code: 130}},

		"by itself":            {Facts{Ready: true}, ClassExit, "exit status 0", "as if its work were done", ""},
		"3":                    {Facts{Ready: true, Code: 3}, ClassExit, "exit status 3", "WORKER_BOOT_ERROR", ""},
		"137":                  {Facts{Ready: true, Code: 137}, ClassExit, "exit status 137", "ended by SIGKILL", ""},
		"203":                  {Facts{Code: 203}, ClassExit, "exit status 203, before it was ready", "EXIT_EXEC", ""},
		"75":                   {Facts{Code: 75}, ClassExit, "exit status 75, before it was ready", "EX_TEMPFAIL", ""},
		"99":                   {Facts{Ready: true, Code: 99}, ClassExit, "exit status 99", "", ""},
		"an error in a drain":  {Facts{Ready: true, Drain: true, Code: 1}, ClassExit, "exit status 1", "gave up", ""},
		"a panic":              {Facts{Ready: true, Code: 2, Panic: "panic: boom"}, ClassPanic, "panic: boom", "did not recover", ""},
		"a panic in a drain":   {Facts{Ready: true, Drain: true, Code: 2, Panic: "panic: boom"}, ClassPanic, "panic: boom", "", ""},
		"segfault":             {Facts{Ready: true, Signal: syscall.SIGSEGV, CoreDumped: true}, ClassSignal, "killed by SIGSEGV (core dumped)", "C code", ""},
		"kill -9":              {Facts{Ready: true, Signal: syscall.SIGKILL}, ClassSignal, "killed by SIGKILL", "somebody sent it", "neither this supervisor"},
		"a real-time signal":   {Facts{Ready: true, Signal: 40}, ClassSignal, "killed by signal 40", "", ""},
		"TERM from elsewhere":  {Facts{Ready: true, Signal: term}, ClassSignal, "killed by SIGTERM", "somebody other", ""},
		"out of memory":        {Facts{Ready: true, Signal: syscall.SIGKILL, OOM: OOMKill{Evidence: "oom_kill rose"}}, ClassOOM, "killed by the kernel: out of memory", "--max-memory", "oom_kill rose"},
		"perhaps oom":          {Facts{Ready: true, Signal: syscall.SIGKILL, OOM: OOMKill{Evidence: "x", Late: true}}, ClassOOM, "killed, probably by the kernel: out of memory", "--max-memory", "x"},
		"oom while it drained": {Facts{Ready: true, Drain: true, Signal: syscall.SIGKILL, OOM: OOMKill{Evidence: "x"}}, ClassOOM, "killed by the kernel: out of memory", "", "x"},
		"hung, dumped":         {Facts{Ready: true, Hung: true, Aborted: "it was silent for 30s", Code: 2, Panic: "SIGABRT: abort"}, ClassHung, "hung: it was silent for 30s; exit status 2", "deadlock", ""},
		"hung, killed":         {Facts{Ready: true, Hung: true, Killed: "it was silent for 30s", Signal: syscall.SIGKILL}, ClassHung, "hung: it was silent for 30s", "", ""},
		"hung, gave no dump":   {Facts{Ready: true, Hung: true, Aborted: "it was silent for 30s", Killed: "it was silent for 30s", Signal: syscall.SIGKILL}, ClassHung, "hung: it was silent for 30s", "", ""},
		"boot timeout":         {Facts{Killed: "it was not ready within 1s", Signal: syscall.SIGKILL}, ClassBoot, "failed to boot: it was not ready within 1s", "--boot-timeout", ""},
		"drained too long":     {Facts{Ready: true, Drain: true, Killed: "it was still draining after 30s", Signal: syscall.SIGKILL}, ClassDrain, "did not end when it was asked to: it was still draining after 30s", "--graceful-timeout", ""},
		"oom before our kill":  {Facts{Ready: true, Drain: true, Killed: "it was still draining after 30s", Signal: syscall.SIGKILL, OOM: OOMKill{Evidence: "x"}}, ClassDrain, "did not end when it was asked to: it was still draining after 30s", "", ""},
		"could not be run":     {Facts{Exec: "execute /x: permission denied"}, ClassExec, "could not be executed: execute /x: permission denied", "", ""},
		"could not be seen":    {Facts{Unobserved: "no child"}, ClassExit, "its end could not be observed: no child", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			tc.facts.StopSignal = term
			c, abnormal := Decode(tc.facts)
			if abnormal != (tc.class != "") {
				t.Fatalf("abnormal: %v; %+v", abnormal, c)
			}
			if !abnormal {
				return
			}
			if c.Class != tc.class || c.Text != tc.text || !strings.Contains(c.Meaning, tc.meaning) || !strings.Contains(c.Evidence, tc.evidence) {
				t.Errorf("%+v", c)
			}
			if tc.meaning == "" && tc.text == "exit status 99" && c.Meaning != "" {
				t.Errorf("a meaning was invented: %q", c.Meaning)
			}
			if (c.ExitCode == nil) == (c.Signal == "") && tc.facts.Exec == "" && tc.facts.Unobserved == "" {
				t.Errorf("one of exit code and signal must be known: %+v", c)
			}
		})
	}
}

func TestAskedIsToldInOrder(t *testing.T) {
	c, _ := Decode(Facts{Ready: true, Drain: true, Killed: "it was still draining after 1s", Signal: syscall.SIGKILL, StopSignal: syscall.SIGQUIT})
	if c.Asked != "drain (SIGQUIT); killed (SIGKILL), because it was still draining after 1s" {
		t.Error(c.Asked)
	}
}

func TestShortenCutsAtACharacter(t *testing.T) {
	for n := 4; n < 20; n++ {
		if got := shorten("aäöü€€€€€", n); len(got) > n || !utf8.ValidString(got) {
			t.Errorf("%d: %q", n, got)
		}
	}
}
