package lb

import (
	"testing"

	"go.uber.org/zap"

	"fairlead/lb/relay"
)

// TestLimit: a frontend without a bound of its own has the one that all share.
func TestLimit(t *testing.T) {
	shared := NewSlots(20)
	for own, want := range map[int]int{7: 7, 0: 20} {
		f := NewFrontend(FrontendOptions{Name: "edge", MaxConnections: own}, nil, Runtime{Log: zap.NewNop(), Slots: shared, Relay: relay.NewGroup(relay.Options{NoLoop: true})})
		if got := f.Limit(); got != want {
			t.Errorf("max_connections %d: %d, not %d", own, got, want)
		}
		f.Close()
	}
}

// TestLedger: what has been told is never taken back, though a tunnel that is just ending is in neither of the sums.
func TestLedger(t *testing.T) {
	var l ledger
	l.add(10, 1)
	now := l.ended()
	now.add(5, 0) // an open tunnel
	l.tell(&now)
	if now != (Traffic{15, 1}) {
		t.Errorf("%v", now)
	}
	now = l.ended() // it has ended, and its end has not been told yet
	l.tell(&now)
	if now != (Traffic{15, 1}) {
		t.Errorf("%v while it ends", now)
	}
	l.add(6, 2)
	now = l.ended()
	l.tell(&now)
	if now != (Traffic{16, 3}) {
		t.Errorf("%v after its end", now)
	}
}

// TestTrafficOf: sessions that have ended are each listener's and each backend's own, also where there is no tunnel.
func TestTrafficOf(t *testing.T) {
	g := relay.NewGroup(relay.Options{NoLoop: true})
	var frontends []*Frontend
	for _, name := range []string{"a", "b"} {
		f := NewFrontend(FrontendOptions{Name: name}, nil, Runtime{Log: zap.NewNop(), Relay: g})
		defer f.Close()
		frontends = append(frontends, f)
	}
	frontends[1].moved.add(3, 4)
	all := TrafficOf(frontends, nil, g)
	if len(all.Listeners) != 2 || len(all.Backends) != 0 {
		t.Fatalf("%+v", all)
	}
	for i, want := range []Traffic{{}, {3, 4}} {
		if l := all.Listeners[i]; l.Listener != frontends[i].Name() || l.Traffic != want || len(l.Tunnels) != 0 {
			t.Errorf("%+v, not %v", l, want)
		}
	}
}
