package bench

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// Write prints tables for people.
func (r Report) Write(w io.Writer) error {
	// tabwriter.Writer wants its errors looked at; a strings.Builder has none.
	var text strings.Builder
	r.format(&text)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	if _, err := io.WriteString(t, text.String()); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}

func (r Report) format(text *strings.Builder) {
	fmt.Fprintf(text, "\n%d cores, %d rounds in turn, medians; TLS 1.3, AES-128-GCM, X25519, ECDSA P-256, full handshakes\n",
		r.Cores, r.Plan.Rounds)
	for i, e := range r.Plan.Edges {
		fmt.Fprintf(text, "%s: %s\n", e.Name, r.Versions[i])
	}
	for _, w := range r.Plan.workloads() {
		fmt.Fprintf(text, "\n%s: %s\n", w, r.Plan.describe(w))
		switch k := w.kind(); {
		case w == WorkloadScale:
			r.formatScale(text)
		case k.memory:
			r.formatIdle(text, w)
		default:
			r.formatWork(text, w)
		}
	}
	fmt.Fprint(text, "\nratio: cost divided by that of the better peer in the same round, median (lowest to highest)\n"+
		"edge, backend, load, other: shares of all cores; other is the rest of the machine\n")
	if n := r.Disturbed(); n > 0 {
		fmt.Fprintf(text, "%d of %d samples were taken while other processes used more than %d%% of the cores: do not trust them\n",
			n, len(r.Samples), noisy)
	}
	r.formatGoals(text)
}

// describe says what w does.
func (p Plan) describe(w Workload) string {
	switch w {
	case WorkloadConnect:
		return fmt.Sprintf("%d connections, %d at a time: TCP, TLS, upgrade, one %d-byte echo, Close frames, close",
			p.Connect.Connections, p.Connect.Concurrency, p.Payload)
	case WorkloadEcho, WorkloadEchoPlain:
		return fmt.Sprintf("%d-byte messages through %d tunnels, each sends when its echo is back, %s",
			p.Payload, p.Echo.Tunnels, p.Echo.Duration)
	case WorkloadEchoPaced:
		return fmt.Sprintf("%.0f %d-byte messages a second through %d tunnels, whether or not echoes are back, %s",
			p.Paced.Rate, p.Payload, p.Paced.Tunnels, p.Paced.Duration)
	case WorkloadLatency:
		what := fmt.Sprintf("%.0f a second", p.Latency.Rate)
		if p.Latency.Rate == 0 {
			what = fmt.Sprintf("%.0f%% of the lowest rate of echo in the same round", 100*p.Latency.Share)
		}
		return fmt.Sprintf("%d-byte messages through %d tunnels at %s, timed from when each was to be sent, %s",
			p.Payload, p.Latency.Tunnels, what, p.Latency.Duration)
	case WorkloadDown:
		return fmt.Sprintf("%d tunnels, %d MiB through each at once", p.Down.Tunnels, p.Down.Bytes>>20)
	case WorkloadDownPlain:
		return fmt.Sprintf("%d tunnels, %d MiB through each at once", p.DownPlain.Tunnels, p.DownPlain.Bytes>>20)
	case WorkloadIdle, WorkloadIdlePlain:
		return fmt.Sprintf("growth of the proportional set size by %d tunnels that were used once, %s later",
			p.Idle.Tunnels, p.Idle.Settle)
	case WorkloadScale:
		return fmt.Sprintf("%.0f messages a second through %d and %d tunnels; memory as in idle by %d and %d",
			p.Scale.Rate, p.Scale.Few, p.Scale.Many, p.Scale.Some, p.Scale.Many)
	}
	return ""
}

func (r Report) formatWork(text *strings.Builder, w Workload) {
	k := w.kind()
	fmt.Fprintf(text, "edge\t%s\tratio\t\tper CPU second\tper second\tp50 ms\tp99 ms\tedge\tbackend\tload\tother\tinvalid\t\n", k.unit)
	for _, e := range r.Plan.edges(w) {
		median := func(value func(Sample) float64) float64 { return r.Over(w, e.Name, value).Median }
		share := func(part func(Usage) time.Duration) string {
			return fmt.Sprintf("%.0f%%", median(func(s Sample) float64 { return s.Usage.share(part(s.Usage)) }))
		}
		fmt.Fprintf(text, "%s\t%.2f\t%s\t%.*f\t%.*f\t%s\t%s\t%s\t%s\t%s\t%s\t%d\t\n",
			e.Name, median(Sample.Cost), ratio(r.Ratio(w, e.Name)),
			k.digits(), median(Sample.perCPU), k.digits(), median(Sample.Rate),
			latency(median(func(s Sample) float64 { return milliseconds(s.P50) })), latency(median(p99)),
			share(Usage.edge), share(Usage.backend), share(Usage.load), share(Usage.other), r.Invalid(w, e.Name))
	}
}

// ratio is two cells.
func ratio(s Spread) string {
	if s.N == 0 {
		return "-\t"
	}
	return fmt.Sprintf("%.2f\t(%.2f to %.2f)", s.Median, s.Min, s.Max)
}

// latency is a cell; a download has none.
func latency(ms float64) string {
	if ms == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f", ms)
}

func (r Report) formatIdle(text *strings.Builder, w Workload) {
	fmt.Fprintf(text, "edge\t%s\tratio\t\tsocket buffers, whole machine\t\n", w.kind().unit)
	for _, e := range r.Plan.edges(w) {
		kernel := r.Over(w, e.Name, func(s Sample) float64 { return float64(s.Kernel) / float64(s.Count) })
		fmt.Fprintf(text, "%s\t%.0f\t%s\t%.0f\t\n",
			e.Name, r.Over(w, e.Name, Sample.Cost).Median, ratio(r.Ratio(w, e.Name)), kernel.Median)
	}
}

func (r Report) formatScale(text *strings.Builder) {
	p := r.Plan.Scale
	fmt.Fprintf(text, "edge\tus CPU/echo, %d\t%d\tratio\t\tbytes/tunnel, %d\t%d\tratio\t\tinvalid\t\n", p.Few, p.Many, p.Some, p.Many)
	for _, e := range r.Plan.edges(WorkloadScale) {
		of := func(value func(Growth) float64) Spread {
			return r.Over(WorkloadScale, e.Name, func(s Sample) float64 { return value(s.Growth) })
		}
		fmt.Fprintf(text, "%s\t%.2f\t%.2f\t%s\t%.0f\t%.0f\t%s\t%d\t\n", e.Name,
			of(func(g Growth) float64 { return g.EchoFew }).Median, of(func(g Growth) float64 { return g.EchoMany }).Median,
			ratio(r.Over(WorkloadScale, e.Name, Sample.Cost)),
			of(func(g Growth) float64 { return g.MemorySome }).Median, of(func(g Growth) float64 { return g.MemoryMany }).Median,
			ratio(of(Growth.memory)), r.Invalid(WorkloadScale, e.Name))
	}
}

func (r Report) formatGoals(text *strings.Builder) {
	measured := r.Plan.workloads()
	fmt.Fprintf(text, "\ngoals of %s\ngoal\tworkload\tmeasured\t\t\treach\t\t\n", r.Plan.Edges[0].Name)
	for _, g := range goals {
		if !slices.Contains(measured, g.workload) {
			continue
		}
		found := g.figure(r, g)
		fmt.Fprintf(text, "%s\t%s\t%s\t%s\t%.*f\t%s\t\n",
			g.work, g.workload, g.measured(found), g.to, g.digits(), g.reach, g.verdict(found))
	}
}
