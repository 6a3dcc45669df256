package main

import (
	"fmt"
	"strings"
	"testing"
)

// TestBackupComesLast: it has nobody while any other backend is well, then everybody; and when one is well again new clients
// go there, while those who are on the backup stay.
func TestBackupComesLast(t *testing.T) {
	t.Parallel()
	all, items := pits(t, 2)
	spare := startPit(t, "spare")
	items = append(items, strings.Replace(spare.item(), "{", "{backup: true, ", 1))
	e := startEdge(t, stickyPool(items, fmt.Sprintf(vigilant, "tcp")))
	address := e.address(t, "edge")
	c := assemble(t, 40, address, nil)
	c.settled(t, spare.name)

	all[0].kill(t)
	e.awaitBackend(t, "backend down", all[0].name)
	c.settled(t, all[0].name, spare.name)

	all[1].kill(t)
	e.awaitBackend(t, "backend down", all[1].name)
	c.settled(t, all[0].name, all[1].name)

	all[0].run(t)
	e.awaitBackend(t, "backend up", all[0].name)
	if homes := strangers(t, address, "after", 20); homes[all[0].name] != 20 {
		t.Errorf("new clients are on %v, not on %s alone", homes, all[0].name)
	}
	if homes := c.homes(); homes[spare.name] != 40 {
		t.Errorf("those who were on the backup are on %v", homes)
	}
	c.check(t, longestWait, func(b breakage) bool { return b.backend == all[0].name || b.backend == all[1].name })
}
