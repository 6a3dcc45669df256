package main

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"fairlead/bench/drive"
	"fairlead/bench/scenario"
)

// mostSources is how many addresses a network may stand for.
const mostSources = 4096

// loadFlags are those of the command load. What a scenario says too is only taken from here if it is given.
type loadFlags struct {
	target, scenario     string
	ca, serverName       string
	insecure             bool
	sources, processes   []string
	json                 string
	quiet                bool
	connections          int
	rate                 float64
	duration, warmup     time.Duration
	timeout              time.Duration
	sizes                []string
	closed, resume       bool
	tlsVersion, curve    string
	cookie, header       string
	query                string
	identities           int
	openRate             float64
	during               string
	every                time.Duration
	reconnect, reconnMax time.Duration
}

func (f *loadFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.target, "target", "", "`URL` of the edge, ws:// or wss://; a path stands before those of the scenario")
	flags.StringVar(&f.scenario, "scenario", "echo", "`NAME` of a shipped scenario (see the command scenarios), or a file")
	flags.StringVar(&f.ca, "ca", "", "PEM `FILE` of authorities to trust, beside those of the system")
	flags.BoolVar(&f.insecure, "insecure", false, "trust any certificate")
	flags.StringVar(&f.serverName, "server-name", "", "`NAME` for SNI and the certificate, if not the host of the target")
	flags.StringArrayVar(&f.sources, "source", nil, "`ADDRESS` or network to connect from, in turn; each has as many ports as the kernel gives")
	flags.StringArrayVar(&f.processes, "process", nil, "`NAME=PID` of a process on this machine whose CPU and memory are reported; may be given several times")
	flags.StringVar(&f.json, "json", "", "`FILE` to write the result to as JSON; - is the standard output, instead of the text")
	flags.BoolVar(&f.quiet, "quiet", false, "do not say how it goes")
	f.addOverrides(flags)
	// Fails only for a flag that does not exist.
	_ = cmd.MarkFlagRequired("target")
}

func (f *loadFlags) addOverrides(flags *pflag.FlagSet) {
	flags.IntVar(&f.connections, "connections", 0, "connections of all groups together, shared out as in the scenario")
	flags.Float64Var(&f.rate, "rate", 0, "messages or connections a second of all open loops together, shared out as in the scenario")
	flags.DurationVar(&f.duration, "duration", 0, "how long what counts lasts")
	flags.DurationVar(&f.warmup, "warmup", 0, "how long the load goes on before it counts")
	flags.DurationVar(&f.timeout, "timeout", 0, "how long a connect, a handshake or an answer may take")
	flags.StringSliceVar(&f.sizes, "size", nil, "sizes of messages, in turn, as in 128,4KiB")
	flags.BoolVar(&f.closed, "closed", false, "have echo and connect be closed loops: each client begins the next when the last is done")
	flags.BoolVar(&f.resume, "resume", false, "resume TLS sessions")
	flags.StringVar(&f.tlsVersion, "tls", "", "TLS `VERSION` that it must be: 1.2 or 1.3")
	flags.StringVar(&f.curve, "curve", "", "key exchange that it must be: "+strings.Join(scenario.Curves, ", "))
	flags.StringVar(&f.cookie, "cookie", "", "`NAME=VALUE` of a cookie, as in sid=user-{run}-{n}; {n} is the number of the identity, {run} another word in each run")
	flags.StringVar(&f.header, "header", "", "`NAME=VALUE` of a header, as in X-User=user-{n}")
	flags.StringVar(&f.query, "query", "", "`NAME=VALUE` of a query parameter, as in token={n}")
	flags.IntVar(&f.identities, "identities", 0, "how many identities there are, if not one for each connection")
	flags.Float64Var(&f.openRate, "open-rate", 0, "tunnels opened a second at the start; 0 is as many as can be")
	flags.StringVar(&f.during, "during", "", "`COMMAND` for sh to run while the load goes on")
	flags.DurationVar(&f.every, "every", 0, "time between two beginnings of --during; 0 is once, after a quarter of the duration")
	flags.DurationVar(&f.reconnect, "reconnect", 0, "have clients come back when their tunnel breaks, after a random time below this, doubled each time")
	flags.DurationVar(&f.reconnMax, "reconnect-most", 5*time.Second, "up to this")
}

// order is what the flags ask for.
func (f loadFlags) order(given *pflag.FlagSet) (drive.Order, error) {
	s, err := scenario.Load(f.scenario)
	if err != nil {
		return drive.Order{}, err
	}
	if err := f.override(&s, given.Changed); err != nil {
		return drive.Order{}, err
	}
	if err := s.Check(); err != nil {
		return drive.Order{}, fmt.Errorf("scenario %s, as the flags change it: %w", s.Name, err)
	}
	if s.Name == "reload" && s.During == nil {
		return drive.Order{}, errors.New("the scenario reload needs --during COMMAND, as in --during 'fairlead reload' --every 5s")
	}
	o := drive.Order{Scenario: s, Aim: drive.Aim{URL: f.target, CA: f.ca, Insecure: f.insecure, ServerName: f.serverName}}
	if o.Aim.Sources, err = addresses(f.sources); err != nil {
		return o, err
	}
	o.Processes, err = processes(f.processes)
	return o, err
}

// override changes what is given.
func (f loadFlags) override(s *scenario.Scenario, given func(string) bool) error {
	for name, set := range map[string]func(){
		"connections": func() { s.Connections(f.connections) },
		"rate":        func() { s.Rate(f.rate) },
		"duration":    func() { s.Duration = scenario.Span(f.duration) },
		"warmup":      func() { s.Warmup = scenario.Span(f.warmup) },
		"timeout":     func() { s.Timeout = scenario.Span(f.timeout) },
		"closed":      func() { s.Closed(f.closed) },
		"resume":      func() { s.TLS.Resume = f.resume },
		"tls":         func() { s.TLS.Version = f.tlsVersion },
		"curve":       func() { s.TLS.Curve = f.curve },
		"cookie":      func() { s.Identity.Cookie = f.cookie },
		"header":      func() { s.Identity.Header = f.header },
		"query":       func() { s.Identity.Query = f.query },
		"identities":  func() { s.Identity.Count = f.identities },
		"open-rate":   func() { s.Opening.Rate = f.openRate },
		"during":      func() { s.During = &scenario.During{Command: f.during, Every: scenario.Span(f.every)} },
		"reconnect":   func() { s.Reconnect(scenario.Span(f.reconnect), scenario.Span(f.reconnMax)) },
	} {
		if given(name) {
			set()
		}
	}
	if given("every") && !given("during") {
		return errors.New("--every is for --during, which is not given")
	}
	if !given("size") {
		return nil
	}
	sizes := make([]scenario.Size, len(f.sizes))
	for i, text := range f.sizes {
		if err := sizes[i].UnmarshalText([]byte(text)); err != nil {
			return fmt.Errorf("--size: %w", err)
		}
	}
	s.Sizes(sizes)
	return nil
}

// addresses reads single addresses and networks.
func addresses(texts []string) ([]netip.Addr, error) {
	var found []netip.Addr
	for _, text := range texts {
		if address, err := netip.ParseAddr(text); err == nil {
			found = append(found, address)
			continue
		}
		network, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("--source %q is neither an address nor a network, as in 127.0.1.0/28", text)
		}
		for a := network.Masked().Addr(); network.Contains(a) && len(found) <= mostSources; a = a.Next() {
			found = append(found, a)
		}
	}
	if len(found) > mostSources {
		return nil, fmt.Errorf("--source: more than %d addresses", mostSources)
	}
	for _, a := range found {
		if a.Unmap().Is4() != found[0].Unmap().Is4() {
			return nil, errors.New("--source: addresses of one family only")
		}
	}
	return found, nil
}

func processes(texts []string) ([]drive.Process, error) {
	var found []drive.Process
	for _, text := range texts {
		name, number, ok := strings.Cut(text, "=")
		pid, err := strconv.Atoi(number)
		if !ok || err != nil || pid <= 0 {
			return nil, fmt.Errorf("--process %q must be NAME=PID, as in edge=4711", text)
		}
		found = append(found, drive.Process{Name: name, PID: pid})
	}
	return found, nil
}
