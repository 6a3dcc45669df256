//go:build profile

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"strconv"
	"time"
)

// A build with the tag profile writes profiles of `fairlead run` into the folder that profileFolder names: cpu-PID.pprof of all of its life,
// and heap-PID.pprof of the time when it held most. There is no such thing in other builds, so nothing that a stranger could ask for.
const profileFolder = "FAIRLEAD_PROFILE"

const (
	// heapEvery is how often the heap is looked at.
	heapEvery = 500 * time.Millisecond
	// heapMore is by how much it must have grown for its profile to be written anew.
	heapMore = 1.02
)

// profiled does what main does, and leaves profiles of it.
func profiled(do func() int) int {
	folder := os.Getenv(profileFolder)
	if folder == "" || len(os.Args) < 2 || os.Args[1] != "run" {
		return do()
	}
	id := strconv.Itoa(os.Getpid()) + ".pprof"
	cpu, err := os.Create(filepath.Join(folder, "cpu-"+id))
	if err == nil {
		err = pprof.StartCPUProfile(cpu)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "fairlead: no profile:", err)
		return statusFailed
	}
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		watchHeap(filepath.Join(folder, "heap-"+id), done)
	}()
	status := do()
	close(done)
	<-ended
	pprof.StopCPUProfile()
	if err := cpu.Close(); err != nil {
		fmt.Fprintln(os.Stderr, "fairlead: the profile is not complete:", err)
	}
	return status
}

// watchHeap writes the profile of the heap when it is larger than ever before, until done.
func watchHeap(file string, done <-chan struct{}) {
	ticker := time.NewTicker(heapEvery)
	defer ticker.Stop()
	most := 0.0
	for {
		select {
		case <-done:
			return
		case <-ticker.C:
		}
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
		if now := float64(stats.HeapAlloc); now > heapMore*most {
			most = now
			if err := writeHeap(file); err != nil {
				fmt.Fprintln(os.Stderr, "fairlead: no profile of the heap:", err)
				return
			}
		}
	}
}

func writeHeap(file string) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	return errors.Join(pprof.WriteHeapProfile(f), f.Close())
}
