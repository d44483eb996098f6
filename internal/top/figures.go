package top

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// none stands for what is not known.
const none = "-"

// number gives n in at most five cells.
func number[T int64 | uint64 | int](n T) string {
	f := float64(n)
	switch {
	case f < 100_000:
		return strconv.FormatInt(int64(n), 10)
	case f < 999_500:
		return strconv.FormatFloat(f/1e3, 'f', 0, 64) + "k"
	case f < 99_950_000:
		return strconv.FormatFloat(f/1e6, 'f', 1, 64) + "M"
	}
	return strconv.FormatFloat(f/1e6, 'f', 0, 64) + "M"
}

func known[T int64 | uint64](n *T) string {
	if n == nil {
		return none
	}
	return number(*n)
}

// perSecond gives a rate.
func perSecond(r float64) string {
	switch {
	case math.IsNaN(r):
		return none
	case r == 0:
		return "0"
	case r < 9.95:
		return strconv.FormatFloat(r, 'f', 1, 64)
	}
	return number(int64(math.Round(r)))
}

func (q quantile) String() string {
	switch {
	case !q.known:
		return none
	case q.beyond:
		return ">" + latency(q.seconds)
	}
	return latency(q.seconds)
}

// latency gives a length of time with the two digits that matter.
func latency(seconds float64) string {
	switch {
	case seconds < .0009995:
		return strconv.FormatFloat(seconds*1e6, 'f', 0, 64) + "µs"
	case seconds < .00995:
		return strconv.FormatFloat(seconds*1e3, 'f', 1, 64) + "ms"
	case seconds < .9995:
		return strconv.FormatFloat(seconds*1e3, 'f', 0, 64) + "ms"
	case seconds < 9.95:
		return strconv.FormatFloat(seconds, 'f', 1, 64) + "s"
	}
	return strconv.FormatFloat(seconds, 'f', 0, 64) + "s"
}

// age gives a length of time with the units that matter.
func age(seconds float64) string {
	d := time.Duration(seconds * float64(time.Second))
	switch {
	case d < 10*time.Second:
		return strconv.FormatFloat(math.Floor(seconds*10)/10, 'f', 1, 64) + "s"
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm%02d", int(d.Minutes()), int(d.Seconds())%60)
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh%02d", int(d.Hours()), int(d.Minutes())%60)
	case d < 100*24*time.Hour:
		return fmt.Sprintf("%dd%02d", int(d.Hours())/24, int(d.Hours())%24)
	}
	return fmt.Sprintf("%dd", int(d.Hours())/24)
}

// memory gives a size.
func memory(bytes float64) string {
	const mebi, gibi = 1 << 20, 1 << 30
	switch {
	case math.IsNaN(bytes):
		return none
	case bytes < 99.95*mebi:
		return strconv.FormatFloat(bytes/mebi, 'f', 1, 64) + "M"
	case bytes < 999.5*mebi:
		return strconv.FormatFloat(bytes/mebi, 'f', 0, 64) + "M"
	case bytes < 9.995*gibi:
		return strconv.FormatFloat(bytes/gibi, 'f', 2, 64) + "G"
	}
	return strconv.FormatFloat(bytes/gibi, 'f', 1, 64) + "G"
}

// sparkline draws the last n values from 0 up to the largest of them. What is not
// known is a gap.
func sparkline(values []float64, n int) string {
	const steps = "▁▂▃▄▅▆▇█"
	values = values[max(0, len(values)-n):]
	most := 0.0
	for _, v := range values {
		if !math.IsNaN(v) {
			most = max(most, v)
		}
	}
	var b strings.Builder
	b.WriteString(strings.Repeat(" ", n-len(values)))
	bars := slices.Collect(strings.SplitSeq(steps, ""))
	for _, v := range values {
		switch {
		case math.IsNaN(v):
			b.WriteString(" ")
		case most == 0:
			b.WriteString(bars[0])
		default:
			b.WriteString(bars[min(len(bars)-1, int(v/most*float64(len(bars))))])
		}
	}
	return b.String()
}
