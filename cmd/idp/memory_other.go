//go:build !linux

package main

import (
	"context"
	"runtime/debug"
)

func releaseMemory(context.Context) { debug.FreeOSMemory() }
