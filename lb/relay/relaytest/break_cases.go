package relaytest

import (
	"bytes"
	"io"
	"sync"

	"fairlead/lb/relay"
	"fairlead/lb/termination"
)

func breakCases() []testCase {
	return []testCase{
		{name: "RST from the client", resets: true, run: clientResets},
		{name: "RST from the backend", resets: true, run: backendResets},
		{name: "RST from the client in mid-transfer", resets: true, run: clientResetsBusy},
		{name: "RST from the backend in mid-transfer", resets: true, run: backendResetsBusy},
		{name: "backend answers and closes during an upload", run: answerDuringUpload},
		{name: "client closes during a download", run: closeDuringDownload},
	}
}

func clientResets(s *scene) {
	s.open(relay.Spec{})
	s.send(s.client, []byte("a"))
	s.expect(s.backend, []byte("a"))
	s.must(s.client.Reset())
	s.expectBroken(s.backend, s.pair.Backend)
	if r := s.result(termination.ClientReset); r.Err == nil {
		s.Error("no error is given")
	}
}

func backendResets(s *scene) {
	s.open(relay.Spec{})
	said := random(100_000)
	go func() { _, _ = s.backend.Write(said) }()
	// An RST destroys what its sender has in flight, so wait until the engine has got everything.
	s.expect(s.client, said)
	s.must(s.backend.Reset())
	s.expectFIN(s.client, s.pair.Client)
	_ = s.client.Close()
	if r := s.result(termination.BackendReset); r.Err == nil {
		s.Error("no error is given")
	}
}

// busy runs f while bytes flow both ways.
func (s *scene) busy(f func()) {
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
	f()
	s.hangUp()
	peers.Wait()
}

func clientResetsBusy(s *scene) {
	s.busy(func() {
		s.must(s.client.Reset())
		s.result(termination.ClientReset)
	})
}

func backendResetsBusy(s *scene) {
	s.busy(func() {
		s.must(s.backend.Reset())
		// The client goes on sending, and the tunnel ends all the same.
		s.result(termination.BackendReset)
	})
}

// answerDuringUpload: the backend says 413 and closes with the upload unread, which sends an RST behind the answer.
func answerDuringUpload(s *scene) {
	for range 20 {
		s.open(relay.Spec{})
		answer := random(1500)
		var upload sync.WaitGroup
		upload.Go(func() { _, _ = io.Copy(s.client, endless{}) })
		s.expect(s.backend, make([]byte, 100_000))
		s.send(s.backend, answer)
		s.must(s.backend.Close())
		got := make([]byte, len(answer))
		if n, err := io.ReadFull(s.client, got); err != nil || !bytes.Equal(got, answer) {
			s.Errorf("the client got %d bytes of the answer, then %v", n, err)
		}
		_ = s.client.Close()
		upload.Wait()
		// The client's own close comes in the middle of a write, and may be seen before the backend's RST is.
		s.result(termination.BackendReset, termination.BackendFin, termination.BackendTruncated, termination.ClientReset,
			termination.ClientTruncated)
	}
}

func closeDuringDownload(s *scene) {
	s.open(relay.Spec{})
	var download sync.WaitGroup
	download.Go(func() { _, _ = io.Copy(s.backend, endless{}) })
	s.expect(s.client, make([]byte, 100_000))
	_ = s.client.Close()
	s.result(termination.ClientReset, termination.ClientFin)
	download.Wait() // the backend's write fails, as its connection is closed
}
