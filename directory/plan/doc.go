// Package plan compares what a feed says with what is kept, and says which
// changes lead from one to the other. It decides nothing by I/O: the same feed
// and state give the same plan.
//
// It owns who is who in a feed (the national ID, then the account), what a bad
// row is, and when a plan has to be confirmed by a person. It does not own
// reading (directory/feed) nor applying (directory/sync, store). What always
// holds: a row with a fault changes nobody; nobody becomes somebody else; a
// person whose rows are all faulty is not missing.
package plan
