package bench

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"fairlead/bench/backend"
)

// programFile names the fairlead that is measured; unset, it is built from this checkout.
const programFile = "FAIRLEAD_BINARY"

var (
	rounds       = flag.Int("rounds", DefaultPlan().Rounds, "how often BenchmarkEdge measures each edge")
	memoryRounds = flag.Int("memory-rounds", DefaultPlan().MemoryRounds, "in how many of the rounds BenchmarkEdge measures memory")
	only         = flag.String("edges", "", "the edges that BenchmarkEdge measures, separated by commas (default: all installed)")
	chosen       = flag.String("workloads", "", fmt.Sprintf("what BenchmarkEdge measures, separated by commas (default: all of %v)", Workloads))
)

func TestMain(m *testing.M) {
	if os.Getenv(backend.ChildVariable) == "" {
		goleak.VerifyTestMain(m)
		return
	}
	if err := backend.RunChild(os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "backend:", err)
		os.Exit(1)
	}
}

// fairlead finds or builds the program.
func fairlead(t testing.TB) string {
	t.Helper()
	if file := os.Getenv(programFile); file != "" {
		return file
	}
	file := filepath.Join(t.TempDir(), "fairlead")
	if output, err := exec.Command("go", "build", "-o", file, "fairlead/cmd/fairlead").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, output)
	}
	return file
}

// plan is the default with this program as the backend.
func plan(t testing.TB) Plan {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := DefaultPlan()
	p.Backend = []string{self}
	return p
}

// TestEdgeSmoke proves that the harness works, not that anything is fast.
func TestEdgeSmoke(t *testing.T) {
	p := plan(t)
	p.Edges = Fairlead(fairlead(t))
	p.Rounds, p.Warmups = 1, 4
	p.Connect = Connect{Connections: 50, Concurrency: 4}
	p.Echo = Echo{Tunnels: 8, Duration: 200 * time.Millisecond}
	p.Paced = Paced{Tunnels: 10, Rate: 500, Duration: 200 * time.Millisecond}
	p.Latency = Latency{Paced: Paced{Tunnels: 8, Duration: 200 * time.Millisecond}, Share: 0.01}
	p.Down = Down{Tunnels: 2, Bytes: 1 << 20}
	p.DownPlain = p.Down
	p.Idle = Idle{Tunnels: 20, Settle: 10 * time.Millisecond}
	p.Scale = Scale{Few: 2, Some: 5, Many: 10, Rate: 500, Duration: 100 * time.Millisecond, Settle: 10 * time.Millisecond}
	report, err := Run(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	want := 0
	for _, w := range Workloads {
		want += len(p.edges(w))
	}
	if got := len(report.Samples); got != want {
		t.Errorf("%d samples, want %d", got, want)
	}
	for _, s := range report.Samples {
		if s.Count == 0 {
			t.Errorf("nothing was counted: %s", s)
		}
	}
	if err := report.Write(t.Output()); err != nil {
		t.Error(err)
	}
}

// BenchmarkEdge measures all edges in alternating rounds, prints a table, and gives the medians in the form that
// benchstat reads. One iteration is one run; it takes minutes, so it is asked for by name.
func BenchmarkEdge(b *testing.B) {
	if !strings.Contains(flag.Lookup("test.bench").Value.String(), "Edge") {
		b.Skip("run it with -bench Edge -benchtime 1x -timeout 40m")
	}
	ctx, release := signal.NotifyContext(b.Context(), os.Interrupt, syscall.SIGTERM)
	defer release()
	p := plan(b)
	p.Rounds, p.MemoryRounds, p.Progress = *rounds, *memoryRounds, os.Stdout
	p.Edges = edges(b)
	var err error
	if p.Workloads, err = ParseWorkloads(*chosen); err != nil {
		b.Fatal(err)
	}
	fmt.Fprintf(os.Stdout, "this takes about %s\n", p.Estimate().Round(10*time.Second))
	report, err := Run(ctx, p)
	if err != nil {
		b.Fatal(err)
	}
	if err := report.Write(os.Stdout); err != nil {
		b.Fatal(err)
	}
	for _, w := range p.workloads() {
		for _, e := range p.edges(w) {
			b.Run(fmt.Sprintf("workload=%s/edge=%s", w, e.Name), func(b *testing.B) {
				b.ReportMetric(0, "ns/op") // Leaves it out: an iteration means nothing here.
				b.ReportMetric(report.Over(w, e.Name, Sample.Cost).Median, w.kind().metric)
				if ratio := report.Ratio(w, e.Name); ratio.N > 0 {
					b.ReportMetric(ratio.Median, "ratio")
				}
			})
		}
	}
}

// edges are those that were asked for and are installed.
func edges(b *testing.B) []Edge {
	b.Helper()
	peers, missing := Peers()
	for _, name := range missing {
		fmt.Fprintf(os.Stdout, "%s is not installed, so it is not measured; on Debian: apt-get install %s\n", name, name)
	}
	wanted := func(name string) bool { return *only == "" || slices.Contains(strings.Split(*only, ","), name) }
	var all []Edge
	if *only == "" || strings.Contains(*only, "fairlead") {
		all = Fairlead(fairlead(b))
	}
	return slices.DeleteFunc(append(all, peers...), func(e Edge) bool { return !wanted(e.Name) })
}
