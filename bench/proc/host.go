package proc

import (
	"bytes"
	"os"
	"strconv"
	"time"
)

// Fields of the first line of /proc/stat behind the word "cpu" (proc_stat(5)).
const (
	hostIdle   = 3
	hostWait   = 4
	hostFields = 8 // user nice system idle iowait irq softirq steal
)

// HostBusy is the time that all processors of the machine together have not been idle, since boot.
func HostBusy() (time.Duration, error) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, err
	}
	return parseHostBusy(text)
}

func parseHostBusy(text []byte) (time.Duration, error) {
	line, _, _ := bytes.Cut(text, []byte("\n"))
	fields := bytes.Fields(line)
	if len(fields) <= hostFields || string(fields[0]) != "cpu" {
		return 0, errFormat
	}
	var ticks int64
	for i, field := range fields[1 : hostFields+1] {
		if i == hostIdle || i == hostWait {
			continue
		}
		n, err := strconv.ParseInt(string(field), 10, 64)
		if err != nil {
			return 0, err
		}
		ticks += n
	}
	return time.Duration(ticks) * tick, nil
}
