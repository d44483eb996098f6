// Package quantile estimates quantiles from the buckets of a histogram, as Prometheus's
// histogram_quantile does: within a bucket values are taken to be spread evenly.
//
// The invariant: what is in the last bucket, which has no bound, is never given a value
// of its own; it is said to be beyond the largest bound.
//
//	seconds, beyond, known := quantile.Of(bounds, counts, 0.99)
package quantile

// Of is the value that the part q of all values, from 0 to 1, does not exceed, in the
// unit of bounds. counts are of each bucket by itself, one more than bounds. It is beyond
// the largest bound, which is then the value, where it lies in the last bucket; and it is
// not known where there are no values, or counts are of other bounds.
func Of(bounds []float64, counts []uint64, q float64) (value float64, beyond, known bool) {
	var total uint64
	for _, n := range counts {
		total += n
	}
	if total == 0 || len(bounds) == 0 || len(counts) != len(bounds)+1 {
		return 0, false, false
	}
	rank, before := q*float64(total), 0.0
	for i, n := range counts[:len(bounds)] {
		if here := float64(n); n > 0 && before+here >= rank {
			low := 0.0
			if i > 0 {
				low = bounds[i-1]
			}
			return low + (bounds[i]-low)*(rank-before)/here, false, true
		}
		before += float64(n)
	}
	return bounds[len(bounds)-1], true, true
}
