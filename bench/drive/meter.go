package drive

import (
	"errors"
	"fmt"
	"runtime"
	"syscall"
	"time"

	"fairlead/bench/load"
	"fairlead/bench/proc"
)

// Bounds beyond which a result says more about the generator than about the target.
const (
	// usedUp is the share of the cores that this program may use.
	usedUp = 0.90
	// lateEnough is how late the 99th percentile of messages may begin, whatever the latencies are; lateShare is the share of
	// the latencies' own 99th percentile that it may be beyond that.
	lateEnough = time.Millisecond
	lateShare  = 0.10
	// offeredShare is the share of what should have been sent that has to be.
	offeredShare = 0.99
	// hostBusy is the share of the machine's cores beyond which all that runs on it waits for each other.
	hostBusy = 0.97
)

// Generator is what is known of this program as a source of load.
type Generator struct {
	// CPU is what it used in the measured time, in milliseconds; Share is that of the cores that it may use; Cores is how many.
	CPU   float64 `json:"cpu_ms"`
	Share float64 `json:"share"`
	Cores int     `json:"cores"`
	// Host is the share of all cores of the machine that somebody used.
	Host float64 `json:"host_share"`
	// Late is how late it began what was due, of open loops.
	Late load.Summary `json:"late"`
	// Saturated says why the result tells of the generator; none: it does not.
	Saturated []string `json:"saturated,omitempty"`
	// Notes say what else to know.
	Notes []string `json:"notes,omitempty"`
}

// Process is one whose use is watched, by its number: all of its tree.
type Process struct {
	Name string
	PID  int
}

// ProcessResult is what it used.
type ProcessResult struct {
	Name string `json:"name"`
	PID  int    `json:"pid"`
	// CPU is what it used in the measured time, in milliseconds.
	CPU float64 `json:"cpu_ms"`
	// Before and After are its proportional set size in bytes, before the first tunnel and at the end of the measured time;
	// PerTunnel is the difference, for each tunnel that was open then.
	Before    int64   `json:"pss_before_bytes"`
	After     int64   `json:"pss_after_bytes"`
	PerTunnel float64 `json:"pss_per_tunnel_bytes"`
	// Error says why there are no figures.
	Error string `json:"error,omitempty"`
}

// Sockets is what the buffers of all TCP sockets of this machine held, whoever they belong to, in bytes: before the first tunnel, at the
// end of the measured time, and the difference for each tunnel that was open then. If the edge and its backend are on this machine too, a tunnel
// has four sockets.
type Sockets struct {
	Before    int64   `json:"before_bytes"`
	After     int64   `json:"after_bytes"`
	PerTunnel float64 `json:"per_tunnel_bytes"`
}

// reading is what had been used at one time.
type reading struct {
	at   time.Time
	own  time.Duration
	host time.Duration
	tree []time.Duration
}

// meter reads at the edges of the measured time.
type meter struct {
	processes []Process
	results   []ProcessResult
	sockets   Sockets
	start     reading
	end       reading
	err       error
}

func newMeter(processes []Process) *meter {
	m := &meter{processes: processes, results: make([]ProcessResult, len(processes))}
	for i, p := range processes {
		m.results[i] = ProcessResult{Name: p.Name, PID: p.PID}
		m.results[i].Before = m.size(i)
	}
	m.sockets.Before = m.buffers()
	return m
}

func (m *meter) buffers() int64 {
	size, err := proc.SocketMemory()
	m.err = errors.Join(m.err, err)
	return size
}

func (m *meter) size(i int) int64 {
	size, err := proc.TreePSS(m.processes[i].PID)
	m.note(i, err)
	return size
}

func (m *meter) note(i int, err error) {
	if err != nil && m.results[i].Error == "" {
		m.results[i].Error = err.Error()
	}
}

func (m *meter) read() reading {
	r := reading{at: time.Now(), tree: make([]time.Duration, len(m.processes))}
	var usage syscall.Rusage
	errOwn := syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	r.own = time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
	var errHost error
	r.host, errHost = proc.HostBusy()
	m.err = errors.Join(m.err, errOwn, errHost)
	for i, p := range m.processes {
		var err error
		r.tree[i], err = proc.TreeCPU(p.PID)
		m.note(i, err)
	}
	return r
}

// finish is called at the end of the measured time, with so many tunnels open.
func (m *meter) finish(open int) {
	m.end = m.read()
	m.sockets.After = m.buffers()
	if open > 0 {
		m.sockets.PerTunnel = float64(m.sockets.After-m.sockets.Before) / float64(open)
	}
	for i := range m.results {
		r := &m.results[i]
		r.CPU = milliseconds(m.end.tree[i] - m.start.tree[i])
		r.After = m.size(i)
		if open > 0 {
			r.PerTunnel = float64(r.After-r.Before) / float64(open)
		}
	}
}

// generator judges this program.
func (m *meter) generator(r *run) Generator {
	wall := m.end.at.Sub(m.start.at).Seconds()
	g := Generator{CPU: milliseconds(m.end.own - m.start.own), Cores: runtime.GOMAXPROCS(0)}
	if wall <= 0 {
		return g
	}
	g.Share = g.CPU / 1e3 / wall / float64(g.Cores)
	g.Host = (m.end.host - m.start.host).Seconds() / wall / float64(runtime.NumCPU())
	late, delays := load.NewLatencies(), load.NewLatencies()
	for _, part := range r.groups {
		late.Merge(part.late)
		delays.Merge(part.latencies())
		g.judgeOffer(part)
	}
	g.Late = late.Summary()
	if g.Share > usedUp {
		g.Saturated = append(g.Saturated, fmt.Sprintf("it used %.0f%% of its cores", 100*g.Share))
	}
	bound := max(milliseconds(lateEnough), lateShare*delays.Summary().P99)
	if g.Late.P99 > bound {
		g.Saturated = append(g.Saturated, fmt.Sprintf("it began one in a hundred messages more than %.1f ms late", g.Late.P99))
	}
	if g.Host > hostBusy {
		g.Notes = append(g.Notes, fmt.Sprintf("the machine was %.0f%% busy: latencies are those of a machine at its end, whoever took it there", 100*g.Host))
	}
	if m.err != nil {
		g.Notes = append(g.Notes, "what this machine used is not known: "+m.err.Error())
	}
	return g
}

// judgeOffer looks at what a group should have sent. It is looked at by time, so that a run that was ended early is judged by
// what it had the time for.
func (g *Generator) judgeOffer(part *group) {
	if part.does.Closed || part.does.Rate == 0 {
		return
	}
	want := part.does.Rate * part.run.lasted().Seconds()
	// One more or less is the rounding of the schedule.
	if got := float64(part.offered.Load()); got < offeredShare*want-1 {
		g.Saturated = append(g.Saturated, fmt.Sprintf("%s: it offered %.0f of %.0f", part.does.Name, got, want))
	}
}
