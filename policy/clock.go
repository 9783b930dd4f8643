package policy

import "time"

// Skew is how far the clocks of two nodes may be apart: evidence that is no
// further ahead was given a moment ago, on a node that is ahead.
const Skew = 2 * time.Second

// Given is the time of evidence that is given now in answer to what was asked
// then: never before it, though the node that asked may be ahead.
func Given(now, asked time.Time) time.Time {
	if asked.After(now) && !asked.After(now.Add(Skew)) {
		return asked
	}
	return now
}
