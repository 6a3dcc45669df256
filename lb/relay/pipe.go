package relay

import (
	"sync"

	"fairlead/lb/sys"
)

const (
	// pipeSize is what a pipe holds, in bytes: the most that one direction keeps in the kernel beyond the sockets' buffers.
	//
	// The larger the cheaper: from 256 KiB to 1 MiB a download takes a third less of the processor. Larger ones an
	// unprivileged user may not have (pipe-max-size, pipe(7)).
	pipeSize = 1 << 20
	// defaultPipes bounds the pipes in use. An unprivileged user gets smaller ones beyond 64 MiB (pipe-user-pages-soft).
	defaultPipes = 256
	// sparePipes are kept open while tunnels live: a pipe costs four system calls.
	sparePipes = 16
)

// pipePool lends pipes, a bounded number at a time, since each takes two descriptors from the limit that also
// bounds connections. A direction that gets none copies through its buffer.
type pipePool struct {
	max int

	mu    sync.Mutex
	lent  int
	spare []*sys.Pipe
}

// borrow returns nil when the bound is reached or the kernel has no pipe to give.
func (p *pipePool) borrow() *sys.Pipe {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.lent >= p.max {
		return nil
	}
	if n := len(p.spare); n > 0 {
		pipe := p.spare[n-1]
		p.spare = p.spare[:n-1]
		p.lent++
		return pipe
	}
	pipe, err := sys.NewPipe(pipeSize)
	if err != nil {
		return nil
	}
	p.lent++
	return pipe
}

func (p *pipePool) giveBack(pipe *sys.Pipe) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lent--
	if pipe.Held() > 0 || len(p.spare) >= sparePipes { // what a tunnel left inside is nobody else's
		pipe.Close()
		return
	}
	p.spare = append(p.spare, pipe)
}

func (p *pipePool) closeSpare() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, pipe := range p.spare {
		pipe.Close()
	}
	p.spare = nil
}
