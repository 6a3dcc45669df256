package bench

import (
	"embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"text/template"
)

//go:embed testdata/nginx.conf testdata/haproxy.cfg testdata/fairlead.yaml
var templates embed.FS

// configFile stands for the name of the configuration in the arguments of an edge.
const configFile = "CONFIG"

// Edge describes a program that is measured.
type Edge struct {
	// Name stands in the report.
	Name string
	// Program is its file, Args how it is run in the foreground with CONFIG as its configuration.
	Program string
	Args    []string
	// Template is its configuration, a file in testdata.
	Template string
	// Affinity keeps a client address with its backend, where the template knows how.
	Affinity bool
	// Peer says that it is somebody else's: the cheapest peer of a round is what costs are compared to.
	Peer bool
	// Only are the workloads that it is measured with; empty: all.
	Only []Workload
	// Version are the arguments that make it print its version.
	Version []string
}

// Fairlead are the edges that program, fairlead's binary, is measured as.
func Fairlead(program string) []Edge {
	plain := Edge{
		Name: "fairlead", Program: program, Args: []string{"run", "-c", configFile},
		Template: "fairlead.yaml", Version: []string{"version"},
	}
	// Affinity is looked at once a connection; where connections only last, there is no difference to see.
	sticky := plain
	sticky.Name, sticky.Affinity, sticky.Only = "fairlead+affinity", true, []Workload{WorkloadConnect, WorkloadEcho}
	return []Edge{plain, sticky}
}

// Names of peers, and of their programs.
const (
	nginx   = "nginx"
	haproxy = "haproxy"
)

// Peers are the other edges that are installed, and the names of those that are not.
func Peers() (found []Edge, missing []string) {
	all := []Edge{
		{Name: nginx, Args: []string{"-e", "stderr", "-c", configFile}, Template: "nginx.conf", Version: []string{"-v"}},
		{Name: haproxy, Args: []string{"-db", "-f", configFile}, Template: "haproxy.cfg", Version: []string{"-v"}},
	}
	for _, e := range all {
		file, ok := installed(e.Name)
		if !ok {
			missing = append(missing, e.Name)
			continue
		}
		e.Program, e.Peer = file, true
		found = append(found, e)
	}
	return found, missing
}

// installed looks in /usr/sbin too, where Debian puts daemons and users' PATH does not.
func installed(name string) (string, bool) {
	for _, candidate := range []string{name, filepath.Join("/usr/sbin", name)} {
		if file, err := exec.LookPath(candidate); err == nil {
			return file, true
		}
	}
	return "", false
}

// settings are what the templates are filled in with.
type settings struct {
	// Listen and Backend are addresses.
	Listen, Backend string
	// Folder holds cert.pem, key.pem and, both in one, bundle.pem; the edge may write there.
	Folder string
	// Cores is how many workers or threads to run, Descriptors how many descriptors each may have, Tunnels how many may
	// be open in all.
	Cores, Descriptors, Tunnels int
	// Affinity is the edge's.
	Affinity bool
	// TLS says whether clients use it, Bulk that few tunnels carry much.
	TLS, Bulk bool
}

// Connections is how many nginx counts if one worker gets all: both sides of every tunnel.
func (s settings) Connections() int { return 2 * s.Tunnels }

// spareDescriptors is how many descriptors an edge may need for other things than tunnels, its pipes for splice(2) and
// what it keeps back among them.
const spareDescriptors = 1024

// spareTunnels is how many connections beyond those of a workload may be open, such as ones that are being closed.
const spareTunnels = 256

// writeConfig makes the configuration of e in the folder of s and returns its file.
func (e Edge) writeConfig(s settings) (string, error) {
	t, err := template.ParseFS(templates, "testdata/"+e.Template)
	if err != nil {
		return "", fmt.Errorf("read the template of %s: %w", e.Name, err)
	}
	var text strings.Builder
	if err := t.Execute(&text, s); err != nil {
		return "", fmt.Errorf("fill in the template of %s: %w", e.Name, err)
	}
	file := filepath.Join(s.Folder, e.Name+"-"+e.Template)
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		return "", fmt.Errorf("write the configuration of %s: %w", e.Name, err)
	}
	return file, nil
}

// command runs e with the configuration in file.
func (e Edge) command(file string) *exec.Cmd {
	args := make([]string, len(e.Args))
	for i, arg := range e.Args {
		args[i] = strings.ReplaceAll(arg, configFile, file)
	}
	return exec.Command(e.Program, args...) //nolint:gosec // The programs that are measured.
}

// version is the first line that e says about itself.
func (e Edge) version() (string, error) {
	output, err := exec.Command(e.Program, e.Version...).CombinedOutput() //nolint:gosec // See command.
	if err != nil {
		return "", fmt.Errorf("ask %s for its version: %w: %s", e.Name, err, output)
	}
	line, _, _ := strings.Cut(strings.TrimSpace(string(output)), "\n")
	return line, nil
}
