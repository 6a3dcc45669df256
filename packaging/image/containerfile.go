package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
	"time"
)

// recipe is what a Containerfile says.
type recipe struct {
	copies     []copied
	env        []string
	user       string
	ports      []string
	stopSignal string
	entrypoint []string
	command    []string
	health     *healthcheck
}

// copied is a file of the image.
type copied struct {
	from, to string
	mode     fs.FileMode
}

// healthcheck is the field of that name in Docker's image configuration, which OCI has none of; durations in nanoseconds.
type healthcheck struct {
	Test        []string
	Interval    time.Duration `json:",omitempty"`
	Timeout     time.Duration `json:",omitempty"`
	StartPeriod time.Duration `json:",omitempty"`
	Retries     int           `json:",omitempty"`
}

// parse reads the part of the language that an image from scratch needs. What it does not know is an error: an image that
// differs from what an engine makes of the file would be worse than none. args are those of --build-arg.
func parse(r io.Reader, args map[string]string) (*recipe, error) {
	p := &recipe{}
	values := map[string]string{}
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		word, rest, _ := strings.Cut(line, " ")
		rest = os.Expand(strings.TrimSpace(rest), func(name string) string { return values[name] })
		if word == "ARG" {
			name, value, _ := strings.Cut(rest, "=")
			if given, ok := args[name]; ok {
				value = given
			}
			values[name] = value
			continue
		}
		if err := p.instruction(word, rest); err != nil {
			return nil, fmt.Errorf("line %d: %s: %w", n, word, err)
		}
	}
	return p, lines.Err()
}

// instruction takes in one line.
func (p *recipe) instruction(word, rest string) (err error) {
	switch word {
	case "FROM":
		if rest != "scratch" {
			err = fmt.Errorf("%q: want scratch", rest)
		}
	case "COPY":
		err = p.copy(strings.Fields(rest))
	case "ENV":
		p.env = append(p.env, rest)
	case "USER":
		p.user = rest
	case "EXPOSE":
		p.ports = append(p.ports, rest+"/tcp")
	case "STOPSIGNAL":
		p.stopSignal = rest
	case "ENTRYPOINT":
		err = json.Unmarshal([]byte(rest), &p.entrypoint)
	case "CMD":
		err = json.Unmarshal([]byte(rest), &p.command)
	case "HEALTHCHECK":
		err = p.healthcheck(rest)
	default:
		err = fmt.Errorf("not an instruction that is known here")
	}
	return err
}

// copy reads "--chmod=MODE FROM TO".
func (p *recipe) copy(words []string) error {
	const flag, count = "--chmod=", 3
	if len(words) != count || !strings.HasPrefix(words[0], flag) || !path.IsAbs(words[2]) {
		return fmt.Errorf("%q: want %sMODE FROM /TO", words, flag)
	}
	mode, err := strconv.ParseUint(strings.TrimPrefix(words[0], flag), 8, 12)
	if err != nil {
		return err
	}
	p.copies = append(p.copies, copied{from: words[1], to: path.Clean(words[2]), mode: fs.FileMode(mode)})
	return nil
}

// healthcheck reads "--interval=10s … CMD […]".
func (p *recipe) healthcheck(rest string) error {
	h := &healthcheck{Test: []string{"CMD"}}
	flags, command, ok := strings.Cut(rest, "CMD ")
	var argv []string
	if !ok || json.Unmarshal([]byte(command), &argv) != nil {
		return fmt.Errorf("%q: want CMD [...]", rest)
	}
	h.Test = append(h.Test, argv...)
	for _, f := range strings.Fields(flags) {
		name, value, _ := strings.Cut(f, "=")
		var err error
		switch name {
		case "--interval":
			h.Interval, err = time.ParseDuration(value)
		case "--timeout":
			h.Timeout, err = time.ParseDuration(value)
		case "--start-period":
			h.StartPeriod, err = time.ParseDuration(value)
		case "--retries":
			h.Retries, err = strconv.Atoi(value)
		default:
			err = fmt.Errorf("%s is not known here", name)
		}
		if err != nil {
			return err
		}
	}
	p.health = h
	return nil
}
