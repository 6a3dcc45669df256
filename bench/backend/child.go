package backend

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"syscall"
)

// ChildVariable is set in the environment of a process that shall be the backend and nothing else: a program that
// starts itself again for it calls RunChild first thing in main.
const ChildVariable = "FAIRLEAD_BENCH_ECHO"

// RunChild is main of the backend process: it serves on a free loopback port, which it writes to out as one line,
// until SIGTERM or SIGINT.
func RunChild(out io.Writer) error {
	ctx, release := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer release()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen for the edges: %w", err)
	}
	if _, err := fmt.Fprintln(out, l.Addr()); err != nil {
		return fmt.Errorf("tell the address: %w", err)
	}
	return Serve(ctx, l)
}
