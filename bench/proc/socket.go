package proc

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
)

// SocketMemory is what the buffers of all TCP sockets of the machine hold, in bytes: the field mem of the line TCP in
// /proc/net/sockstat, which is in pages (proc_pid_net(5)).
func SocketMemory() (int64, error) {
	const file = "/proc/net/sockstat"
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	pages, err := parseSocketPages(text)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", file, err)
	}
	return pages * int64(os.Getpagesize()), nil
}

// parseSocketPages reads a line "TCP: inuse 1 orphan 0 tw 7 alloc 1 mem 3".
func parseSocketPages(text []byte) (int64, error) {
	for line := range bytes.Lines(text) {
		fields := bytes.Fields(line)
		if len(fields) == 0 || string(fields[0]) != "TCP:" {
			continue
		}
		for i := 1; i+1 < len(fields); i += 2 {
			if string(fields[i]) == "mem" {
				return strconv.ParseInt(string(fields[i+1]), 10, 64)
			}
		}
	}
	return 0, errFormat
}
