package tlsterm

import (
	"crypto/fips140"
	"os"
	"os/exec"
	"testing"
)

// A program that may only use approved ciphers in approved ways cannot seal records by itself. It says so, and serves.
func TestFIPSStays(t *testing.T) {
	const child = "FAIRLEAD_TEST_FIPS"
	if os.Getenv(child) == "" {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestFIPSStays$", "-test.v")
		cmd.Env = append(os.Environ(), child+"=1", "GODEBUG=fips140=only")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	if !fips140.Enforced() {
		t.Fatal("not enforced")
	}
	everyTunnel(t, func(t *testing.T, client, server *Conn) {
		for _, c := range []*Conn{client, server} {
			if _, h := c.Detach(); h != nil {
				t.Error("detached")
			}
			wantStd(t, c, StdFIPS)
		}
		_, err := client.Write([]byte("question"))
		must(t, err)
		wantRead(t, server, "question", nil)
		_, err = server.Write([]byte("answer"))
		must(t, err)
		wantRead(t, client, "answer", nil)
	})
}
