package drive

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"fairlead/bench/pattern"
	"fairlead/bench/scenario"
)

// stamp begins every message, so that whoever gets it knows what it is and when it was to be sent.
type stamp struct {
	// run tells messages of this run from those of another that shares a room with it.
	run uint32
	// seat is who sends, epoch the number of its tunnel, seq that of the message in the tunnel.
	seat, epoch, seq uint32
	// due is when the message was to be sent, since the run began.
	due time.Duration
}

const stampSize = scenario.SmallestMessage

var (
	errContent = errors.New("bytes of a message are not those that were sent")
	errForeign = errors.New("a message that nobody here sent to this tunnel")
	errGap     = errors.New("messages are missing, doubled or out of order")
)

// fill makes a message: the stamp and a part of the pattern that hardly another message has.
func (s stamp) fill(payload []byte) {
	binary.LittleEndian.PutUint32(payload, s.run)
	binary.LittleEndian.PutUint32(payload[4:], s.seat)
	binary.LittleEndian.PutUint32(payload[8:], s.epoch)
	binary.LittleEndian.PutUint32(payload[12:], s.seq)
	binary.LittleEndian.PutUint64(payload[16:], uint64(s.due)) //nolint:gosec // Read back as what it was.
	pattern.Fill(s.offset(), payload[stampSize:])
}

func (s stamp) offset() int64 { return int64(s.seat)<<20 + int64(s.epoch)<<10 + int64(s.seq) }

// readStamp reads a message and compares every byte.
func readStamp(payload []byte) (stamp, error) {
	if len(payload) < stampSize {
		return stamp{}, fmt.Errorf("%w: only %d of them", errContent, len(payload))
	}
	s := stamp{
		run:   binary.LittleEndian.Uint32(payload),
		seat:  binary.LittleEndian.Uint32(payload[4:]),
		epoch: binary.LittleEndian.Uint32(payload[8:]),
		seq:   binary.LittleEndian.Uint32(payload[12:]),
		due:   time.Duration(binary.LittleEndian.Uint64(payload[16:])), //nolint:gosec // Written from one.
	}
	if !pattern.Matches(s.offset(), payload[stampSize:]) {
		return s, fmt.Errorf("%w: message %d of seat %d", errContent, s.seq, s.seat)
	}
	return s, nil
}

// heard is what a tunnel knows of a sender: the last message that came of it.
type heard struct{ epoch, seq uint32 }

// order checks that what comes of a sender comes whole and in order. A sender that is new, or has a new tunnel, may begin
// anywhere in a room, and at 0 where it is alone.
type order map[uint32]heard

func (o order) take(s stamp, alone bool) error {
	last, known := o[s.seat]
	o[s.seat] = heard{epoch: s.epoch, seq: s.seq}
	switch {
	case known && last.epoch == s.epoch && s.seq == last.seq+1:
		return nil
	case known && s.epoch > last.epoch, !known:
		if !alone || s.seq == 0 {
			return nil
		}
	}
	return fmt.Errorf("%w: from seat %d came %d of tunnel %d behind %d of tunnel %d", errGap, s.seat, s.seq, s.epoch, last.seq, last.epoch)
}
