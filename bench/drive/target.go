package drive

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"time"

	"fairlead/bench/load"
	"fairlead/bench/scenario"
)

// Aim says where the load goes.
type Aim struct {
	// URL is ws://HOST[:PORT][/PREFIX] or wss://…; the prefix stands before every path.
	URL string
	// CA is a PEM file of authorities to trust, beside those of the system; Insecure trusts anybody. ServerName is sent instead
	// of the host of the URL, and must be in the certificate.
	CA         string
	Insecure   bool
	ServerName string
	// Sources are the addresses to come from, in turn; none: the kernel chooses.
	Sources []netip.Addr
}

var (
	errURL = errors.New("the target must be ws://HOST[:PORT][/PREFIX] or wss://HOST[:PORT][/PREFIX]")
	errOff = errors.New("this scenario is without TLS (tls.off): the target must be a ws:// one")
	errCA  = errors.New("no certificate in PEM form")
)

var curves = map[string]tls.CurveID{"X25519": tls.X25519, "X25519MLKEM768": tls.X25519MLKEM768, "P-256": tls.CurveP256}

var versions = map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13}

// aimed is a target that is ready to be loaded.
type aimed struct {
	target    load.Target
	prefix    string
	addresses int // how many it has
}

// take resolves the host and reads the authorities, once.
func (a Aim) take(ctx context.Context, s scenario.Scenario) (aimed, error) {
	u, err := url.Parse(a.URL)
	if err != nil || u.Hostname() == "" || u.Scheme != "ws" && u.Scheme != "wss" || u.RawQuery != "" || u.User != nil {
		return aimed{}, fmt.Errorf("%w, and is %q", errURL, a.URL)
	}
	if s.TLS.Off && u.Scheme == "wss" {
		return aimed{}, fmt.Errorf("%w, and is %q", errOff, a.URL)
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"ws": "80", "wss": "443"}[u.Scheme]
	}
	hosts, err := net.DefaultResolver.LookupHost(ctx, u.Hostname())
	if err != nil {
		return aimed{}, fmt.Errorf("look up the target: %w", err)
	}
	o := load.Options{Host: u.Host, Timeout: time.Duration(s.Timeout)}
	for _, host := range sameFamily(hosts, a.Sources) {
		o.Addresses = append(o.Addresses, net.JoinHostPort(host, port))
	}
	if len(o.Addresses) == 0 {
		return aimed{}, fmt.Errorf("the target has no address of the family of the sources: %s", strings.Join(hosts, ", "))
	}
	if u.Scheme == "wss" {
		if o.TLS, err = a.offer(u.Hostname(), s.TLS); err != nil {
			return aimed{}, err
		}
		o.Check = demands(s.TLS)
	}
	return aimed{target: load.NewTarget(o), prefix: strings.TrimSuffix(u.Path, "/"), addresses: len(o.Addresses)}, nil
}

// sameFamily are the hosts that can be reached from sources. A name often has addresses of both families (localhost does),
// behind which there need not be the same: without sources the family of the first is taken.
func sameFamily(hosts []string, sources []netip.Addr) []string {
	var found []string
	var four bool
	if len(sources) > 0 {
		four = sources[0].Unmap().Is4()
	} else if first, err := netip.ParseAddr(hosts[0]); err == nil {
		four = first.Is4()
		for _, host := range hosts {
			// Who listens on "localhost" or on all addresses has IPv4 for certain.
			four = four || !strings.Contains(host, ":")
		}
	}
	for _, host := range hosts {
		if strings.Contains(host, ":") != four {
			found = append(found, host)
		}
	}
	return found
}

func (a Aim) offer(host string, t scenario.TLS) (*tls.Config, error) {
	c := &tls.Config{
		ServerName:         host,
		MinVersion:         tls.VersionTLS12,
		InsecureSkipVerify: a.Insecure, //nolint:gosec // The user says so, of a target of theirs.
		ClientSessionCache: load.Forgetful(),
	}
	if a.ServerName != "" {
		c.ServerName = a.ServerName
	}
	if v, ok := versions[t.Version]; ok {
		c.MinVersion, c.MaxVersion = v, v
	}
	if curve, ok := curves[t.Curve]; ok {
		c.CurvePreferences = []tls.CurveID{curve}
	}
	if a.CA == "" {
		return c, nil
	}
	text, err := os.ReadFile(a.CA)
	if err != nil {
		return nil, fmt.Errorf("read the authorities: %w", err)
	}
	if c.RootCAs, err = x509.SystemCertPool(); err != nil {
		c.RootCAs = x509.NewCertPool()
	}
	if !c.RootCAs.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("read the authorities: %s: %w", a.CA, errCA)
	}
	return c, nil
}

// demands compares what a handshake ended with to what was asked for. A handshake of TLS 1.2 that is resumed has no key exchange.
func demands(t scenario.TLS) func(tls.ConnectionState) error {
	return func(state tls.ConnectionState) error {
		curve, wanted := curves[t.Curve]
		exchanged := !state.DidResume || state.Version == tls.VersionTLS13
		if wanted && exchanged && state.CurveID != curve {
			return fmt.Errorf("the key exchange is %s, and %s was asked for", state.CurveID, curve)
		}
		return nil
	}
}
