// Command fairlead-bench puts WebSocket edges under load and says what their clients see. It works with any edge: fairlead is one.
package main

import "os"

func main() { os.Exit(execute(os.Args[1:], os.Stdout, os.Stderr)) }
