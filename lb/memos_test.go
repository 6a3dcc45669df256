package lb

import "testing"

// TestReadAfterTheEnd: who looks on may be late.
func TestReadAfterTheEnd(t *testing.T) {
	var m memos
	n := m.keep([]byte("x"))
	m.close()
	if b := m.read(n, nil); len(b) != 0 {
		t.Errorf("%q", b)
	}
}
