package directory

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
)

// personally groups the work by person: what is about one person is done one
// after the other, so that the second sees what the first did.
func personally(page []Candidate, work []int) [][]int {
	at := map[string]int{}
	var groups [][]int
	for _, i := range work {
		g, ok := at[page[i].PersonID]
		if !ok {
			g = len(groups)
			at[page[i].PersonID] = g
			groups = append(groups, nil)
		}
		groups[g] = append(groups[g], i)
	}
	return groups
}

// together does groups at once, until the context ends or one fails.
func together(ctx context.Context, groups [][]int, do func(i int) error) error {
	var next atomic.Int64
	errs := make([]error, claimers)
	var all sync.WaitGroup
	for w := range min(claimers, len(groups)) {
		all.Go(func() {
			for errs[w] == nil {
				g := int(next.Add(1)) - 1
				if g >= len(groups) {
					return
				}
				if errs[w] = ctx.Err(); errs[w] != nil {
					return
				}
				for _, i := range groups[g] {
					if errs[w] = do(i); errs[w] != nil {
						next.Store(int64(len(groups)))
						return
					}
				}
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}
