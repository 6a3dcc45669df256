package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"sync"
	"time"
)

const (
	beatOfState = 2 * time.Second  // from one look at the process to the next, while anybody watches
	heartbeat   = 15 * time.Second // a sign of life on a stream
	slowest     = 10 * time.Second // how long one event may take to be written
	mostBehind  = 8                // events that wait for one stream
)

// hub looks at the process once for all streams, and tells each what has changed. While there are no streams it does nothing.
type hub struct {
	look func() picture
	past func(points int) *History

	mu    sync.Mutex
	limit int
	subs  map[*subscriber]struct{}
	last  picture
}

// subscriber is one stream's end of the hub.
type subscriber struct {
	events chan []byte // closed by the hub when it is too far behind, or unwanted
}

func newHub(look func() picture, past func(int) *History, limit int) *hub {
	return &hub{look: look, past: past, limit: limit, subs: map[*subscriber]struct{}{}}
}

// run looks again and again until ctx ends.
func (h *hub) run(ctx context.Context) {
	tick := time.NewTicker(beatOfState)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			h.mu.Lock()
			h.refresh()
			h.mu.Unlock()
		case <-ctx.Done():
			return
		}
	}
}

// refresh looks, and tells all streams. The caller holds mu.
func (h *hub) refresh() {
	if len(h.subs) == 0 {
		return
	}
	now := h.look()
	h.tell("state", now.since(&h.last))
	h.last = now
}

// join adds a stream, whose first event is everything there is; nil: there are too many. Where there are others, that is what they know: a look for each that
// joins would tell them something, and when many come back at once those that came first would be too far behind.
func (h *hub) join() *subscriber {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.subs) >= h.limit {
		return nil
	}
	if len(h.subs) == 0 {
		h.last = h.look()
	}
	all := h.last.since(&picture{})
	all.History = h.past(0)
	sub := &subscriber{make(chan []byte, mostBehind)}
	sub.events <- encode("snapshot", all)
	h.subs[sub] = struct{}{}
	return sub
}

func (h *hub) leave(sub *subscriber) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.subs, sub)
}

// step tells what the history has got.
func (h *hub) step() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.subs) > 0 {
		h.tell("step", &Live{At: time.Now(), History: h.past(1)})
	}
}

// tell gives an event to all streams, and gives up those that are too far behind. The caller holds mu.
func (h *hub) tell(name string, l *Live) {
	event := encode(name, l)
	for sub := range h.subs {
		select {
		case sub.events <- event:
		default:
			h.drop(sub)
		}
	}
}

func (h *hub) drop(sub *subscriber) {
	delete(h.subs, sub)
	close(sub.events)
}

// dropAll ends all streams.
func (h *hub) dropAll() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for sub := range h.subs {
		h.drop(sub)
	}
}

func (h *hub) setLimit(n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.limit = n
}

// encode writes an event as it goes over the wire. JSON has no line ends in it.
func encode(name string, l *Live) []byte {
	var b bytes.Buffer
	b.WriteString("event: " + name + "\ndata: ")
	if err := json.NewEncoder(&b).Encode(l); err != nil { // it ends with a line end
		b.WriteString("{}\n")
	}
	b.WriteByte('\n')
	return b.Bytes()
}
