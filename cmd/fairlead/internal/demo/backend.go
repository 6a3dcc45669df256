package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

const (
	// announcement precedes a backend's address in its first line of output.
	announcement = "listening "
	// partingTime bounds what a backend does between the end of its input and its own end.
	partingTime = 500 * time.Millisecond
)

// ServeBackend is one chat backend: it listens on a free loopback port, writes "listening ADDRESS" to out, and serves
// until in ends. in is the leash the parent holds: it ends with the parent, however the parent dies. (PR_SET_PDEATHSIG
// would follow the parent's thread instead, and the Go runtime ends threads as it likes.)
func ServeBackend(ctx context.Context, name string, in io.Reader, out io.Writer) error {
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("backend %s: listen: %w", name, err)
	}
	s := newSite(name)
	web := &http.Server{
		Handler:           s.routes(),
		ReadHeaderTimeout: 5 * time.Second,
		IdleTimeout:       time.Minute,
	}
	parted := make(chan struct{})
	go part(in, s, web, parted)
	if _, err := fmt.Fprintln(out, announcement+listener.Addr().String()); err != nil {
		_ = listener.Close()
		return fmt.Errorf("backend %s: announce the address: %w", name, err)
	}
	if err := web.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("backend %s: serve: %w", name, err)
	}
	<-parted
	return nil
}

// part waits for the end of the leash, says goodbye to everybody in the room and ends what is still open, within
// partingTime. It ends with the leash and closes parted then.
func part(leash io.Reader, s *site, web *http.Server, parted chan<- struct{}) {
	defer close(parted)
	_, _ = io.Copy(io.Discard, leash) // its end is the message, whatever the reason
	s.room.close()
	ctx, cancel := context.WithTimeout(context.Background(), partingTime)
	defer cancel()
	_ = web.Shutdown(ctx) // a request still open by then ends with the process, and so does a chat
	ended := make(chan struct{})
	go s.awaitChats(ended)
	select {
	case <-ended:
	case <-ctx.Done():
	}
}
