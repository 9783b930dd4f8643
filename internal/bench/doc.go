// Package bench measures the product and writes docs/benchmarks.md.
//
// It owns the load (flows that drive a real server over loopback with kept
// connections, whose every answer is checked), the measuring of processes, and
// the report. Beside the product it drives the floors (packages floor and, for
// logins by phone, phonefloor below it): bare servers that make the same
// requests, signatures and durable writes and nothing else, so that figures of
// different machines can be compared.
//
// It consists of Go benchmarks only (make bench). What always holds: product
// and floor are driven by the same code, in turns within one run; a wrong
// answer counts as an error, never as an operation.
package bench
