package harness

import (
	"io"
	"testing"
)

func TestWarnings(t *testing.T) {
	o := newOutput()
	if got := o.Warnings(2); got != "" {
		t.Errorf("of nothing: %q", got)
	}
	const lines = `{"time":"1","level":"INFO","msg":"worker ready"}
{"time":"2","level":"WARN","msg":"a","tandem":{"worker":1}}
{"time":"3","stream":"stderr","msg":"a line of a worker's"}
{"time":"4","level":"ERROR","msg":"b"}
`
	_, _ = io.WriteString(o, lines)
	const both = `{"time":"2","level":"WARN","msg":"a","tandem":{"worker":1}}
{"time":"4","level":"ERROR","msg":"b"}`
	if got := o.Warnings(2); got != both {
		t.Errorf("it has the warnings\n%s\nwant\n%s", got, both)
	}
	_, _ = io.WriteString(o, `{"time":"5","level":"WARN","msg":"c"}`) // not whole yet, at the end of the process
	if got := o.Warnings(2); got != both+"\n… and 1 more" {
		t.Errorf("beyond the bound\n%s", got)
	}
}
