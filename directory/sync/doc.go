// Package sync brings what is kept of people and agencies to what a source says:
// it reads, plans, keeps the plan, asks where it must, and applies the plan one
// person after the other.
//
// It owns the life of a run: one at a time for each source on any number of
// nodes, going on where an interrupted one stopped, and its record. It does not
// own what a row means (directory/plan) nor SQL (store). What always holds: a
// change is applied at most once, in a transaction of its own, and only to the
// person as the plan saw them; a plan that asks is applied by its name or not at
// all.
package sync
