package proc

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
)

// kilobyte is what smaps calls kB.
const kilobyte = 1024

func readPSS(pid int) (int64, error) {
	file := fmt.Sprintf("/proc/%d/smaps_rollup", pid)
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	size, err := parsePSS(text)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", file, err)
	}
	return size, nil
}

// parsePSS reads the line "Pss:   123 kB".
func parsePSS(text []byte) (int64, error) {
	for line := range bytes.Lines(text) {
		fields := bytes.Fields(line)
		if len(fields) != 3 || string(fields[0]) != "Pss:" {
			continue
		}
		size, err := strconv.ParseInt(string(fields[1]), 10, 64)
		return size * kilobyte, err
	}
	return 0, errFormat
}
