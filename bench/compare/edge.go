package compare

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// Direct is the name of what is no edge: clients speak to the backend itself.
const Direct = "direct"

// Names of the edges that are known here.
const (
	fairleadName = "fairlead"
	haproxyName  = "haproxy"
	nginxName    = "nginx"
	streamName   = "nginx-stream"
	caddyName    = "caddy"
	envoyName    = "envoy"
)

// versionTimeout is how long a program may take to tell its version.
const versionTimeout = 10 * time.Second

// Edge describes a program that is compared. In its commands stand {program}, {config} for the file of its configuration, {listen} for its
// address, {host} and {port} for the parts of that, {backends} for the addresses of the backends with commas between them, {backend} for the
// first, {cert} and {key} for PEM files, {folder} for where it may write, {cores} for how many cores there are, and {pid} for its process.
type Edge struct {
	Name string
	// Program is its file; empty: the command names it.
	Program string
	// Command runs it in the foreground and Reload makes it read its configuration again (empty: it cannot). Both are for sh.
	Command, Reload string
	// Version makes it print its version, as arguments; none: it is not asked.
	Version []string
	// Template is the text of its configuration.
	Template string
	// Peer says that it is somebody else's: ratios are to the best of those.
	Peer bool
	// Sticky says that clients come back to their backend; otherwise that is not demanded of it.
	Sticky bool
	// StreamModule is the file of nginx's module for TCP, where it is one.
	StreamModule string
}

// Missing is an edge that is known and not here.
type Missing struct {
	Name string `json:"name"`
	// How says how to get it.
	How string `json:"how"`
}

// known are the edges with configurations in configs, in the order of reports.
func known() []Edge {
	nginx := Edge{
		Name: nginxName, Command: "{program} -e stderr -c {config}", Reload: "{program} -e stderr -c {config} -s reload",
		Version: []string{"-v"}, Template: text("nginx.conf"), Peer: true, Sticky: true,
	}
	stream := nginx
	stream.Name, stream.Template, stream.Sticky = streamName, text("nginx-stream.conf"), false
	return []Edge{
		{
			Name: fairleadName, Command: "{program} run -c {config}", Reload: "{program} reload -c {config}",
			Version: []string{"version"}, Template: text("fairlead.yaml"), Sticky: true,
		},
		{
			// The master stays and starts a new worker; the old one goes on with its tunnels (management.txt, "Stopping and restarting").
			Name: haproxyName, Command: "{program} -W -db -f {config}", Reload: "kill -USR2 {pid}",
			Version: []string{"-v"}, Template: text("haproxy.cfg"), Peer: true, Sticky: true,
		},
		nginx,
		stream,
		{
			Name: caddyName, Command: "{program} run --adapter caddyfile --config {config}",
			Reload:  "{program} reload --adapter caddyfile --config {config} --address unix/{folder}/caddy.sock",
			Version: []string{"version"}, Template: text("Caddyfile"), Peer: true, Sticky: true,
		},
		{
			Name: envoyName, Command: "{program} --concurrency {cores} --log-level error --disable-hot-restart -c {config}",
			Version: []string{"--version"}, Template: text("envoy.yaml"), Peer: true, Sticky: true,
		},
	}
}

// Names are those of all edges that are known, and Direct.
func Names() []string {
	names := []string{Direct}
	for _, e := range known() {
		names = append(names, e.Name)
	}
	return names
}

var errNoEdge = errors.New("no such edge")

// Known is the edge of a name, whether or not it is installed.
func Known(name string) (Edge, error) {
	if name == Direct {
		return Edge{Name: Direct}, nil
	}
	for _, e := range known() {
		if e.Name == name {
			return e, nil
		}
	}
	return Edge{}, fmt.Errorf("%w: %q; known are %s", errNoEdge, name, strings.Join(Names(), ", "))
}

// Installed are the edges that are here, and those that are not. fairlead is the file of that program; empty: it is looked for like others.
func Installed(fairlead string) (found []Edge, missing []Missing) {
	found = append(found, Edge{Name: Direct})
	for _, e := range known() {
		ok := true
		switch {
		case e.Name == fairleadName && fairlead != "":
			e.Program = fairlead
		case e.Name == streamName:
			if e.Program, ok = installed(nginxName); ok {
				e.StreamModule, ok = streamModule(e.Program)
			}
		default:
			e.Program, ok = installed(e.Name)
		}
		if ok {
			found = append(found, e)
			continue
		}
		missing = append(missing, Missing{Name: e.Name, How: how(e.Name)})
	}
	return found, missing
}

// how says how to get an edge.
func how(name string) string {
	switch name {
	case fairleadName:
		return "make build, or --fairlead FILE"
	case streamName:
		return "on Debian: apt-get install nginx libnginx-mod-stream"
	case envoyName:
		return "not in Debian: https://www.envoyproxy.io/docs/envoy/latest/start/install"
	default:
		return "on Debian: apt-get install " + name
	}
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

var modulesPath = regexp.MustCompile(`--modules-path=(\S+)`)

// streamModule says whether this nginx can carry TCP: built in, or as a module, whose file it gives.
func streamModule(program string) (file string, ok bool) {
	output, err := output(program, "-V")
	if err != nil || !strings.Contains(output, "--with-stream") {
		return "", false
	}
	if !strings.Contains(output, "--with-stream=dynamic") {
		return "", true
	}
	// Debian builds with one path and installs to another, which is a link from the first.
	for _, folder := range append(modulesPath.FindStringSubmatch(output), "/usr/lib/nginx/modules") {
		found, err := filepath.Glob(filepath.Join(folder, "ngx_stream_module.so"))
		if err == nil && len(found) > 0 {
			return found[0], true
		}
	}
	return "", false
}

// version is the first line that e says about itself.
func (e Edge) version() (string, error) {
	if len(e.Version) == 0 || e.Program == "" {
		return "", nil
	}
	text, err := output(e.Program, e.Version...)
	if err != nil {
		return "", fmt.Errorf("ask %s for its version: %w: %s", e.Name, err, text)
	}
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return line, nil
}

func output(program string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), versionTimeout)
	defer cancel()
	text, err := exec.CommandContext(ctx, program, args...).CombinedOutput() //nolint:gosec // The programs that are compared.
	return string(text), err
}
