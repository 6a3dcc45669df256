//go:build !profile

package main

// profiled does what main does. A build with the tag profile leaves profiles of it.
func profiled(do func() int) int { return do() }
