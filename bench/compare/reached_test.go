package compare

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"fairlead/bench/drive"
	"fairlead/bench/scenario"
)

// judged is the report of figures_test.go, with another scenario that has fairlead alone, in the first round, judged by text.
func judged(t *testing.T, text string) *Report {
	t.Helper()
	g, err := ParseGoals("x.yaml", []byte("goals:\n  - "+text))
	if err != nil {
		t.Fatal(err)
	}
	r := report()
	r.Scenarios = append(r.Scenarios, scenario.Scenario{Name: "many"})
	many := trial("fairlead", 0, 8, 22)
	many.Scenario = "many"
	r.Trials = append(r.Trials, many)
	for _, goal := range g.Goals {
		r.Goals = append(r.Goals, Reached{Goal: goal})
	}
	return r
}

func TestVerdicts(t *testing.T) {
	tests := []struct {
		name    string
		goal    string
		change  func(*Trial)
		verdict Verdict
		value   string
		spread  string
	}{
		{name: "reached", goal: "{name: a, scenario: echo, metric: p99_ms, at_most: 3}", verdict: Pass, value: "3.00", spread: "2.00 to 4.00"},
		{name: "not reached", goal: "{name: a, scenario: echo, metric: p99_ms, at_most: 2.9}", verdict: Fail, value: "3.00", spread: "2.00 to 4.00"},
		{name: "worst", goal: "{name: a, scenario: echo, metric: p99_ms, at_most: 3, worst: true}", verdict: Fail, value: "4.00", spread: "2.00 to 4.00"},
		{name: "more is better", goal: "{name: a, scenario: echo, metric: rate, at_least: 100}", verdict: Pass, value: "100", spread: "100 to 100"},
		{name: "worst of more", goal: "{name: a, scenario: echo, metric: rate, at_least: 101, worst: true}", verdict: Fail, value: "100", spread: "100 to 100"},
		{name: "best peer", goal: "{name: a, scenario: echo, metric: cpu_us, of: best peer, at_most: 0.67}", verdict: Pass, value: "0.67", spread: "0.67 to 0.67"},
		{name: "best other peer", goal: "{name: a, scenario: echo, metric: cpu_us, edge: nginx, of: best peer, at_most: 0.7}", verdict: Fail, value: "0.75", spread: "0.75 to 0.75"},
		{name: "an edge", goal: "{name: a, scenario: echo, metric: cpu_us, of: haproxy, at_most: 0.5}", verdict: Pass, value: "0.50", spread: "0.50 to 0.50"},
		{name: "direct", goal: "{name: a, scenario: echo, metric: p99_ms, of: direct, at_most: 1.5}", verdict: Fail, value: "2.00", spread: "2.00 to 2.00"},
		{name: "another scenario", goal: "{name: a, scenario: many, metric: cpu_us, of_scenario: echo, at_most: 1.2}", verdict: Pass, value: "1.10"},
		{name: "growth", goal: "{name: a, scenario: many, metric: p99_ms, of_scenario: echo, at_most: 1.2}", verdict: Fail, value: "2.00"},
		{name: "no such scenario", goal: "{name: a, scenario: chat, metric: cpu_us, at_most: 1}", verdict: NotMeasured, value: "-"},
		{name: "no such other scenario", goal: "{name: a, scenario: echo, metric: cpu_us, of_scenario: chat, at_most: 1}", verdict: NotMeasured, value: "-"},
		{name: "edge not there", goal: "{name: a, scenario: echo, metric: cpu_us, edge: envoy, at_most: 1}", verdict: NotMeasured, value: "-"},
		{name: "other edge not there", goal: "{name: a, scenario: echo, metric: cpu_us, of: envoy, at_most: 1}", verdict: NotMeasured, value: "-"},
		{name: "no peer", goal: "{name: a, scenario: many, metric: cpu_us, of: best peer, at_most: 1}", verdict: NotMeasured, value: "-"},
		{
			name: "all failed", goal: "{name: a, scenario: echo, metric: cpu_us, at_most: 100}", verdict: NotMeasured, value: "-",
			change: func(t *Trial) { t.Result.Failed = 1 },
		},
		{
			name: "failed under reload", goal: "{name: a, scenario: reload, metric: p99_ms, at_most: 100}", verdict: NotMeasured, value: "-",
			change: func(t *Trial) { t.Scenario, t.Result.Failed = Reload, 1 },
		},
		{
			name: "lost under reload", goal: "{name: a, scenario: reload, metric: lost, at_most: 0}", verdict: Fail, value: "7", spread: "7 to 7",
			change: func(t *Trial) {
				t.Scenario, t.Result.Failed = Reload, 7
				t.Result.Failures = map[drive.Failure]drive.Failures{drive.FailBroken: {Count: 7}}
			},
		},
		{
			name: "one round failed", goal: "{name: a, scenario: echo, metric: p99_ms, at_most: 3}", verdict: Pass, value: "2.50 in 2 of 3 rounds", spread: "2.00 to 3.00",
			change: func(t *Trial) {
				if t.Round == 0 {
					t.Error = "gone"
				}
			},
		},
		{
			name: "worst of rounds of which one failed", goal: "{name: a, scenario: echo, metric: p99_ms, at_most: 3, worst: true}", verdict: NotMeasured,
			value: "3.00 in 2 of 3 rounds", spread: "2.00 to 3.00",
			change: func(t *Trial) {
				if t.Round == 0 {
					t.Error = "gone"
				}
			},
		},
		{
			name: "did not keep up", goal: "{name: a, scenario: echo, metric: p99_ms, at_most: 3}", verdict: NotMeasured, value: "-",
			change: func(t *Trial) {
				t.Result.Groups[0].Loop, t.Result.Groups[0].Offered, t.Result.Groups[0].Came = "open", 1000, 500
			},
		},
		{
			name: "a peer that did not keep up", goal: "{name: a, scenario: echo, metric: p99_ms, of: best peer, at_most: 3}", verdict: Pass, value: "0.25", spread: "0.25 to 0.25",
			change: func(t *Trial) {
				if t.Edge == "haproxy" {
					t.Result.Groups[0].Loop, t.Result.Groups[0].Offered, t.Result.Groups[0].Came = "open", 1000, 500
				}
			},
		},
		{
			name: "peers failed", goal: "{name: a, scenario: echo, metric: cpu_us, of: haproxy, at_most: 100}", verdict: NotMeasured, value: "-",
			change: func(t *Trial) {
				if t.Edge == "haproxy" {
					t.Error = "gone"
				}
			},
		},
		{
			name: "saturated", goal: "{name: a, scenario: echo, metric: cpu_us, of: haproxy, at_most: 0.5}", verdict: Pass, value: "~0.50", spread: "0.50 to 0.50",
			change: func(t *Trial) {
				if t.Edge == "haproxy" && t.Round == 1 {
					t.Result.Generator.Saturated = []string{"busy"}
				}
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := judged(t, tt.goal)
			for i := range r.Trials {
				if tt.change != nil {
					tt.change(&r.Trials[i])
				}
			}
			r.Complete()
			g := r.Goals[0]
			if g.Verdict != tt.verdict || g.Value() != tt.value || g.Spread() != tt.spread {
				t.Errorf("%s, %s (%s), want %s, %s (%s)", g.Verdict, g.Value(), g.Spread(), tt.verdict, tt.value, tt.spread)
			}
			roundTrip(t, *r)
		})
	}
}

// TestGoalsAreShown in the text and in the page, with what they are about.
func TestGoalsAreShown(t *testing.T) {
	r := judged(t, "{name: fast, about: <i>why</i>, scenario: echo, metric: cpu_us, of: best peer, at_most: 0.5}")
	r.Complete()
	var text, page, document bytes.Buffer
	if err := r.WriteMarkdown(&document); err != nil {
		t.Fatal(err)
	}
	const row = "| fast | fairlead | echo | 0.67 (0.67 to 0.67) CPU µs of that of the best peer | at most 0.50 | FAIL |\n"
	if !strings.Contains(document.String(), row) || !strings.Contains(document.String(), "\n- fast: <i>why</i>\n") {
		t.Errorf("the goal is not in\n%s", document.String())
	}
	if err := r.Write(&text); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"to be reached", "0.67", "(0.67 to 0.67)", "CPU µs", "of that of the best peer", "at most 0.50", "FAIL\n", "fast: <i>why</i>"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("%q is not in\n%s", want, text.String())
		}
	}
	if err := r.WritePage(&page); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`id="goals"`, "of that of the best peer", `<td class="bad">FAIL</td>`, "fast: &lt;i&gt;why"} {
		if !strings.Contains(page.String(), want) {
			t.Errorf("%q is not in the page", want)
		}
	}
}

// TestSaturatedCellsAreMarked, with a line that says what the mark means, and no others.
func TestSaturatedCellsAreMarked(t *testing.T) {
	r := report()
	var text, page bytes.Buffer
	if err := r.Write(&text); err != nil || strings.Contains(text.String(), "~") {
		t.Errorf("%v: a mark without a reason\n%s", err, text.String())
	}
	for i := range r.Trials {
		if r.Trials[i].Edge == "nginx" && r.Trials[i].Round == 2 {
			r.Trials[i].Result.Generator.Saturated = []string{"it used 99% of its cores"}
		}
	}
	r.Complete()
	text.Reset()
	if err := r.Write(&text); err != nil || !strings.Contains(text.String(), "~12.00 (8.00-16.00) ×") || !strings.Contains(text.String(), "~: in some of its rounds") ||
		strings.Contains(text.String(), "~3.00") {
		t.Errorf("%v\n%s", err, text.String())
	}
	if err := r.WritePage(&page); err != nil || !strings.Contains(page.String(), "<td>~12.00") || !strings.Contains(page.String(), "~: in some of its rounds") {
		t.Errorf("%v: no mark in the page", err)
	}
}

// TestFailing has a line for each edge and scenario, at the end of the text and at the beginning of the page.
func TestFailing(t *testing.T) {
	r := report()
	for i := range r.Trials {
		if r.Trials[i].Edge != "nginx" {
			continue
		}
		switch r.Trials[i].Round {
		case 0:
			r.Trials[i].Error = "nginx: has ended by itself; its last output:\nlots"
		default:
			r.Trials[i].Result.Failed = 250
			r.Trials[i].Result.Failures = map[drive.Failure]drive.Failures{drive.FailBroken: {Count: 240, Examples: []string{"x"}}, drive.FailConnect: {Count: 10, Examples: []string{"y"}}}
		}
	}
	r.Complete()
	const want = "FAILED: nginx under echo (3 of 3 trials): 20 connect, 480 tunnel_lost, nginx: has ended by itself"
	var text, page bytes.Buffer
	if err := r.Write(&text); err != nil || !strings.HasSuffix(text.String(), want+"\n") {
		t.Errorf("%v\n%s", err, text.String())
	}
	if err := r.WritePage(&page); err != nil || !strings.Contains(page.String(), `<p class="bad">`+want) {
		t.Errorf("%v: it is not in the page", err)
	}
}

// TestOtherCryptography is told: costs of edges that do other work do not compare.
func TestOtherCryptography(t *testing.T) {
	r := report()
	for i := range r.Trials {
		suite := "TLS_AES_128_GCM_SHA256"
		if r.Trials[i].Edge == "nginx" {
			suite = "TLS_AES_256_GCM_SHA384"
		}
		r.Trials[i].Result.Handshakes = map[string]int{"TLS 1.3, " + suite + ", X25519, full": 3, "TLS 1.3, " + suite + ", X25519, resumed": 1}
	}
	const want = "TLS 1.3, TLS_AES_128_GCM_SHA256, X25519 (fairlead, haproxy, direct); TLS 1.3, TLS_AES_256_GCM_SHA384, X25519 (nginx)"
	if remarks := r.Remarks("echo"); len(remarks) != 1 || !strings.HasSuffix(remarks[0].Text, want) {
		t.Errorf("got %v", remarks)
	}
	for i := range r.Trials {
		r.Trials[i].Result.Handshakes = map[string]int{"TLS 1.3, TLS_AES_128_GCM_SHA256, X25519, full": 3}
	}
	if remarks := r.Remarks("echo"); len(remarks) != 0 {
		t.Errorf("got %v", remarks)
	}
}

// TestKeepingUp: what came later than the measured time is in no figure of processor time, and is told.
func TestKeepingUp(t *testing.T) {
	r := report()
	for i := range r.Trials {
		g := &r.Trials[i].Result.Groups[0]
		if r.Trials[i].Edge == "nginx" {
			g.Loop, g.Offered, g.Came = "open", 1000, 500
		}
	}
	r.Complete()
	if f, _ := r.Figure("echo", CPU, "nginx"); f.Median != 60 {
		t.Errorf("%v µs for each of half as many answers", f.Median)
	}
	said := 0
	for _, remark := range r.Remarks("echo") {
		if strings.Contains(remark.Text, "echo: it did not keep up: 500 of 1000") && !remark.Bad {
			said++
		}
	}
	if said != 3 {
		t.Errorf("got %v", r.Remarks("echo"))
	}
	if text, err := json.Marshal(r); err != nil || !bytes.Contains(text, []byte(`"came":500`)) {
		t.Error(err)
	}
}
