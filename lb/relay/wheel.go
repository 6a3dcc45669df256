package relay

import "math/bits"

// wheel is a coarse timer wheel: places are tunnels, times are milliseconds on the loop's clock. What is further away
// than it reaches comes out early and is put back by its owner, as is everything whose time has moved: bytes that pass
// never touch the wheel. At its reach of a minute, a million tunnels that wait for an hour cost 15,000 looks a second.
type wheel struct {
	links  func(place uint32) *timerLinks
	now    int64         // in ticks: everything before it has been handed out
	heads  [slots]uint32 // place+1; 0: none
	filled [slots / 64]uint64
}

const (
	tick  = 16 // in milliseconds: how late a timer may be
	slots = 4096
)

// timerLinks is the wheel's part of a tunnel; the zero links are not in the wheel.
type timerLinks struct {
	next, prev uint32 // place+1; 0: none
	slot       uint16 // slot+1; 0: not in the wheel
}

// set sees to it that a place comes out at a time in milliseconds, or before.
func (w *wheel) set(place uint32, at int64) {
	due := min(max((at+tick-1)/tick, w.now), w.now+slots-2) // not the slot that advance may be emptying
	l := w.links(place)
	if l.slot != 0 {
		if w.now+(int64(l.slot-1)-w.now)&(slots-1) <= due {
			return
		}
		w.remove(place)
	}
	i := due & (slots - 1)
	*l = timerLinks{next: w.heads[i], slot: uint16(i + 1)} //nolint:gosec // below slots
	if l.next != 0 {
		w.links(l.next - 1).prev = place + 1
	}
	w.heads[i] = place + 1
	w.filled[i/64] |= 1 << (i % 64)
}

// remove takes a place out, if it is in.
func (w *wheel) remove(place uint32) {
	l := w.links(place)
	if l.slot == 0 {
		return
	}
	i := l.slot - 1
	if l.next != 0 {
		w.links(l.next - 1).prev = l.prev
	}
	if l.prev != 0 {
		w.links(l.prev - 1).next = l.next
	} else if w.heads[i] = l.next; l.next == 0 {
		w.filled[i/64] &^= 1 << (i % 64)
	}
	*l = timerLinks{}
}

// advance hands out what is due by a time in milliseconds. due may set places again.
func (w *wheel) advance(at int64, due func(place uint32)) {
	target := at / tick
	for n := int64(0); w.now <= target && n < slots; n++ { // what due sets for this very tick has to wait for the next
		next, ok := w.nextTick()
		if !ok || next > target {
			break
		}
		i := next & (slots - 1)
		list := w.heads[i]
		w.now = next + 1
		for place := list; place != 0; place = w.heads[i] {
			w.remove(place - 1)
			due(place - 1)
		}
	}
	w.now = max(w.now, target)
}

// nextTick returns the tick at which the next place comes out.
func (w *wheel) nextTick() (int64, bool) {
	for n := int64(0); n < slots; {
		i := (w.now + n) & (slots - 1)
		if word := w.filled[i/64] >> (i % 64); word != 0 {
			return w.now + n + int64(bits.TrailingZeros64(word)), true
		}
		n += 64 - i%64
	}
	return 0, false
}

// next returns the time in milliseconds at which the next place comes out.
func (w *wheel) next() (int64, bool) {
	t, ok := w.nextTick()
	return t * tick, ok
}
