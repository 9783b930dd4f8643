//go:build !linux

package agent

func runAlone() {}
