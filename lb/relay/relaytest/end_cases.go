package relaytest

import (
	"io"
	"sync"
	"time"

	"fairlead/lb/relay"
	"fairlead/lb/termination"
)

func endCases() []testCase {
	return []testCase{
		{name: "half-close, client first", run: clientFirst},
		{name: "half-close, backend first", run: backendFirst},
		{name: "adopted after the client's end", run: adoptedUpDone},
		{name: "adopted after the backend's end", ended: true, run: adoptedDownDone},
		{name: "adopted after both ends", ended: true, run: adoptedBothDone},
		{name: "client truncates", run: clientTruncates},
		{name: "backend truncates", run: backendTruncates},
		{name: "kill an idle tunnel", run: killIdle},
		{name: "kill in mid-transfer", run: killBusy},
		{name: "everything at once", run: everythingAtOnce},
	}
}

func clientFirst(s *scene) {
	s.open(relay.Spec{IdleTimeout: time.Hour, FinTimeout: time.Hour})
	answer := random(500_000)
	s.send(s.client, []byte("question"))
	s.must(s.client.CloseWrite())
	s.expect(s.backend, []byte("question"))
	s.expectEnd(s.backend)
	go func() {
		_, _ = s.backend.Write(answer)
		_ = s.backend.CloseWrite()
	}()
	s.expect(s.client, answer)
	s.expectEnd(s.client)
	s.moved(s.result(termination.ClientFin), 8, len(answer))
}

func backendFirst(s *scene) {
	s.open(relay.Spec{IdleTimeout: time.Hour, FinTimeout: time.Hour})
	upload := random(500_000)
	s.send(s.backend, []byte("go"))
	s.must(s.backend.CloseWrite())
	s.expect(s.client, []byte("go"))
	s.expectEnd(s.client)
	go func() {
		_, _ = s.client.Write(upload)
		_ = s.client.CloseWrite()
	}()
	s.expect(s.backend, upload)
	s.expectEnd(s.backend)
	s.moved(s.result(termination.BackendFin), len(upload), 2)
}

// endBefore ends a direction before the tunnel is adopted, as an arrival would.
func (s *scene) endBefore(from *Peer, src, dst relay.Leg) {
	s.Helper()
	s.must(from.CloseWrite())
	if n, err := io.Copy(io.Discard, src); n != 0 || err != nil {
		s.Fatalf("read %d bytes and %v, want the end", n, err)
	}
	s.must(dst.CloseWrite())
}

func adoptedUpDone(s *scene) {
	s.connect()
	s.endBefore(s.client, s.legs.client, s.legs.upstream)
	s.adopt(relay.Spec{UpDone: true, Down: []byte("head ")})
	s.expectEnd(s.backend)
	s.send(s.backend, []byte("body"))
	s.must(s.backend.CloseWrite())
	s.expect(s.client, []byte("head body"))
	s.expectEnd(s.client)
	s.moved(s.result(termination.ClientFin), 0, 9)
}

func adoptedDownDone(s *scene) {
	s.connect()
	s.endBefore(s.backend, s.legs.upstream, s.legs.client)
	s.adopt(relay.Spec{DownDone: true, Up: []byte("head ")})
	s.expectEnd(s.client)
	s.send(s.client, []byte("body"))
	s.must(s.client.CloseWrite())
	s.expect(s.backend, []byte("head body"))
	s.expectEnd(s.backend)
	s.moved(s.result(termination.BackendFin), 9, 0)
}

func adoptedBothDone(s *scene) {
	s.connect()
	s.endBefore(s.client, s.legs.client, s.legs.upstream)
	s.endBefore(s.backend, s.legs.upstream, s.legs.client)
	s.adopt(relay.Spec{UpDone: true, DownDone: true})
	s.expectEnd(s.client)
	s.expectEnd(s.backend)
	s.moved(s.result(termination.ClientFin, termination.BackendFin), 0, 0)
}

func clientTruncates(s *scene) {
	s.open(relay.Spec{})
	s.send(s.client, []byte("half"))
	s.must(s.client.Truncate())
	s.expect(s.backend, []byte("half"))
	want := termination.ClientFin
	if s.pair.Client.TLS {
		want = termination.ClientTruncated
		s.expectBroken(s.backend, s.pair.Backend)
	} else {
		s.expectEnd(s.backend)
	}
	if _, ok := s.legs.upstream.(relay.Truncater); ok {
		s.send(s.backend, []byte("late answer"))
		s.expect(s.client, []byte("late answer"))
	}
	_ = s.backend.CloseWrite()
	s.result(want)
}

func backendTruncates(s *scene) {
	s.open(relay.Spec{})
	s.send(s.backend, []byte("half"))
	s.must(s.backend.Truncate())
	s.expect(s.client, []byte("half"))
	want := termination.BackendFin
	if s.pair.Backend.TLS {
		want = termination.BackendTruncated
		s.expectFIN(s.client, s.pair.Client)
	} else {
		s.expectEnd(s.client)
	}
	if _, ok := s.legs.client.(relay.Truncater); ok {
		s.send(s.client, []byte("more"))
		s.expect(s.backend, []byte("more"))
	}
	_ = s.client.CloseWrite()
	s.result(want)
}

func killIdle(s *scene) {
	for _, cause := range []termination.Cause{termination.Killed, termination.Shutdown} {
		s.open(relay.Spec{})
		s.send(s.client, []byte("a"))
		s.expect(s.backend, []byte("a"))
		s.tunnel.Kill(cause)
		s.tunnel.Kill(termination.InternalError) // too late
		s.expectEnd(s.client)
		s.expectEnd(s.backend)
		s.moved(s.result(cause), 1, 0)
		s.tunnel.Kill(termination.Killed) // later still
	}
}

func killBusy(s *scene) {
	s.open(relay.Spec{})
	var peers sync.WaitGroup
	for _, way := range [][2]*Peer{{s.client, s.backend}, {s.backend, s.client}} {
		peers.Go(func() { _, _ = io.Copy(way[0], endless{}) })
		peers.Go(func() { _, _ = io.Copy(io.Discard, way[1]) })
	}
	s.until("bytes flow both ways", func() bool {
		stats := s.stats()
		return stats.Up > 1<<20 && stats.Down > 1<<20
	})
	s.tunnel.Kill(termination.Killed)
	s.result(termination.Killed)
	s.hangUp()
	peers.Wait()
}

// endless gives zeros.
type endless struct{}

func (endless) Read(b []byte) (int, error) { return len(b), nil }

// everythingAtOnce must give one end, whichever wins.
func everythingAtOnce(s *scene) {
	for range 30 {
		s.open(relay.Spec{IdleTimeout: time.Millisecond, FinTimeout: time.Millisecond})
		var all sync.WaitGroup
		for _, act := range []func(){
			func() { _, _ = s.client.Write([]byte("x")); _ = s.client.Reset() },
			func() { _, _ = s.backend.Write([]byte("x")); _ = s.backend.Reset() },
			func() { s.tunnel.Kill(termination.Killed) },
			func() { s.tunnel.Stats() },
		} {
			all.Go(act)
		}
		all.Wait()
		s.result(termination.All()...)
	}
}
