package proc

import (
	"errors"
	"os"
	"runtime"
	"testing"
	"time"
)

func TestParseStat(t *testing.T) {
	tests := []struct {
		name string
		text string
		want stat
		err  error
	}{
		{
			name: "plain",
			text: "42 (nginx) S 7 42 42 0 -1 4194560 100 0 0 0 150 25 0 0 20 0 1 0 100 0 0",
			want: stat{parent: 7, cpu: 1750 * time.Millisecond},
		},
		{
			name: "name that looks like fields",
			text: "42 (a) R 1 (b c) S 7 42 42 0 -1 4194560 100 0 0 0 0 1 0 0 20 0 1 0 100 0 0",
			want: stat{parent: 7, cpu: 10 * time.Millisecond},
		},
		{name: "too few fields", text: "42 (nginx) S 7 42 42 0 -1 4194560 100 0 0 0 150", err: errFormat},
		{name: "empty", text: "", err: errFormat},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parseStat([]byte(tt.text))
			if got != tt.want || !errors.Is(err, tt.err) {
				t.Errorf("got %+v, %v; want %+v, %v", got, err, tt.want, tt.err)
			}
		})
	}
}

func TestParsePSS(t *testing.T) {
	text := "00400000-7ffd3c5f3000 ---p 00000000 00:00 0 [rollup]\nRss:  2000 kB\nPss:  1234 kB\nPss_Dirty:  99 kB\n"
	if got, err := parsePSS([]byte(text)); got != 1234*1024 || err != nil {
		t.Errorf("got %d, %v", got, err)
	}
	if _, err := parsePSS([]byte("Rss:  2000 kB\n")); !errors.Is(err, errFormat) {
		t.Errorf("without the line: %v, want errFormat", err)
	}
}

func TestParseHostBusy(t *testing.T) {
	got, err := parseHostBusy([]byte("cpu  1 2 3 1000 2000 4 5 6 7 8\ncpu0 0 0 0 0 0 0 0 0 0 0\n"))
	if want := 210 * time.Millisecond; got != want || err != nil {
		t.Errorf("got %v, %v; want %v", got, err, want)
	}
	if _, err := parseHostBusy([]byte("cpu 1 2 3\n")); !errors.Is(err, errFormat) {
		t.Errorf("too few fields: %v, want errFormat", err)
	}
}

func TestParseSocketPages(t *testing.T) {
	text := "sockets: used 19\nTCP: inuse 1 orphan 0 tw 129 alloc 1 mem 239\nUDP: inuse 0 mem 5\n"
	if got, err := parseSocketPages([]byte(text)); got != 239 || err != nil {
		t.Errorf("got %d, %v", got, err)
	}
	for _, bad := range []string{"", "UDP: inuse 0 mem 5\n", "TCP: inuse 1 mem\n"} {
		if _, err := parseSocketPages([]byte(bad)); !errors.Is(err, errFormat) {
			t.Errorf("%q: %v, want errFormat", bad, err)
		}
	}
	if _, err := SocketMemory(); err != nil {
		t.Error(err)
	}
}

// TestOwnUsage compares /proc with what this process knows about itself.
func TestOwnUsage(t *testing.T) {
	block := make([]byte, 32<<20)
	for i := range block {
		block[i] = byte(i)
	}
	size, err := TreePSS(os.Getpid())
	if err != nil || size < int64(len(block)) {
		t.Errorf("%d bytes, %v; more than %d are in use", size, err, len(block))
	}
	runtime.KeepAlive(block)
	before, err := TreeCPU(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	// Ends when the kernel has charged us: that it does is what is tested.
	for now := before; now < before+2*tick; {
		if now, err = CPU(os.Getpid()); err != nil {
			t.Fatal(err)
		}
	}
	if busy, err := HostBusy(); err != nil || busy < before {
		t.Errorf("the machine was busy for %v, %v; this process alone for %v", busy, err, before)
	}
}

func TestGone(t *testing.T) {
	_, err := readStat(1 << 30)
	if !Gone(err) {
		t.Errorf("the process of a number that is never given: %v", err)
	}
}
