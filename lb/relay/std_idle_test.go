package relay

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"fairlead/lb/termination"
)

func TestIdleCountsFromTheLastByte(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newTrial(t, Spec{IdleTimeout: 10 * time.Second})
		for range 5 {
			time.Sleep(7 * time.Second)
			r.client.say(t)
			r.upstream.hear(t)
		}
		synctest.Wait()
		time.Sleep(3 * time.Second)
		if got, live := r.tunnel.Stats(); !live || got.Idle != 3*time.Second {
			t.Errorf("idle %v, live %v, want 3s", got.Idle, live)
		}
		r.over(t, 45*time.Second, termination.IdleTimeout)
		for _, leg := range []*fakeLeg{r.client, r.upstream} {
			if got := leg.saw(); !slices.Equal(got, []string{"Close"}) {
				t.Errorf("calls %v, want an orderly Close", got)
			}
		}
	})
}

func TestFinTimeoutDoesNotCutADownload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newTrial(t, Spec{IdleTimeout: time.Hour, FinTimeout: 10 * time.Second})
		time.Sleep(time.Minute)
		r.client.end()
		for range 6 {
			time.Sleep(9 * time.Second)
			r.upstream.say(t)
			r.client.hear(t)
		}
		r.over(t, time.Minute+64*time.Second, termination.FinTimeout)
	})
}

func TestLimits(t *testing.T) {
	const s = time.Second
	tests := []struct {
		name             string
		idle, fin        time.Duration
		upDone, downDone bool
		after            time.Duration
		want             termination.Cause
	}{
		{"open: idle", 10 * s, 5 * s, false, false, 10 * s, termination.IdleTimeout},
		{"half-closed: fin", 10 * s, 5 * s, true, false, 5 * s, termination.FinTimeout},
		{"half-closed by the backend: fin", 10 * s, 5 * s, false, true, 5 * s, termination.FinTimeout},
		{"half-closed: idle is shorter", 5 * s, 10 * s, true, false, 5 * s, termination.IdleTimeout},
		{"half-closed: fin alone", 0, 5 * s, true, false, 5 * s, termination.FinTimeout},
		{"half-closed: idle alone", 5 * s, 0, true, false, 5 * s, termination.IdleTimeout},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newTrial(t, Spec{IdleTimeout: tt.idle, FinTimeout: tt.fin, UpDone: tt.upDone, DownDone: tt.downDone})
				r.over(t, tt.after, tt.want)
			})
		})
	}
}

func TestNoLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newTrial(t, Spec{})
		time.Sleep(1000 * time.Hour)
		r.upstream.say(t)
		r.client.hear(t)
		r.client.end()
		time.Sleep(1000 * time.Hour)
		r.upstream.end()
		r.over(t, 2000*time.Hour, termination.ClientFin)
	})
}

// A write that nobody takes cannot hold an idle timeout or a kill for more than a moment.
func TestStalledWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newTrial(t, Spec{IdleTimeout: 10 * time.Second})
		r.upstream.say(t) // the client never takes it
		r.over(t, 10*time.Second+r.group.timing.moment, termination.IdleTimeout)

		r = newTrial(t, Spec{})
		r.upstream.say(t)
		r.client.say(t)
		time.Sleep(time.Second)
		r.tunnel.Kill(termination.Shutdown)
		r.over(t, time.Second+r.group.timing.moment, termination.Shutdown)
	})
}

// A write that is under way when the kill comes gets the time to finish.
func TestKillLetsAWriteFinish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newTrial(t, Spec{})
		r.upstream.say(t)
		synctest.Wait()
		r.tunnel.Kill(termination.Killed)
		time.Sleep(r.group.timing.moment / 2)
		r.client.hear(t)
		if res := r.over(t, r.group.timing.moment/2, termination.Killed); res.Down != 1 {
			t.Errorf("down %d, want 1", res.Down)
		}
	})
}
