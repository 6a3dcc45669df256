package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestBackendIsBlackholed: nothing comes back from it, not even a refusal. Checks and connects run into their timeouts, and
// clients are let in by another within theirs.
func TestBackendIsBlackholed(t *testing.T) {
	t.Parallel()
	need(t, "ip", "nft")
	n := newNamespace(t)
	far := &pit{name: "far", address: n.inside + ":0", wrap: []string{"ip", "netns", "exec", n.name}}
	far.run(t)
	near := startPit(t, "near")
	e := startEdge(t, stickyPool([]string{near.item(), far.item()}, fmt.Sprintf(vigilant, "tcp")))
	c := assemble(t, 40, e.address(t, "edge"), nil)
	c.settled(t)
	if c.homes()["far"] == 0 {
		t.Fatal("nobody is on the backend in the namespace")
	}
	n.drop(t)
	late := assemble(t, 40, e.address(t, "edge"), nil) // before anybody knows: they run into the timeout
	if l := e.awaitBackend(t, "backend down", "far"); !strings.Contains(l.Error, "within") && !strings.Contains(l.Error, "timeout") {
		t.Errorf("line %+v", l)
	}
	c.settled(t, "far")
	late.settled(t, "far")
	n.pass(t)
	e.awaitBackend(t, "backend up", "far")
	c.check(t, longestWait, only("far"))
	late.check(t, longestWait, only("far"))
}

// namespace is a network of its own, one cable away. It is named after this process, so that what a killed one left
// behind is told from what another one is using. A process has one at a time.
type namespace struct{ name, cable, inside string }

const namespacePrefix = "fairlead-test-"

// newNamespace makes one, and needs the rights to.
func newNamespace(t *testing.T) *namespace {
	t.Helper()
	removeLeftovers()
	pid := os.Getpid()
	n := &namespace{name: namespacePrefix + strconv.Itoa(pid), cable: "fl" + strconv.Itoa(pid)}
	if output, err := exec.Command("ip", "netns", "add", n.name).CombinedOutput(); err != nil {
		lacking(t, "the right to make network namespaces: "+strings.TrimSpace(string(output)))
	}
	t.Cleanup(func() { n.remove() })
	// A net for documentation (RFC 5737), which no network that the machine is in should have. Another run of the tests has
	// another part of it.
	const parts = 64
	part := pid % parts * 4
	outside := fmt.Sprintf("203.0.113.%d", part+1)
	n.inside = fmt.Sprintf("203.0.113.%d", part+2)
	for _, args := range []string{
		"link add " + n.cable + " type veth peer name eth0 netns " + n.name, "addr add " + outside + "/30 dev " + n.cable,
		"link set " + n.cable + " up",
		"-n " + n.name + " addr add " + n.inside + "/30 dev eth0", "-n " + n.name + " link set eth0 up", "-n " + n.name + " link set lo up",
	} {
		command(t, "ip", strings.Fields(args)...)
	}
	return n
}

// remove takes the cable out first: the kernel takes its time with a namespace, and the cable would keep its address.
func (n *namespace) remove() {
	_ = exec.Command("ip", "link", "del", n.cable).Run()
	_ = exec.Command("ip", "netns", "del", n.name).Run()
}

// removeLeftovers of test processes that are gone.
func removeLeftovers() {
	files, _ := filepath.Glob("/run/netns/" + namespacePrefix + "*")
	for _, file := range files {
		pid := strings.TrimPrefix(filepath.Base(file), namespacePrefix)
		if _, err := os.Stat("/proc/" + pid); os.IsNotExist(err) {
			n := &namespace{name: namespacePrefix + pid, cable: "fl" + pid}
			n.remove()
		}
	}
}

// drop lets nothing in or out.
func (n *namespace) drop(t *testing.T) {
	t.Helper()
	for _, args := range []string{"add table inet hole", "add chain inet hole in { type filter hook input priority 0; policy drop; }"} {
		command(t, "ip", append([]string{"netns", "exec", n.name, "nft"}, strings.Fields(args)...)...)
	}
}

// pass undoes drop.
func (n *namespace) pass(t *testing.T) {
	t.Helper()
	command(t, "ip", "netns", "exec", n.name, "nft", "delete", "table", "inet", "hole")
}

func command(t *testing.T, name string, args ...string) {
	t.Helper()
	if output, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, output)
	}
}
