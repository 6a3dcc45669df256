package compare

import (
	"runtime"
	"sync"
	"time"

	"fairlead/bench/drive"
	"fairlead/bench/proc"
)

// edgeProcess is the name of the edge among the processes that are watched; the others are backends.
const edgeProcess = "edge"

// observer looks at the machine while the load goes on.
type observer struct {
	processes []drive.Process
	tell      func(drive.Slot)
	measuring chan struct{} // closed when the measured time has begun
	begun     sync.Once

	before int64 // kernel memory
	kernel int64 // the same, at the last look in the measured time
	open   int   // tunnels then
}

// begin looks at the machine before the first tunnel.
func (o *observer) begin() error {
	var err error
	o.before, err = proc.KernelMemory()
	return err
}

// see is called once a second.
func (o *observer) see(s drive.Slot) {
	if s.Measured() {
		o.begun.Do(func() { close(o.measuring) })
		// What cannot be read now could be read before; the look before stays.
		if kernel, err := proc.KernelMemory(); err == nil {
			o.kernel, o.open = kernel, s.Open
		}
	}
	if o.tell != nil {
		o.tell(s)
	}
}

// end says what was seen. drive.Run has returned, and with it what calls see.
func (o *observer) end(t *Trial) {
	if o.open > 0 {
		t.Kernel = float64(o.kernel-o.before) / float64(o.open)
	}
	wall := t.Result.Measured * float64(time.Second/time.Millisecond) * float64(runtime.NumCPU())
	if wall <= 0 {
		return
	}
	t.Host = t.Result.Generator.Host
	used := t.Result.Generator.CPU
	for _, p := range t.Result.Processes {
		used += max(0, p.CPU)
	}
	t.Other = max(0, t.Host-used/wall)
}
