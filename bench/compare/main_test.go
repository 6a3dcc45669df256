package compare

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"fairlead/bench/backend"
)

// asProcess is set in the environment of processes that this program starts: the first argument says what they are.
const asProcess = "FAIRLEAD_COMPARE_TEST"

func TestMain(m *testing.M) {
	if os.Getenv(asProcess) == "" {
		goleak.VerifyTestMain(m)
		return
	}
	var err error
	switch os.Args[1] {
	case "backend":
		err = serveBackend(os.Args[2:])
	default:
		err = serveEdge(os.Args[1], os.Args[2], strings.Split(os.Args[3], ","))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// serveBackend is `fairlead-bench backend` as far as it is needed here.
func serveBackend(args []string) error {
	flags := flag.NewFlagSet("backend", flag.ContinueOnError)
	listen, name := flags.String("listen", "", ""), flags.String("name", "", "")
	if err := flags.Parse(args); err != nil {
		return err
	}
	l, err := net.Listen("tcp", *listen)
	if err != nil {
		return err
	}
	fmt.Fprintln(os.Stdout, *name, "ws://"+*listen)
	return backend.Settings{Name: *name}.Serve(context.Background(), l)
}

// serveEdge carries bytes to the first backend that takes them; an edge called wrong changes some of them, one called deaf
// ends every connection.
func serveEdge(kind, listen string, backends []string) error {
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	for {
		conn, err := l.Accept()
		if err != nil {
			return err
		}
		if kind == "deaf" {
			conn.Close()
			continue
		}
		go carry(conn, backends, kind == "wrong")
	}
}

func carry(client net.Conn, backends []string, wrong bool) {
	defer client.Close()
	for _, address := range backends {
		server, err := net.Dial("tcp", address)
		if err != nil {
			continue
		}
		defer server.Close()
		go func() {
			_, _ = io.Copy(server, client)
			_ = server.(*net.TCPConn).CloseWrite()
		}()
		var from io.Reader = server
		if wrong {
			from = &spoiler{from: server}
		}
		_, _ = io.Copy(client, from)
		return
	}
}

// spoiler changes a byte of every kilobyte that it reads, behind the first, which has the 101.
type spoiler struct {
	from io.Reader
	seen int
}

func (s *spoiler) Read(p []byte) (int, error) {
	n, err := s.from.Read(p)
	for i := range n {
		if s.seen++; s.seen > 1024 && s.seen%1024 == 0 {
			p[i] ^= 1
		}
	}
	return n, err
}
