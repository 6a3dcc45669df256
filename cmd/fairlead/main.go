// Command fairlead is a layer-4 TCP/TLS load balancer with sticky sessions, for the front edge of WebSocket clusters.
package main

import "os"

func main() {
	os.Exit(profiled(func() int { return execute(os.Args[1:], os.Stdout, os.Stderr) }))
}
