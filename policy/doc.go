// Package policy decides: grant, need a step, or deny; when a name locks; which
// spellings are one name. It is the file that auditors read.
//
// It owns rules, not facts: every function goes from values to a value, with
// the time given. It does no I/O, keeps nothing and never reads a clock. What
// always holds: a decision to grant names evidence that satisfies the whole
// question, and no evidence makes a decision weaker than less evidence would.
package policy
