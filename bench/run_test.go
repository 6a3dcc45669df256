package bench

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestBrokenEdges shows that a run fails, says why, and leaves nothing behind.
func TestBrokenEdges(t *testing.T) {
	folder := t.TempDir()
	t.Setenv("TMPDIR", folder)
	tests := []struct {
		name string
		edge Edge
		want error
		says string
	}{
		{
			name: "ends at once", want: errGone, says: "cannot do that",
			edge: Edge{Program: "/bin/sh", Args: []string{"-c", "echo cannot do that; exit 1"}},
		},
		{name: "is not there", edge: Edge{Program: "/nonexistent/edge"}, want: os.ErrNotExist},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.edge.Name, tt.edge.Template = "broken", "fairlead.yaml"
			l, err := openLab(plan(t).Backend)
			if err != nil {
				t.Fatal(err)
			}
			_, err = l.start(t.Context(), tt.edge, WorkloadEcho, 1)
			if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %v, want %v with %q", err, tt.want, tt.says)
			}
			if err := l.close(); err != nil {
				t.Error(err)
			}
			if left, _ := filepath.Glob(filepath.Join(folder, "fairlead-bench-*")); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

func TestBackendThatSaysNothing(t *testing.T) {
	if _, err := openLab([]string{"/bin/true"}); !errors.Is(err, errNoAddress) {
		t.Errorf("got %v, want errNoAddress", err)
	}
}

func TestNoEdges(t *testing.T) {
	if _, err := Run(t.Context(), plan(t)); !errors.Is(err, errNothing) {
		t.Errorf("got %v, want errNothing", err)
	}
}

func TestTooFewDescriptors(t *testing.T) {
	p := DefaultPlan()
	if err := p.fits(20_000); err != nil {
		t.Errorf("the default plan: %v", err)
	}
	if err := p.fits(10_000); !errors.Is(err, errDescriptors) || !strings.Contains(err.Error(), "idle") {
		t.Errorf("half of that: %v, want errDescriptors by idle", err)
	}
	p.Workloads = []Workload{WorkloadConnect}
	if err := p.fits(10_000); err != nil {
		t.Errorf("connections only: %v", err)
	}
}

// TestConfigurations fills in every template.
func TestConfigurations(t *testing.T) {
	folder := t.TempDir()
	tests := []struct {
		name     string
		edge     Edge
		settings settings
		want     []string
		wantNot  []string
	}{
		{
			name: "nginx", edge: Edge{Name: "nginx", Template: "nginx.conf"}, settings: settings{TLS: true},
			want:    []string{"worker_processes 3;", "worker_connections 1400;", "server 127.0.0.1:2;", "127.0.0.1:1 ssl reuseport", "proxy_buffer_size 4k;"},
			wantNot: []string{"256k"},
		},
		{
			name: "nginx, downloads", edge: Edge{Name: "nginx", Template: "nginx.conf"}, settings: settings{Bulk: true},
			want: []string{"127.0.0.1:1 reuseport", "proxy_buffer_size 256k;"}, wantNot: []string{"ssl_"},
		},
		{
			name: "haproxy", edge: Edge{Name: "haproxy", Template: "haproxy.cfg"}, settings: settings{TLS: true},
			want: []string{"nbthread 3", "maxconn 700", "bind 127.0.0.1:1 ", "ssl crt"}, wantNot: []string{"option splice", "bufsize"},
		},
		{
			name: "haproxy, downloads", edge: Edge{Name: "haproxy", Template: "haproxy.cfg"}, settings: settings{Bulk: true},
			want: []string{"option splice-auto", "pipesize"}, wantNot: []string{" crt ", "bufsize"},
		},
		{
			name: "haproxy, downloads with TLS", edge: Edge{Name: "haproxy", Template: "haproxy.cfg"}, settings: settings{TLS: true, Bulk: true},
			want: []string{" crt ", "bufsize"}, wantNot: []string{"option splice", "pipesize"},
		},
		{
			name: "fairlead", edge: Edge{Name: "fairlead", Template: "fairlead.yaml"}, settings: settings{TLS: true},
			want: []string{"round_robin", "tls:"}, wantNot: []string{"maglev"},
		},
		{
			name: "fairlead+affinity", edge: Edge{Name: "fairlead+affinity", Template: "fairlead.yaml"}, settings: settings{Affinity: true},
			want: []string{"maglev"}, wantNot: []string{"tls:"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := tt.settings
			s.Listen, s.Backend, s.Folder, s.Cores, s.Descriptors, s.Tunnels = "127.0.0.1:1", "127.0.0.1:2", folder, 3, 1024, 700
			file, err := tt.edge.writeConfig(s)
			if err != nil {
				t.Fatal(err)
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range tt.want {
				if !strings.Contains(string(text), want) {
					t.Errorf("%q is missing in\n%s", want, text)
				}
			}
			for _, bad := range tt.wantNot {
				if strings.Contains(string(text), bad) {
					t.Errorf("%q must not be in\n%s", bad, text)
				}
			}
		})
	}
}
