package trace_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tandem-go/tandem/trace"
)

const (
	theirTrace = "12345678901234567890123456789012"
	theirSpan  = "1234567890123456"
	theirs     = theirTrace + "-" + theirSpan
)

// The cases of the W3C's test suite for traceparent, as a table: is the caller's
// trace continued?
func TestWhichTracesGoOn(t *testing.T) {
	tests := map[string]struct {
		lines []string
		goOn  bool
	}{
		"none":                            {nil, false},
		"sampled":                         {[]string{"traceparent: 00-" + theirs + "-01"}, true},
		"not sampled":                     {[]string{"traceparent: 00-" + theirs + "-00"}, true},
		"twice":                           {[]string{"traceparent: 00-" + theirs + "-01", "traceparent: 00-" + theirs + "-01"}, false},
		"in one line, as a list":          {[]string{"traceparent: 00-" + theirs + "-01,00-" + theirs + "-01"}, false},
		"wrong name with a dash":          {[]string{"trace-parent: 00-" + theirs + "-01"}, false},
		"wrong name with a dot":           {[]string{"trace.parent: 00-" + theirs + "-01"}, false},
		"name in capitals":                {[]string{"TRACEPARENT: 00-" + theirs + "-01"}, true},
		"name in both":                    {[]string{"TrAcEpArEnT: 00-" + theirs + "-01"}, true},
		"version 00 and a dot":            {[]string{"traceparent: 00-" + theirs + "-01."}, false},
		"version 00 and more":             {[]string{"traceparent: 00-" + theirs + "-01-what-the-future-will-be-like"}, false},
		"version cc":                      {[]string{"traceparent: cc-" + theirs + "-01"}, true},
		"version cc and more":             {[]string{"traceparent: cc-" + theirs + "-01-what-the-future-will-be-like"}, true},
		"version cc and a dash":           {[]string{"traceparent: cc-" + theirs + "-01-"}, true},
		"version cc and a dot":            {[]string{"traceparent: cc-" + theirs + "-01.what-the-future-will-be-like"}, false},
		"version cc, too short":           {[]string{"traceparent: cc-" + theirs + "-1"}, false},
		"version cc, ids elsewhere":       {[]string{"traceparent: cc-" + theirSpan + "-" + theirTrace + "-01-x"}, false},
		"version ff":                      {[]string{"traceparent: ff-" + theirs + "-01"}, false},
		"version in capitals":             {[]string{"traceparent: CC-" + theirs + "-01"}, false},
		"version with a dot before":       {[]string{"traceparent: .0-" + theirs + "-01"}, false},
		"version with a dot behind":       {[]string{"traceparent: 0.-" + theirs + "-01"}, false},
		"version of three digits":         {[]string{"traceparent: 000-" + theirs + "-01"}, false},
		"version of four digits":          {[]string{"traceparent: 0000-" + theirs + "-01"}, false},
		"version of one digit":            {[]string{"traceparent: 0-" + theirs + "-01"}, false},
		"trace of zeros":                  {[]string{"traceparent: 00-" + strings.Repeat("0", 32) + "-" + theirSpan + "-01"}, false},
		"trace with a dot before":         {[]string{"traceparent: 00-." + theirTrace[1:] + "-" + theirSpan + "-01"}, false},
		"trace with a dot behind":         {[]string{"traceparent: 00-" + theirTrace[:31] + ".-" + theirSpan + "-01"}, false},
		"trace of 33 digits":              {[]string{"traceparent: 00-" + theirTrace + "3-" + theirSpan + "-01"}, false},
		"trace of 31 digits":              {[]string{"traceparent: 00-" + theirTrace[:31] + "-" + theirSpan + "-01"}, false},
		"trace with a capital":            {[]string{"traceparent: 00-A" + theirTrace[1:] + "-" + theirSpan + "-01"}, false},
		"parent of zeros":                 {[]string{"traceparent: 00-" + theirTrace + "-" + strings.Repeat("0", 16) + "-01"}, false},
		"parent with a dot before":        {[]string{"traceparent: 00-" + theirTrace + "-." + theirSpan[1:] + "-01"}, false},
		"parent with a dot behind":        {[]string{"traceparent: 00-" + theirTrace + "-" + theirSpan[:15] + ".-01"}, false},
		"parent of 17 digits":             {[]string{"traceparent: 00-" + theirTrace + "-" + theirSpan + "7-01"}, false},
		"parent of 15 digits":             {[]string{"traceparent: 00-" + theirTrace + "-" + theirSpan[:15] + "-01"}, false},
		"parent with a capital":           {[]string{"traceparent: 00-" + theirTrace + "-" + theirSpan[:15] + "F-01"}, false},
		"flags with a dot before":         {[]string{"traceparent: 00-" + theirs + "-.0"}, false},
		"flags with a dot behind":         {[]string{"traceparent: 00-" + theirs + "-0."}, false},
		"flags of three digits":           {[]string{"traceparent: 00-" + theirs + "-001"}, false},
		"flags of one digit":              {[]string{"traceparent: 00-" + theirs + "-1"}, false},
		"flags in capitals":               {[]string{"traceparent: 00-" + theirs + "-0A"}, false},
		"another delimiter":               {[]string{"traceparent: 00_" + theirTrace + "_" + theirSpan + "_01"}, false},
		"spaces and tabs around":          {[]string{"traceparent: \t 00-" + theirs + "-01 \t"}, true},
		"empty":                           {[]string{"traceparent:"}, false},
		"one that is right, one empty":    {[]string{"traceparent: 00-" + theirs + "-01", "traceparent:"}, false},
		"a tracestate that is wrong":      {[]string{"traceparent: 00-" + theirs + "-01", "tracestate: =,"}, true},
		"as long as a header may well be": {[]string{"traceparent: cc-" + theirs + "-01-" + strings.Repeat("x", 8000)}, true},
	}
	relay := newRelay(t)
	for name, test := range tests {
		c, _ := relay.one(test.lines...)
		if got := c.TraceID.String() == theirTrace; got != test.goOn || c.SpanID.String() == theirSpan {
			t.Errorf("%s: %q became %s", name, test.lines, c.Traceparent())
		}
	}
}

// The cases of the suite for tracestate. All come with a traceparent that is right.
func TestWhatGoesOnOfATracestate(t *testing.T) {
	every := func(from, to byte, but string) string {
		var b strings.Builder
		for c := from; c <= to; c++ {
			if strings.IndexByte(but, c) < 0 {
				b.WriteByte(c)
			}
		}
		return b.String()
	}
	key, value := every('a', 'z', "")+every('0', '9', "")+"_-*/@", "x"+every(' ', '~', ",=")
	long := strings.Repeat("z", 256)
	var of32 []string
	for i := range 32 {
		of32 = append(of32, fmt.Sprintf("bar%02d=%02d", i, i))
	}
	tests := map[string]struct {
		fields []string
		want   string
	}{
		"two":                      {[]string{"foo=1,bar=2"}, "foo=1,bar=2"},
		"in several fields":        {[]string{"foo=1,bar=2", "rojo=1,congo=2", "baz=3"}, "foo=1,bar=2,rojo=1,congo=2,baz=3"},
		"empty":                    {[]string{""}, ""},
		"empty behind":             {[]string{"foo=1", ""}, "foo=1"},
		"empty before":             {[]string{"", "foo=1"}, "foo=1"},
		"empty members":            {[]string{",foo=1, ,\t,bar=2,"}, "foo=1,bar=2"},
		"twice the same":           {[]string{"foo=1,foo=1"}, "foo=1"},
		"twice, the first is kept": {[]string{"foo=1", "foo=2"}, "foo=1"},
		"all characters":           {[]string{key + "=" + value}, key + "=" + value},
		"whitespace":               {[]string{"foo=1 \t , \t bar=2, \t baz=3"}, "foo=1,bar=2,baz=3"},
		"whitespace before":        {[]string{"\t foo=1 \t"}, "foo=1"},
		"spaces of a value":        {[]string{"foo=  1 2  ,bar=2"}, "foo=  1 2,bar=2"},
		"space in a key":           {[]string{"foo =1,bar=2"}, ""},
		"capitals in a key":        {[]string{"FOO=1"}, ""},
		"dot in a key":             {[]string{"foo.bar=1"}, ""},
		"at signs":                 {[]string{"foo@=1,foo@@bar=2,foo@bar@baz=3"}, "foo@=1,foo@@bar=2,foo@bar@baz=3"},
		"at sign first":            {[]string{"@foo=1,bar=2"}, ""},
		"digit first":              {[]string{"1foo@2=1"}, "1foo@2=1"},
		"no key":                   {[]string{"=1,bar=2"}, ""},
		"no value":                 {[]string{"foo=,bar=3"}, ""},
		"spaces for a value":       {[]string{"foo=  ,bar=3"}, ""},
		"no sign between":          {[]string{"foo,bar=3"}, ""},
		"two signs":                {[]string{"foo=bar=baz"}, ""},
		"tab in a value":           {[]string{"foo=1\t2"}, ""},
		"beyond ASCII":             {[]string{"foo=é"}, ""},
		"32 members":               {of32, strings.Join(of32, ",")},
		"33 members":               {append(slices.Clone(of32), "bar32=32"), ""},
		"33 with one twice":        {append(slices.Clone(of32), "bar00=32"), ""},
		"longest key":              {[]string{"foo=1", long + "=1"}, "foo=1," + long + "=1"},
		"too long a key":           {[]string{"foo=1", long + "z=1"}, ""},
		"longest value":            {[]string{"foo=1", "bar=" + long}, "foo=1,bar=" + long},
		"too long a value":         {[]string{"foo=1", "bar=" + long + "z"}, ""},
		"key with a tenant":        {[]string{strings.Repeat("t", 241) + "@" + strings.Repeat("v", 14) + "=1"}, strings.Repeat("t", 241) + "@" + strings.Repeat("v", 14) + "=1"},
		"more than 512 bytes, large members go first": {
			[]string{"a=" + long, "b=1", "c=" + long, "d=2", "e=" + strings.Repeat("e", 126)},
			"a=" + long + ",b=1,d=2,e=" + strings.Repeat("e", 126),
		},
		"more than 512 bytes of small members": {
			[]string{"a=" + long[:120], "b=" + long[:120], "c=" + long[:120], "d=" + long[:120], "e=" + long[:120]},
			strings.Join([]string{"a=" + long[:120], "b=" + long[:120], "c=" + long[:120], "d=" + long[:120]}, ","),
		},
	}
	relay := newRelay(t)
	for name, test := range tests {
		lines := []string{"traceparent: 00-" + theirs + "-00"}
		for _, f := range test.fields {
			lines = append(lines, "tracestate: "+f)
		}
		c, state := relay.one(lines...)
		if c.TraceID.String() != theirTrace {
			t.Errorf("%s: another trace, %s", name, c.Traceparent())
		}
		if got := strings.Join(state, "|"); got != test.want || test.want == "" && state != nil {
			t.Errorf("%s: %q, want %q", name, state, test.want)
		}
	}
}

func TestATracestateWithoutItsTraceGoesNoFurther(t *testing.T) {
	relay := newRelay(t)
	for _, lines := range [][]string{
		{"tracestate: foo=1"},
		{"traceparent: ff-" + theirs + "-01", "tracestate: foo=1"},
		{"traceparent: 00-" + theirs + "-01", "traceparent: 00-" + theirs + "-01", "tracestate: foo=1"},
	} {
		if _, state := relay.one(lines...); state != nil {
			t.Errorf("%q: %q", lines, state)
		}
	}
	if _, state := relay.one("traceparent: 00-"+theirs+"-01", "trace-state: foo=1", "trace.state: foo=1", "TRACEstate: bar=2"); !slices.Equal(state, []string{"bar=2"}) {
		t.Errorf("%q", state)
	}
}

func TestTheFlagsOfATraceGoOnAndTheirsAreAllThatDo(t *testing.T) {
	relay := newRelay(t)
	for given, want := range map[string]trace.Flags{"00": 0, "01": trace.Sampled, "02": trace.Random, "03": 3, "ff": 3, "fc": 0, "09": trace.Sampled} {
		if c, _ := relay.one("traceparent: 00-" + theirs + "-" + given); c.Flags != want {
			t.Errorf("%s became %02x", given, c.Flags)
		}
	}
	if c, _ := relay.one(); c.Flags != trace.Random {
		t.Errorf("a new trace has the flags %02x", c.Flags)
	}
}

// The suite's advanced cases: each call is an operation of its own.
func TestEachCallHasAPlaceOfItsOwn(t *testing.T) {
	relay := newRelay(t)
	relay.calls = 3
	for _, lines := range [][]string{nil, {"traceparent: 00-" + theirs + "-01"}, {"traceparent: 00-" + strings.Repeat("0", 32) + "-" + theirSpan + "-01"}} {
		traces, spans := map[trace.TraceID]bool{}, map[trace.SpanID]bool{}
		for _, h := range relay.send(lines...) {
			c, err := trace.Extract(h)
			if err != nil {
				t.Fatal(err)
			}
			traces[c.TraceID], spans[c.SpanID] = true, true
		}
		if len(traces) != 1 || len(spans) != 3 {
			t.Errorf("%q: %v, %v", lines, traces, spans)
		}
	}
}
