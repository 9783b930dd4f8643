// Package storetest gives tests databases with the schema in them: it is made once
// for each test process and copied, which costs a tenth of making it. Tests of how
// the schema is made start from nothing instead (internal/testenv).
package storetest
