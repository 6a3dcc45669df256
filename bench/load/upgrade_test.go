package load

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"testing"

	"fairlead/bench/ws"
)

// upgrade answers the opening handshake as a server; the client sends nothing more before it has the answer.
func upgrade(t *testing.T, conn net.Conn) bool {
	t.Helper()
	r, err := http.ReadRequest(bufio.NewReader(conn))
	if err != nil {
		t.Errorf("read the upgrade: %v", err)
		return false
	}
	_, err = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Accept: "+ws.Accept(r.Header.Get("Sec-WebSocket-Key"))+"\r\n\r\n")
	return err == nil
}
