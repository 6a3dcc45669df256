package peek_test

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"fairlead/lb/peek"
)

// nodeReading is how Node's parser reads a head. Bytes are in base64: Node has them as Latin-1 text.
type nodeReading struct {
	Method  string   `json:"method"`
	URL     []byte   `json:"url"`
	Version string   `json:"version"`
	Headers [][]byte `json:"headers"` // names and values in turn
	Upgrade bool     `json:"upgrade"`
	Error   string   `json:"error"`
}

// readByNode gives each head to Node's HTTP parser.
func readByNode(t *testing.T, heads []sample) []nodeReading {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("node is needed to compare with llhttp: %v", err)
		}
		t.Skipf("node is needed to compare with llhttp: %v", err)
	}
	var in strings.Builder
	for _, s := range heads {
		in.WriteString(base64.StdEncoding.EncodeToString([]byte(s.head)) + "\n")
	}
	cmd := exec.CommandContext(t.Context(), node, filepath.Join("testdata", "llhttp.js"))
	var complaints bytes.Buffer
	cmd.Stdin, cmd.Stderr = strings.NewReader(in.String()), &complaints
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("run node: %v\n%s", err, complaints.Bytes())
	}
	var readings []nodeReading
	lines := bufio.NewScanner(bytes.NewReader(out))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var r nodeReading
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Fatalf("answer of node: %v in %q", err, lines.Bytes())
		}
		readings = append(readings, r)
	}
	if err := lines.Err(); err != nil || len(readings) != len(heads) {
		t.Fatalf("%d readings of %d heads, error %v", len(readings), len(heads), err)
	}
	return readings
}

// TestLlhttpAgrees gives every head that is accepted to Node: it must be read in the same way. Node may refuse those
// whose method it does not know, and nothing else.
func TestLlhttpAgrees(t *testing.T) {
	var heads []sample
	for _, s := range slices.Concat(accepted(), mutants(), assembled(5_000), fuzzSeeds(t, "FuzzHead")) {
		var h peek.Head
		if done, err := h.Parse([]byte(s.head)); done && err == nil {
			heads = append(heads, s)
		}
	}
	if len(heads) < 4_000 {
		t.Fatalf("only %d heads to compare", len(heads))
	}
	unknown := 0
	for i, r := range readByNode(t, heads) {
		var h peek.Head
		if done, err := h.Parse([]byte(heads[i].head)); !done || err != nil {
			t.Fatalf("%s: second parse: done %v, error %v", heads[i].name, done, err)
		}
		if r.Error != "" && !knownToNode[string(h.Method())] {
			unknown++
			continue
		}
		if diff := compareNode(&h, r); diff != "" {
			t.Errorf("%s: %s in %q", heads[i].name, diff, heads[i].head)
		}
	}
	t.Logf("%d heads, of them %d with a method that Node refuses", len(heads), unknown)
}

// knownToNode has the methods of the corpus that any version of Node takes.
var knownToNode = map[string]bool{
	"GET": true, "HEAD": true, "POST": true, "PUT": true, "DELETE": true, "OPTIONS": true, "TRACE": true, "PATCH": true, "PROPFIND": true,
	"M-SEARCH": true,
}

func compareNode(h *peek.Head, r nodeReading) string {
	if r.Error != "" {
		return "llhttp refuses with " + r.Error
	}
	if r.Method != string(h.Method()) || string(r.URL) != string(h.Target()) || r.Version != "1."+strconv.Itoa(h.Minor()) {
		return "llhttp reads " + strconv.Quote(r.Method+" "+string(r.URL)+" "+r.Version)
	}
	if len(r.Headers) != 2*h.NumHeaders() {
		return "llhttp reads " + strconv.Itoa(len(r.Headers)/2) + " headers"
	}
	proxy := false
	for i := range h.NumHeaders() {
		name, value := h.Header(i)
		if !bytes.Equal(name, r.Headers[2*i]) || !bytes.Equal(value, r.Headers[2*i+1]) {
			return "llhttp reads " + strconv.Quote(string(r.Headers[2*i])+": "+string(r.Headers[2*i+1]))
		}
		proxy = proxy || bytes.EqualFold(name, []byte("Proxy-Connection"))
	}
	// llhttp takes Proxy-Connection for Connection.
	if upgrade := h.Upgrade() && h.ConnectionHas("upgrade"); upgrade != r.Upgrade && !proxy {
		return "an upgrade: " + strconv.FormatBool(upgrade) + ", llhttp says " + strconv.FormatBool(r.Upgrade)
	}
	return ""
}

// stricterThanNode lists the reasons for which heads are refused here that Node accepts, and what would go wrong.
var stricterThanNode = map[string]string{
	"invalid byte in the request target":                         "a fragment is a part of the path to net/http",
	"the request target is neither a path nor an http URL":       "net/http and nginx want an authority, and a path before the query",
	"the request target * is for OPTIONS only":                   "it has no path to route by",
	"invalid percent-encoding in the path":                       "net/http and nginx refuse it",
	"encoded NUL in the path":                                    "nginx refuses it",
	"the path climbs above the root":                             "nginx refuses it",
	"the request target names another host than the Host header": "net/http and nginx prefer the target, Node the header",
	"more than one Host header":                                  "Node keeps the first, net/http and nginx refuse",
	"invalid Host header":                                        "host and port could be told apart in several ways",
	"invalid Content-Length":                                     "from 2^63 up net/http and nginx refuse it",
	"a Transfer-Encoding other than chunked":                     "Node waits for the end of the connection, or for chunks",
	"Transfer-Encoding in an HTTP/1.0 request":                   "net/http ignores it",
	"a tab in a header that frames or routes the request":        "nginx keeps tabs, llhttp misses what is before them",
	"Trailer announces a field that frames the message":          "net/http refuses it",
}

// TestLlhttpRefused gives every head that is refused to Node: what it accepts must be refused for a known reason.
func TestLlhttpRefused(t *testing.T) {
	all := refused()
	var heads []sample
	for _, r := range all {
		heads = append(heads, sample{r.name, r.head})
	}
	taken := 0
	for i, r := range readByNode(t, heads) {
		if r.Error != "" {
			continue
		}
		taken++
		if stricterThanNode[all[i].reason] == "" {
			t.Errorf("%s: llhttp accepts %q, refused here because: %s", all[i].name, all[i].head, all[i].reason)
		}
	}
	t.Logf("%d heads, of them %d accepted by Node", len(heads), taken)
}

// fuzzSeeds returns the inputs that fuzzing has found.
func fuzzSeeds(t *testing.T, target string) []sample {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", "fuzz", target, "*"))
	if err != nil {
		t.Fatal(err)
	}
	var seeds []sample
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		// The format is a line with its version, then a Go expression a line.
		_, value, _ := strings.Cut(strings.TrimSpace(string(text)), "\n")
		head, err := strconv.Unquote(strings.TrimSuffix(strings.TrimPrefix(value, "[]byte("), ")"))
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		seeds = append(seeds, sample{filepath.Base(file), head})
	}
	return seeds
}
