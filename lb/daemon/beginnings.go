package daemon

import (
	"context"
	"sync"
)

// beginnings are goroutines that each go with something and can be ended one by one. begin and end are not safe for
// concurrent use; all is.
type beginnings struct {
	ctx context.Context // of all
	all sync.WaitGroup
	of  map[any]*beginning
}

type beginning struct {
	cancel context.CancelFunc
	done   chan struct{}
}

func newBeginnings(ctx context.Context) *beginnings {
	return &beginnings{ctx: ctx, of: make(map[any]*beginning)}
}

// begin runs what goes with a thing until end, or until all end.
func (b *beginnings) begin(thing any, run func(ctx context.Context)) {
	ctx, cancel := context.WithCancel(b.ctx)
	one := &beginning{cancel, make(chan struct{})}
	b.of[thing] = one
	b.all.Go(func() {
		defer cancel()
		defer close(one.done)
		run(ctx)
	})
}

// end ends what goes with a thing, and returns when it has ended.
func (b *beginnings) end(thing any) {
	one := b.of[thing]
	if one == nil {
		return
	}
	delete(b.of, thing)
	one.cancel()
	<-one.done
}
