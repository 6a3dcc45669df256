package bench

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
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
	p := r.Plan
	fmt.Fprintf(text, "\n%d cores, %d rounds in turn, medians; TLS 1.3, AES-128-GCM, X25519, ECDSA P-256, full handshakes\n",
		r.Cores, p.Rounds)
	for i, e := range p.Edges {
		fmt.Fprintf(text, "%s: %s\n", e.Name, r.Versions[i])
	}
	fmt.Fprintf(text, "\nconnect: %d connections, %d at a time: TCP, TLS, upgrade, one %d-byte echo, Close frames, close\n",
		p.Connect.Connections, p.Connect.Concurrency, p.Payload)
	r.formatWork(text, WorkloadConnect)
	fmt.Fprintf(text, "\necho: %d-byte messages through %d tunnels, each sends when its echo is back, %s\n",
		p.Payload, p.Echo.Tunnels, p.Echo.Duration)
	r.formatWork(text, WorkloadEcho)
	fmt.Fprintf(text, "\nidle: growth of the proportional set size by %d tunnels that were used once, %s later\n",
		p.Idle.Tunnels, p.Idle.Settle)
	r.formatIdle(text)
	fmt.Fprintf(text, "\nratio: cost divided by that of %s in the same round, median (lowest to highest)\n"+
		"edge, backend, load, other: shares of all cores; other is the rest of the machine\n", p.Edges[0].Name)
}

func (r Report) formatWork(text *strings.Builder, w Workload) {
	fmt.Fprintf(text, "edge\t%s\tper CPU second\tratio\t\tper second\tp50 ms\tp99 ms\tedge\tbackend\tload\tother\t\n", units[w])
	for _, e := range r.Plan.Edges {
		median := func(value func(Sample) float64) float64 { return r.Over(w, e.Name, value).Median }
		cost, ratio := median(Sample.Cost), r.Ratio(w, e.Name)
		fmt.Fprintf(text, "%s\t%.2f\t%.0f\t%.2f\t(%.2f to %.2f)\t%.0f\t%.2f\t%.2f\t%.0f%%\t%.0f%%\t%.0f%%\t%.0f%%\t\n",
			e.Name, cost, 1e6/cost, ratio.Median, ratio.Min, ratio.Max, median(Sample.Rate),
			median(func(s Sample) float64 { return milliseconds(s.P50) }),
			median(func(s Sample) float64 { return milliseconds(s.P99) }),
			median(func(s Sample) float64 { return s.Usage.share(s.Usage.Edge) }),
			median(func(s Sample) float64 { return s.Usage.share(s.Usage.Backend) }),
			median(func(s Sample) float64 { return s.Usage.share(s.Usage.Load) }),
			median(func(s Sample) float64 { return s.Usage.share(s.Usage.other()) }))
	}
}

func (r Report) formatIdle(text *strings.Builder) {
	fmt.Fprintf(text, "edge\t%s\tratio\t\t\n", units[WorkloadIdle])
	for _, e := range r.Plan.Edges {
		ratio := r.Ratio(WorkloadIdle, e.Name)
		fmt.Fprintf(text, "%s\t%.0f\t%.2f\t(%.2f to %.2f)\t\n", e.Name,
			r.Over(WorkloadIdle, e.Name, Sample.Cost).Median, ratio.Median, ratio.Min, ratio.Max)
	}
}
