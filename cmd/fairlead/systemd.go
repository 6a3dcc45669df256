package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
	systemd "github.com/coreos/go-systemd/v22/daemon"
	"go.uber.org/zap"

	"fairlead/lb/sys"
)

// tellSystemd tells the service manager how this process is (sd_notify(3)); nobody hears it where there is none.
func tellSystemd(state string) { _, _ = systemd.SdNotify(false, state) }

// tellReloading says that the process reads its configuration again, and returns what is to be called when it has: so that
// `systemctl reload` returns when the reload is over, not when it was asked for (sd_notify(3), Type=notify-reload).
func tellReloading() (done func()) {
	state := systemd.SdNotifyReloading
	if now, err := sys.Monotonic(); err == nil {
		state += fmt.Sprintf("\nMONOTONIC_USEC=%d", now.Microseconds())
	}
	tellSystemd(state)
	return func() { tellSystemd(systemd.SdNotifyReady) }
}

// givenSockets are those that the service manager listens on for this process (sd_listen_fds(3)). What tells of them is
// taken out of the environment, and no process that this one starts gets them.
func givenSockets() []*os.File { return activation.Files(true) }

// tellEnding says that the process is about to end, when ctx ends.
func tellEnding(ctx context.Context) {
	<-ctx.Done()
	tellSystemd(systemd.SdNotifyStopping)
}

// alive is what a watchdog asks.
type alive interface {
	Alive(ctx context.Context) error
}

// feedWatchdog tells the service manager at half of WatchdogSec that the process is well, until ctx ends: as long as every
// event loop answers. One that is stuck holds its tunnels for ever, and only a restart helps them.
func feedWatchdog(ctx context.Context, loops alive, log *zap.Logger) {
	limit, err := systemd.SdWatchdogEnabled(false)
	if err != nil || limit == 0 {
		return
	}
	const share = 2
	tick := time.NewTicker(limit / share)
	defer tick.Stop()
	for {
		if err := answers(ctx, loops, limit/share); err == nil {
			tellSystemd(systemd.SdNotifyWatchdog)
		} else if ctx.Err() == nil {
			log.Error("the watchdog is not fed", zap.Error(err))
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func answers(ctx context.Context, loops alive, within time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	return loops.Alive(ctx)
}
