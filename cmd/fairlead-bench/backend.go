package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/spf13/cobra"

	"fairlead/bench/backend"
	"fairlead/cmd/internal/lifetime"
	"fairlead/tlsterm/selfsigned"
)

// certificateLasts is how long the certificate of a backend does.
const certificateLasts = 30 * 24 * time.Hour

// backendFlags are those of the command backend.
type backendFlags struct {
	listen       []string
	name         string
	delay, think time.Duration
	tls          bool
	hosts        []string
	caFile       string
	cert, key    string
}

func newBackend() *cobra.Command {
	var f backendFlags
	cmd := &cobra.Command{
		Use:   "backend",
		Short: "Be the backend behind an edge: echo, chat rooms, downloads, uploads; slow if asked to be",
		Long: "backend serves WebSockets until Ctrl-C. What a tunnel is for is said by its path: /room/NAME is a chat room, /stream\n" +
			"downloads, /sink uploads, /slow an echo that takes its time, and everything else an echo. Each takes delay and think in\n" +
			"its query, as in /room/a?think=5ms. It says in the header X-Backend of each 101 which backend it is.\n\n" +
			"Several --listen are as many backends, named b0, b1 and so on. The first lines of the output are NAME URL, one for each.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return serveBackends(cmd, f) },
	}
	flags := cmd.Flags()
	flags.StringArrayVar(&f.listen, "listen", []string{"127.0.0.1:0"}, "`ADDRESS` to listen on; may be given several times")
	flags.StringVar(&f.name, "name", "", "`NAME` that it says it has; the number of the listener follows where there are several (default b, with a number)")
	flags.DurationVar(&f.delay, "delay", 0, "how long each 101 waits")
	flags.DurationVar(&f.think, "think", 0, "how long each answer waits")
	flags.BoolVar(&f.tls, "tls", false, "serve wss, with a certificate made for it")
	flags.StringSliceVar(&f.hosts, "tls-host", []string{"localhost", "127.0.0.1", "::1"}, "names that the certificate is for")
	flags.StringVar(&f.caFile, "ca-out", "", "`FILE` to write the certificate to, for load --ca")
	flags.StringVar(&f.cert, "cert", "", "serve wss with the certificate in this PEM `FILE` instead")
	flags.StringVar(&f.key, "key", "", "PEM `FILE` of its key")
	cmd.MarkFlagsRequiredTogether("cert", "key")
	cmd.MarkFlagsMutuallyExclusive("cert", "tls")
	return cmd
}

func serveBackends(cmd *cobra.Command, f backendFlags) error {
	ctx, release := lifetime.Until(cmd.Context())
	defer release()
	if f.caFile != "" && !f.tls {
		return errors.New("--ca-out writes the certificate of --tls, which is not given")
	}
	secure, err := f.certificate()
	if err != nil {
		return failed(err)
	}
	listeners, err := f.bind(ctx, secure)
	if err != nil {
		return failed(err)
	}
	scheme := "ws"
	if secure != nil {
		scheme = "wss"
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, len(listeners))
	for i, l := range listeners {
		name := f.called(i, len(listeners))
		if _, err := fmt.Fprintf(cmd.OutOrStdout(), "%s %s://%s\n", name, scheme, l.Addr()); err != nil {
			return failed(err)
		}
		settings := backend.Settings{Name: name, Delay: f.delay, Think: f.think}
		go func() { ended <- settings.Serve(ctx, l) }()
	}
	var all error
	for range listeners {
		all = errors.Join(all, <-ended)
		cancel() // one that fails ends the others
	}
	return failed(all)
}

// called is the name of backend i of n.
func (f backendFlags) called(i, n int) string {
	switch {
	case f.name == "":
		return fmt.Sprintf("b%d", i)
	case n == 1:
		return f.name
	default:
		return fmt.Sprintf("%s%d", f.name, i)
	}
}

// bind opens all listeners or none.
func (f backendFlags) bind(ctx context.Context, secure *tls.Config) ([]net.Listener, error) {
	var listeners []net.Listener
	var config net.ListenConfig
	for _, address := range f.listen {
		l, err := config.Listen(ctx, "tcp", address)
		if err != nil {
			for _, open := range listeners {
				_ = open.Close()
			}
			return nil, err
		}
		if secure != nil {
			l = tls.NewListener(l, secure)
		}
		listeners = append(listeners, l)
	}
	return listeners, nil
}

// certificate is nil without --tls and --cert.
func (f backendFlags) certificate() (*tls.Config, error) {
	if f.cert != "" {
		pair, err := tls.LoadX509KeyPair(f.cert, f.key)
		if err != nil {
			return nil, fmt.Errorf("read the certificate: %w", err)
		}
		return &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}, nil
	}
	if !f.tls {
		return nil, nil //nolint:nilnil // No TLS is not an error, and there is no other word for it in package tls.
	}
	cert, key, err := selfsigned.Make(f.hosts, certificateLasts)
	if err != nil {
		return nil, fmt.Errorf("make a certificate: %w", err)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("read the certificate back: %w", err)
	}
	if f.caFile != "" {
		if err := os.WriteFile(f.caFile, cert, 0o644); err != nil { //nolint:gosec // It is public.
			return nil, fmt.Errorf("write the certificate: %w", err)
		}
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}, nil
}
