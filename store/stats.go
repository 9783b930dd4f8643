package store

import "sync/atomic"

// Stats counts what a store did since it was opened. Statements that only
// frame a transaction are not statements here.
type Stats struct {
	Reads        int64 // statements that only read
	Writes       int64 // statements in writing transactions
	Transactions int64 // writing transactions committed; a group commit is one
	Retries      int64 // transactions run again at the database's request
}

type counters struct {
	reads, writes, transactions, retries atomic.Int64
}

func (c *counters) stats() Stats {
	return Stats{Reads: c.reads.Load(), Writes: c.writes.Load(), Transactions: c.transactions.Load(), Retries: c.retries.Load()}
}
