// Package feed reads the rows that other systems give us about people: CSV files
// in UTF-8 or Big5, and whatever else is a list of columns and rows.
//
// It owns the form of the files and the mapping from their columns to our
// fields. It does not own what a row means (directory/plan) nor the connection to
// a database or an LDAP server: those come as Records. What always holds: a row
// that can't be read is reported with its line and never stops the others, and
// nothing is guessed.
package feed
