package main

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
)

func TestLogQueueKeepsOrderAndFlushes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out strings.Builder
		q := newLogQueue(&out, 10)
		go q.drain()
		line := []byte("0\n")
		for i := range byte(5) {
			line[0] = '0' + i // the caller's buffer is used again
			if n, err := q.Write(line); n != 2 || err != nil {
				t.Fatal(n, err)
			}
		}
		q.close()
		if got := out.String(); got != "0\n1\n2\n3\n4\n" {
			t.Errorf("got %q", got)
		}
	})
}

// TestLogQueueNeverWaits: the reader of a pipe has stopped.
func TestLogQueueNeverWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, w := io.Pipe()
		q := newLogQueue(w, 3)
		go q.drain()
		_, _ = q.Write([]byte("a\n"))
		synctest.Wait() // it is in the pipe, and stuck
		for i := range 5 {
			_, _ = fmt.Fprintf(q, "%d\n", i)
		}
		q.close() // gives up after a while: it does not wait for the reader either
		got := make(chan string)
		go func() {
			b, _ := io.ReadAll(r)
			got <- string(b)
		}()
		<-q.done
		_ = w.Close()
		if s := <-got; !strings.HasPrefix(s, "a\n{") || !strings.Contains(s, `"lost":2}`) || !strings.HasSuffix(s, "\n0\n1\n2\n") {
			t.Errorf("got %q", s)
		}
	})
}
