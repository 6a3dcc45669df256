package affinity

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "rewrite the golden keys")

// The reference vectors: key 00..0f, inputs of 0 to 63 bytes 00, 01, ….
func TestSipHashVectors(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("testdata", "siphash24_128.txt"))
	if err != nil {
		t.Fatal(err)
	}
	var key, input [64]byte
	for i := range input {
		key[i], input[i] = byte(i), byte(i)
	}
	vectors := strings.Fields(string(text))
	if len(vectors) != 64 {
		t.Fatalf("%d vectors", len(vectors))
	}
	for n, want := range vectors {
		if got := hexOf(newSipKey(key[:16]).sum(input[:n])); got != want {
			t.Errorf("%d bytes: %s, want %s", n, got, want)
		}
	}
}

func hexOf(k Key) string {
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:], k.Lo)
	binary.LittleEndian.PutUint64(b[8:], k.Hi)
	return hex.EncodeToString(b[:])
}

// plainSipHash is the algorithm once more, written after the paper's description: a padded message cut into words,
// an array of four, rounds counted.
func plainSipHash(key [16]byte, message []byte) (out [16]byte) {
	le := binary.LittleEndian
	v := [4]uint64{}
	for i, constant := range []string{"somepseu", "dorandom", "lygenera", "tedbytes"} {
		v[i] = binary.BigEndian.Uint64([]byte(constant)) ^ le.Uint64(key[8*(i%2):])
	}
	v[1] ^= 0xee
	rotl := func(x uint64, n int) uint64 { return x<<n | x>>(64-n) }
	rounds := func(n int) {
		for range n {
			for _, half := range [][6]int{{0, 1, 2, 3, 13, 16}, {2, 1, 0, 3, 17, 21}} {
				p, q, r, s := half[0], half[1], half[2], half[3]
				v[p] += v[q]
				v[r] += v[s]
				v[q] = rotl(v[q], half[4]) ^ v[p]
				v[s] = rotl(v[s], half[5]) ^ v[r]
				v[p] = rotl(v[p], 32)
			}
		}
	}
	padded := append([]byte{}, message...)
	for len(padded)%8 != 7 {
		padded = append(padded, 0)
	}
	padded = append(padded, byte(len(message)))
	for i := 0; i < len(padded); i += 8 {
		m := le.Uint64(padded[i:])
		v[3] ^= m
		rounds(2)
		v[0] ^= m
	}
	v[2] ^= 0xee
	rounds(4)
	le.PutUint64(out[:], v[0]^v[1]^v[2]^v[3])
	v[1] ^= 0xdd
	rounds(4)
	le.PutUint64(out[8:], v[0]^v[1]^v[2]^v[3])
	return out
}

func TestSipHashAgainstPlain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := [16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "key"))
		message := rapid.SliceOfN(rapid.Byte(), 0, 600).Draw(t, "message")
		want := plainSipHash(key, message)
		if got := hexOf(newSipKey(key[:]).sum(message)); got != hex.EncodeToString(want[:]) {
			t.Fatalf("%s, want %x", got, want)
		}
	})
}

func TestAddr(t *testing.T) {
	h := NewHasher("s")
	tests := []struct {
		name   string
		a, b   string
		v4, v6 int
		same   bool
	}{
		{"same", "192.0.2.1", "192.0.2.1", 32, 128, true},
		{"neighbours", "192.0.2.1", "192.0.2.2", 32, 128, false},
		{"one network", "192.0.2.1", "192.0.2.254", 24, 128, true},
		{"across networks", "192.0.2.1", "192.0.3.1", 24, 128, false},
		{"odd prefix within", "192.0.2.1", "192.0.3.1", 23, 128, true},
		{"everybody", "192.0.2.1", "10.0.0.1", 0, 128, true},
		{"mapped", "::ffff:192.0.2.1", "192.0.2.1", 32, 128, true},
		{"mapped, by the IPv4 prefix", "::ffff:192.0.2.1", "192.0.2.77", 24, 16, true},
		{"out of range means whole", "192.0.2.1", "192.0.2.0", 99, -1, false},
		{"IPv6 neighbours", "2001:db8::1", "2001:db8::2", 32, 128, false},
		{"one /64", "2001:db8::1", "2001:db8::ffff:2", 32, 64, true},
		{"two /64", "2001:db8::1", "2001:db8:0:1::1", 32, 64, false},
		{"one /56", "2001:db8::1", "2001:db8:0:ff::1", 32, 56, true},
		{"one /120", "2001:db8::1", "2001:db8::ff", 32, 120, true},
		{"two /120", "2001:db8::1", "2001:db8::1ff", 32, 120, false},
		{"IPv6 out of range means whole", "2001:db8::1", "2001:db8::", 32, 129, false},
		{"zones", "fe80::1%eth0", "fe80::1%eth1", 32, 128, true},
		{"families with empty prefixes", "192.0.2.1", "2001:db8::1", 0, 0, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := h.Addr(netip.MustParseAddr(tt.a), tt.v4, tt.v6)
			b := h.Addr(netip.MustParseAddr(tt.b), tt.v4, tt.v6)
			if (a == b) != tt.same {
				t.Errorf("%s and %s: %x and %x", tt.a, tt.b, a, b)
			}
		})
	}
	none := h.Addr(netip.Addr{}, 32, 128)
	if none == h.Addr(netip.IPv4Unspecified(), 32, 128) || none == h.Addr(netip.IPv6Unspecified(), 32, 128) {
		t.Error("no address has the key of an address")
	}
}

// The masks are those of net/netip.
func TestAddrAgainstPrefix(t *testing.T) {
	h := NewHasher("")
	rapid.Check(t, func(t *rapid.T) {
		raw := [16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "address"))
		v4, v6 := rapid.IntRange(0, 32).Draw(t, "v4"), rapid.IntRange(0, 128).Draw(t, "v6")
		a, bits := netip.AddrFrom16(raw).Unmap(), v6
		if rapid.Bool().Draw(t, "IPv4") {
			a = netip.AddrFrom4([4]byte(raw[:4]))
		}
		if a.Is4() {
			bits = v4
		}
		network, err := a.Prefix(bits)
		if err != nil {
			t.Fatal(err)
		}
		if h.Addr(a, v4, v6) != h.Addr(network.Addr(), 32, 128) {
			t.Fatalf("%s is not hashed as %s", a, network)
		}
	})
}

// An identity's bytes are not an address, whatever they are.
func TestValuesAreNotAddresses(t *testing.T) {
	h := NewHasher("")
	if h.Sum([]byte{4, 192, 0, 2, 1}) == h.Addr(netip.MustParseAddr("192.0.2.1"), 32, 128) {
		t.Error("a value has the key of an address")
	}
}

func TestSecretsMatter(t *testing.T) {
	a, b := NewHasher("a"), NewHasher("b")
	addr := netip.MustParseAddr("192.0.2.1")
	if a.Sum([]byte("x")) == b.Sum([]byte("x")) || a.Addr(addr, 32, 128) == b.Addr(addr, 32, 128) {
		t.Error("two secrets give one key")
	}
	if a != NewHasher("a") {
		t.Error("one secret gives two hashers")
	}
}

// TestGolden fails when an identity has another key than it had. Keys lead to backends: in a cluster, edges before and
// after such a change would send one client to different backends, and all keys without an open tunnel would move.
func TestGolden(t *testing.T) {
	got := make(map[string]string)
	for _, secret := range []string{"", "kept by all edges"} {
		h := NewHasher(secret)
		for _, value := range []string{"", "x", "0123456", "01234567", "sid-5f2c9e1b7a", strings.Repeat("token.", 40)} {
			got[fmt.Sprintf("secret=%q value=%q", secret, value)] = hexOf(h.Sum([]byte(value)))
		}
		for _, a := range []string{"192.0.2.77", "::ffff:192.0.2.77", "2001:db8:1:2:3:4:5:6", "fe80::1%eth0"} {
			got[fmt.Sprintf("secret=%q addr=%s/24,/64", secret, a)] = hexOf(h.Addr(netip.MustParseAddr(a), 24, 64))
		}
	}
	file := filepath.Join("testdata", "golden_keys.json")
	if *update {
		text, err := json.MarshalIndent(got, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, append(text, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var want map[string]string
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	if len(want) != len(got) {
		t.Errorf("%d keys in the file, want %d", len(want), len(got))
	}
	for identity, key := range got {
		if want[identity] != key {
			t.Errorf("%s: key %s, was %q", identity, key, want[identity])
		}
	}
}

func TestHasherDoesNotAllocate(t *testing.T) {
	h := NewHasher("s")
	value, addr := []byte(strings.Repeat("v", 100)), netip.MustParseAddr("fe80::1%eth0")
	if n := testing.AllocsPerRun(100, func() { h.Sum(value); h.Addr(addr, 24, 64) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkSum(b *testing.B) {
	h := NewHasher("s")
	for _, n := range []int{16, 64} {
		b.Run(fmt.Sprintf("len=%d", n), func(b *testing.B) {
			value := make([]byte, n)
			b.SetBytes(int64(n))
			b.ReportAllocs()
			for b.Loop() {
				h.Sum(value)
			}
		})
	}
}

func BenchmarkAddr(b *testing.B) {
	h := NewHasher("s")
	for _, a := range []string{"192.0.2.77", "2001:db8::1"} {
		b.Run("addr="+a, func(b *testing.B) {
			addr := netip.MustParseAddr(a)
			b.ReportAllocs()
			for b.Loop() {
				h.Addr(addr, 32, 64)
			}
		})
	}
}
