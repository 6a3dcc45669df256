// Package proc starts processes that end with the one that started them, and reads from /proc what process trees
// have used. Linux only.
package proc

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"time"
)

// tick is the unit of processor times in /proc: USER_HZ, 100 a second on every architecture (proc_pid_stat(5)).
const tick = 10 * time.Millisecond

// Fields of /proc/PID/stat, counted from the state, which is the first behind the parenthesised name.
const (
	fieldParent = 1
	fieldUser   = 11
	fieldSystem = 12
)

var errFormat = errors.New("unexpected format")

type stat struct {
	parent int
	cpu    time.Duration
}

func readStat(pid int) (stat, error) {
	file := fmt.Sprintf("/proc/%d/stat", pid)
	text, err := os.ReadFile(file)
	if err != nil {
		return stat{}, err
	}
	s, err := parseStat(text)
	if err != nil {
		return stat{}, fmt.Errorf("%s: %w", file, err)
	}
	return s, nil
}

// parseStat reads a line of /proc/PID/stat. The name may hold spaces and parentheses, so its end is the last one.
func parseStat(text []byte) (stat, error) {
	_, behind, found := bytes.Cut(text[max(0, bytes.LastIndexByte(text, ')')):], []byte(") "))
	fields := bytes.Fields(behind)
	if !found || len(fields) <= fieldSystem {
		return stat{}, errFormat
	}
	parent, errParent := strconv.Atoi(string(fields[fieldParent]))
	user, errUser := strconv.ParseInt(string(fields[fieldUser]), 10, 64)
	system, errSystem := strconv.ParseInt(string(fields[fieldSystem]), 10, 64)
	if err := errors.Join(errParent, errUser, errSystem); err != nil {
		return stat{}, err
	}
	return stat{parent: parent, cpu: time.Duration(user+system) * tick}, nil
}

// CPU is the user and system time of one process, in steps of 10 ms.
func CPU(pid int) (time.Duration, error) {
	s, err := readStat(pid)
	return s.cpu, err
}

// TreeCPU is the user and system time of a process and all its living descendants, in steps of 10 ms each.
func TreeCPU(root int) (time.Duration, error) {
	var sum time.Duration
	err := eachInTree(root, func(pid int) error {
		cpu, err := CPU(pid)
		sum += cpu
		return err
	})
	return sum, err
}

// TreePSS is the proportional set size of a process and all its living descendants, in bytes: what they share is
// counted once (proc_pid_smaps(5)).
func TreePSS(root int) (int64, error) {
	var sum int64
	err := eachInTree(root, func(pid int) error {
		size, err := readPSS(pid)
		sum += size
		return err
	})
	return sum, err
}

// eachInTree calls do for root first, then for its descendants.
func eachInTree(root int, do func(pid int) error) error {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return err
	}
	children := make(map[int][]int)
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		s, err := readStat(pid)
		switch {
		case err == nil:
			children[s.parent] = append(children[s.parent], pid)
		case !Gone(err):
			return err
		}
	}
	for queue := []int{root}; len(queue) > 0; queue = queue[1:] {
		if err := do(queue[0]); err != nil {
			return err
		}
		queue = append(queue, children[queue[0]]...)
	}
	return nil
}

// Gone says that an error means no more than that the process has ended.
func Gone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, errNoProcess)
}
