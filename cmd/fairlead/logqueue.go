package main

import (
	"bytes"
	"fmt"
	"io"
	"sync/atomic"
	"time"
)

// logQueue stands between the logger and a writer that may stall, such as a pipe whose reader has stopped. Sessions
// write a line when they end; without the queue they would wait for the reader, and hold their descriptors meanwhile.
// When it is full lines are dropped, counted, and told of once lines get through again.
type logQueue struct {
	w     io.Writer
	lines chan []byte
	lost  atomic.Uint64
	stop  chan struct{}
	done  chan struct{}
}

// Bounds of the queue: lines that wait, at some 600 bytes each, and how long the last of them may take at the end.
const (
	logQueueLines = 8192
	logFlushTime  = time.Second
)

// newLogQueue makes a queue in front of w. Nothing is written before drain runs.
func newLogQueue(w io.Writer, lines int) *logQueue {
	return &logQueue{w: w, lines: make(chan []byte, lines), stop: make(chan struct{}), done: make(chan struct{})}
}

// Write takes a line, or drops it. It never blocks and never fails.
func (q *logQueue) Write(line []byte) (int, error) {
	select {
	case q.lines <- bytes.Clone(line): // zap uses its buffer again
	default:
		q.lost.Add(1)
	}
	return len(line), nil
}

// drain writes what is in the queue until close, and then what is left.
func (q *logQueue) drain() {
	defer close(q.done)
	for {
		select {
		case line := <-q.lines:
			q.pass(line)
		case <-q.stop:
			for len(q.lines) > 0 {
				q.pass(<-q.lines)
			}
			return
		}
	}
}

// pass writes a line. One that fails is lost: the log is the only place where that could be said.
func (q *logQueue) pass(line []byte) {
	_, _ = q.w.Write(line)
	if n := q.lost.Swap(0); n > 0 {
		_, _ = fmt.Fprintf(q.w, "{\"level\":\"warn\",\"msg\":\"log lines lost: the reader of the log does not keep up\",\"lost\":%d}\n", n)
	}
}

// close writes what is left, for as long as logFlushTime allows.
func (q *logQueue) close() {
	close(q.stop)
	select {
	case <-q.done:
	case <-time.After(logFlushTime):
	}
}
