package tlsterm

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"crypto/tls"
	"crypto/x509"

	"github.com/fsnotify/fsnotify"

	"fairlead/tlsterm/filewatch"
)

// hasty settings look at once and never again unless told: what the tests see is notified.
var hasty = filewatch.Settings{
	Settle:  time.Millisecond,
	Poll:    time.Millisecond,
	Recheck: time.Hour,
	Notify:  fsnotify.NewWatcher,
}

// watching starts a watch and returns its events. Watch is known to run when started returns.
type watching struct {
	t      testing.TB
	events chan Event
}

func watch(t testing.TB, run func(context.Context, func(Event)) error) *watching {
	t.Helper()
	w := &watching{t: t, events: make(chan Event, 100)}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- run(ctx, func(e Event) { w.events <- e }) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("watch ended with %v", err)
		}
	})
	return w
}

func (w *watching) next() Event {
	w.t.Helper()
	select {
	case e := <-w.events:
		return e
	case <-time.After(patience):
		w.t.Fatal("no event")
		return Event{}
	}
}

// until waits for an event of a kind about a file. Others before it are fine: a pair that is replaced file by file
// may or may not be seen half-way.
func (w *watching) until(kind EventKind, file string) Event {
	w.t.Helper()
	for {
		if e := w.next(); e.Kind == kind && slices.Contains(e.Files, file) {
			return e
		}
	}
}

func (l *lab) replace(name string, data []byte) {
	l.t.Helper()
	must(l.t, os.Rename(l.write(name+".new", data), filepath.Join(l.dir, name)))
}

func (l *lab) issue(hosts ...string) (cert, key []byte) {
	l.t.Helper()
	cert, key, err := l.ca.Server(hosts, time.Hour)
	must(l.t, err)
	return cert, key
}

// served returns the certificate that a new client gets.
func served(t *testing.T, term *Terminator, l *lab) *x509.Certificate {
	t.Helper()
	client, _ := mustMeet(t, term, l.config(tls.VersionTLS13))
	return client.ConnectionState().PeerCertificates[0]
}

func TestWatchRenames(t *testing.T) {
	l := newLab(t)
	term := l.terminator(nil)
	term.watch = hasty
	client, server := mustMeet(t, term, l.config(tls.VersionTLS13))
	before := client.ConnectionState().PeerCertificates[0]
	w := watch(t, term.Watch)
	cert, key := l.issue("a.test", "new.test")
	l.replace("a.crt", cert)
	l.replace("a.key", key)
	e := w.until(Reloaded, filepath.Join(l.dir, "a.crt"))
	if !slices.Equal(e.Names, []string{"a.test", "new.test"}) || e.NotAfter.IsZero() || e.Err != nil {
		t.Errorf("event %+v", e)
	}
	if served(t, term, l).Equal(before) {
		t.Error("the old certificate is still served")
	}
	echo(t, client, server) // what was open goes on
}

func TestWatchRewritesInPlace(t *testing.T) {
	l := newLab(t)
	term := l.terminator(nil)
	term.watch = hasty
	w := watch(t, term.Watch)
	before := served(t, term, l)
	l.pair("a", "a.test")
	w.until(Reloaded, filepath.Join(l.dir, "a.key"))
	if served(t, term, l).Equal(before) {
		t.Error("the old certificate is still served")
	}
}

// As Kubernetes mounts secrets: a.crt -> ..data/a.crt, ..data -> ..1, and one rename swaps ..data.
func TestWatchDirectoryLinkSwap(t *testing.T) {
	l := newLab(t)
	must(t, os.Mkdir(filepath.Join(l.dir, "..1"), 0o700))
	must(t, os.Mkdir(filepath.Join(l.dir, "..2"), 0o700))
	must(t, os.Symlink("..1", filepath.Join(l.dir, "..data")))
	first := l.pair("..1/a", "a.test")
	must(t, os.Symlink("..data/a.crt", filepath.Join(l.dir, "a.crt")))
	must(t, os.Symlink("..data/a.key", filepath.Join(l.dir, "a.key")))
	files := KeyPairFiles{filepath.Join(l.dir, "a.crt"), filepath.Join(l.dir, "a.key")}
	term, err := New(Options{Certificates: []KeyPairFiles{files}})
	must(t, err)
	term.watch = hasty
	w := watch(t, term.Watch)
	for range 2 {
		l.pair("..2/a", "a.test")
		must(t, os.Symlink("..2", filepath.Join(l.dir, "..tmp")))
		must(t, os.Rename(filepath.Join(l.dir, "..tmp"), filepath.Join(l.dir, "..data")))
		if e := w.next(); e.Kind != Reloaded { // all at once, so never half
			t.Errorf("event %+v", e)
		}
		_, key := l.issue("a.test")
		must(t, os.WriteFile(filepath.Join(l.dir, "..2", "a.key"), key, 0o600)) // the new place is watched
		w.until(Kept, files.Key)
		must(t, os.Remove(filepath.Join(l.dir, "..data")))
		must(t, os.Symlink("..1", filepath.Join(l.dir, "..data")))
		w.until(Reloaded, files.Cert)
	}
	if _, err := os.Stat(first.Cert); err != nil {
		t.Error(err)
	}
}

// As certbot keeps them: live/a.crt -> ../archive/a1.crt, and the links change.
func TestWatchFileLinks(t *testing.T) {
	l := newLab(t)
	must(t, os.Mkdir(filepath.Join(l.dir, "live"), 0o700))
	must(t, os.Mkdir(filepath.Join(l.dir, "archive"), 0o700))
	link := func(ext, target string) {
		tmp := filepath.Join(l.dir, "live", "tmp")
		must(t, os.Symlink("../archive/"+target, tmp))
		must(t, os.Rename(tmp, filepath.Join(l.dir, "live", "a"+ext)))
	}
	l.pair("archive/a1", "a.test")
	link(".crt", "a1.crt")
	link(".key", "a1.key")
	files := KeyPairFiles{filepath.Join(l.dir, "live/a.crt"), filepath.Join(l.dir, "live/a.key")}
	term, err := New(Options{Certificates: []KeyPairFiles{files}})
	must(t, err)
	term.watch = hasty
	w := watch(t, term.Watch)
	l.pair("archive/a2", "a.test")
	link(".crt", "a2.crt")
	w.until(Kept, files.Cert) // half-way
	link(".key", "a2.key")
	w.until(Reloaded, files.Cert)
	l.pair("archive/a2", "a.test") // behind the links
	w.until(Reloaded, files.Cert)
}

func TestWatchKeepsWhatWorks(t *testing.T) {
	l := newLab(t)
	term := l.terminator(func(o *Options) { o.Certificates = append(o.Certificates, l.pair("b", "b.test")) })
	term.watch = hasty
	w := watch(t, term.Watch)
	before := served(t, term, l)
	cert := filepath.Join(l.dir, "a.crt")

	l.replace("a.crt", []byte("not a certificate"))
	e := w.until(Kept, cert)
	if e.Err == nil || !strings.Contains(e.Err.Error(), cert) {
		t.Errorf("the error does not name the file: %v", e.Err)
	}
	must(t, os.Remove(cert))
	if e := w.until(Kept, cert); !errors.Is(e.Err, os.ErrNotExist) {
		t.Errorf("event %+v", e)
	}
	l.pair("b", "b.test") // the other is renewed nevertheless
	w.until(Reloaded, filepath.Join(l.dir, "b.crt"))
	if !served(t, term, l).Equal(before) {
		t.Error("the broken file replaced the certificate")
	}
	l.pair("a", "a.test")
	w.until(Reloaded, cert)
	if served(t, term, l).Equal(before) {
		t.Error("the good file did not")
	}
}

func TestWatchHalfWrittenPair(t *testing.T) {
	l := newLab(t)
	term := l.terminator(nil)
	term.watch = hasty
	w := watch(t, term.Watch)
	before := served(t, term, l)
	cert, key := l.issue("a.test")
	l.replace("a.crt", cert)
	if e := w.until(Kept, filepath.Join(l.dir, "a.crt")); !strings.Contains(e.Err.Error(), "a.key") {
		t.Errorf("error %v", e.Err)
	}
	if !served(t, term, l).Equal(before) {
		t.Error("the old certificate is gone")
	}
	l.replace("a.key", key)
	w.until(Reloaded, filepath.Join(l.dir, "a.key"))
	if served(t, term, l).Equal(before) {
		t.Error("the old certificate is still served")
	}
}

func TestWatchClientCA(t *testing.T) {
	l := newLab(t)
	ca := l.caFile()
	term := l.terminator(func(o *Options) { o.ClientCA = ca })
	term.watch = hasty
	w := watch(t, term.Watch)
	l.replace("ca.pem", nil)
	if e := w.until(Kept, ca); !strings.Contains(e.Err.Error(), "empty") {
		t.Errorf("error %v", e.Err)
	}
	_, server, _ := meet(t, term, l.config(tls.VersionTLS12))
	wantReason(t, server.err, ReasonClientCertRequired) // still asked for
	other := newLab(t)
	l.replace("ca.pem", other.ca.CertPEM())
	w.until(Reloaded, ca)
	config := l.config(tls.VersionTLS12)
	config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		return ptr(l.clientPair("former", time.Hour)), nil
	}
	_, server, _ = meet(t, term, config)
	wantReason(t, server.err, ReasonUnknownCA)
}

// Writes that change nothing, and files that are none of ours, are not reported.
func TestWatchIsQuiet(t *testing.T) {
	l := newLab(t)
	term := l.terminator(nil)
	term.watch = hasty
	w := watch(t, term.Watch)
	same, err := os.ReadFile(filepath.Join(l.dir, "a.crt"))
	must(t, err)
	l.replace("a.crt", same)
	l.write("unrelated", []byte("x"))
	l.replace("a.crt", []byte("broken"))
	if e := w.next(); e.Kind != Kept {
		t.Errorf("event %+v", e)
	}
	l.write("unrelated", []byte("y")) // does not repeat the complaint
	l.replace("a.crt", same)
	if e := w.next(); e.Kind != Reloaded {
		t.Errorf("event %+v", e)
	}
}

func TestWatchPollsWithoutNotification(t *testing.T) {
	l := newLab(t)
	term := l.terminator(nil)
	term.watch = hasty
	broken := errors.New("too many open files")
	term.watch.Notify = func() (*fsnotify.Watcher, error) { return nil, broken }
	w := watch(t, term.Watch)
	if e := w.next(); e.Kind != Polling || !errors.Is(e.Err, broken) {
		t.Errorf("event %+v", e)
	}
	l.pair("a", "a.test")
	w.until(Reloaded, filepath.Join(l.dir, "a.crt"))
}

// Between New and Watch nobody listens; Watch looks first.
func TestWatchSeesWhatHappenedBefore(t *testing.T) {
	l := newLab(t)
	term := l.terminator(nil)
	term.watch = hasty
	l.pair("a", "a.test")
	w := watch(t, term.Watch)
	w.until(Reloaded, filepath.Join(l.dir, "a.crt"))
}

func TestClientWatch(t *testing.T) {
	l := newLab(t)
	c := l.client(nil, tls.VersionTLS13)
	c.watch = hasty
	w := watch(t, c.Watch)
	other := newLab(t)
	l.replace("ca.pem", other.ca.CertPEM())
	w.until(Reloaded, filepath.Join(l.dir, "ca.pem"))

	nothing, err := NewClient(ClientOptions{})
	must(t, err)
	watch(t, nothing.Watch) // ends with its context
}
