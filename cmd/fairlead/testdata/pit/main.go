// Pit is a backend of scenarios that is quick to start and easy to break: two hundred of them run at once. It answers an
// Upgrade request with a correct 101, says its name, and sends back what it gets; anything else gets a 200. Its mode makes
// it misbehave.
package main

import (
	"bufio"
	"crypto/sha1"
	"encoding/base64"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "address")
	name := flag.String("name", "", "said to each WebSocket client, on a line")
	mode := flag.String("mode", "normal", "normal, slow (answers after a while), silent (never), refusing (503), garbage")
	slow := flag.Duration("slow", time.Second, "how long slow takes")
	flag.Parse()
	l, err := net.Listen("tcp", *listen)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println("listening", l.Addr())
	for {
		c, err := l.Accept()
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		go serve(c, *name, *mode, *slow)
	}
}

func serve(c net.Conn, name, mode string, slow time.Duration) {
	defer c.Close()
	r := bufio.NewReaderSize(c, 512)
	q, err := http.ReadRequest(r)
	if err != nil {
		return
	}
	switch mode {
	case "slow":
		time.Sleep(slow)
	case "silent":
		_, _ = io.Copy(io.Discard, c)
		return
	case "refusing":
		fmt.Fprint(c, "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
		return
	case "garbage":
		fmt.Fprint(c, "\x00\xff this is no HTTP \r\n\r\n")
		return
	}
	if q.Header.Get("Upgrade") == "" {
		fmt.Fprint(c, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n")
		return
	}
	sum := sha1.Sum([]byte(q.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	fmt.Fprintf(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n%s\n",
		base64.StdEncoding.EncodeToString(sum[:]), name)
	_, _ = io.Copy(c, r)
}
